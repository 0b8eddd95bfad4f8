"""`sspe evaluate`: the figures behind a model."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from SSPELib.cli.console import needs_extra, progress_bar
from SSPELib.cli.options import DeviceOption, check_outputs
from SSPELib.options import ExpandOptions

evaluate = typer.Typer(help="Measure a model on volumes whose slices are known.", no_args_is_help=True)


@evaluate.callback()
def measurements() -> None:
    """Measure a model on volumes whose slices are known."""


Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME_OR_DIR", help="A bundled model or a folder with one; may be repeated."),
]


@evaluate.command()
def expansion(
    volumes: Annotated[list[Path], typer.Argument(metavar="VOLUME", help="CTs; slices at their ends are hidden.")],
    model: Models = None,
    training: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="Training volumes, as 'data/train/*_ct.nii.gz', from which the nearest is copied."
        ),
    ] = None,
    distance: Annotated[
        list[float] | None, typer.Option(metavar="MM", help="How much is hidden; may be repeated. [64 and 128]")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.")] = Path("evaluation"),
    device: DeviceOption = "auto",
) -> None:
    """Continue volumes whose further slices are known, with models and with baselines, and compare.

    Writes expansion-cases.csv (a row per case and way), expansion.md (tables as the paper's Table 1, in HU over body
    voxels of new slices, by direction, by step, paired tests) and expansion-error.png to DIR. Needs the extra packages
    of pip install 'sspe[evaluate]'.

    Example: `sspe evaluate expansion data/openkbp/test/*_ct.nii.gz --training 'data/openkbp/train/*_ct.nii.gz'`
    """
    with needs_extra("evaluate", "This evaluation"):
        from ..evaluation.expansion.run import compare

    for one in distance or []:
        ExpandOptions(distance_mm=one).check()
    with progress_bar("Evaluating") as progress:
        print(
            compare(
                volumes,
                output,
                models=model or [None],
                training=training or [],
                distances_mm=distance or [64.0, 128.0],
                device=device,
                command=_own_command(),
                progress=progress,
            )
        )


@evaluate.command()
def figure(
    volume: Annotated[Path, typer.Argument(metavar="VOLUME", help="One CT, whose end is hidden.")],
    image: Annotated[Path, typer.Argument(metavar="FIGURE.png", help="What to write; its error curve goes beside it.")],
    model: Models = None,
    end: Annotated[Literal["inferior", "superior"], typer.Option(help="The end that is hidden.")] = "inferior",
    steps: Annotated[int, typer.Option(help="Successive expansions.", min=1, max=4)] = 4,
    device: DeviceOption = "auto",
) -> None:
    """Draw one patient as the paper's Fig. 3: sagittal and coronal, the truth and all models, and the error curve.

    Example: sspe evaluate figure pt_1_ct.nii.gz figure.png --model ResGAN --model lambda-ResGAN
    """
    from ..evaluation.expansion.figure import draw_patient

    curve = image.with_name(f"{image.stem}-error{image.suffix}")
    check_outputs([(image, (".png", ".svg")), (curve, (".png", ".svg"))], [volume])
    with progress_bar("Drawing") as progress:
        draw_patient(volume, model or [None], end, steps, device, image, curve, progress)


def _own_command() -> str:
    return shlex.join(["sspe", *sys.argv[1:]])
