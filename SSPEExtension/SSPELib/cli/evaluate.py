"""`sspe evaluate` and `sspe bundle`: the figures behind a model, and the bundle that carries them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .console import progress_bar
from .options import DeviceOption, ModelOption, check_outputs

evaluate = typer.Typer(help="Measure a model on volumes whose slices are known.", no_args_is_help=True)


@evaluate.callback()
def measurements() -> None:
    """Measure a model on volumes whose slices are known."""


@evaluate.command()
def expansion(
    volumes: Annotated[list[Path], typer.Argument(metavar="VOLUME...", help="CTs; slices at their ends are hidden.")],
    distance: Annotated[float, typer.Option(metavar="MM", help="How far each end grows.")] = 64.0,
    cut: Annotated[
        Literal["end", "middle", "both"],
        typer.Option(help="Hide the outermost slices, or those beyond mid-length, or do both in turn."),
    ] = "both",
    table: Annotated[Path | None, typer.Option(metavar="ROWS.csv", help="Also write a row per expansion.")] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Mean absolute error in HU over body voxels of new slices, against repeating the edge slice; both directions.

    Example: sspe evaluate expansion data/openkbp/test/*_ct.nii.gz --distance 64 --table rows.csv
    """
    from ..bundle import load_bundle
    from ..evaluation.expansion import Cut, error_by_distance, scores, summary
    from ..expansion import Expander, check_distance
    from ..volume.writing import Outputs

    check_outputs([(table, (".csv",))], volumes)
    check_distance(distance)
    cuts: tuple[Cut, ...] = ("end", "middle") if cut == "both" else (cut,)
    expander = Expander(load_bundle(model), device)
    with progress_bar("Evaluating") as progress:
        results = scores(volumes, expander, distance, cuts, progress)
    if not results:
        raise InputError(f"No volume is long enough to hide {distance:g} mm; choose a smaller distance.")
    for name, chosen in (
        ("all", results),
        ("inferior", [result for result in results if result.end == "inferior"]),
        ("superior", [result for result in results if result.end == "superior"]),
    ):
        if chosen:
            print(name, " ".join(f"{key}={value:.3f}" for key, value in summary(chosen).items()))
    print("error by distance", " ".join(f"{mm:.0f}mm={hu:.0f}HU" for mm, hu in error_by_distance(results)))
    if table is not None:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["volume", "end", "cut", "distance_mm", "error_hu", "repeated_hu", "ratio"])
        for r in results:
            row = [r.name, r.end, r.cut, r.distance_mm, f"{r.error_hu:.2f}", f"{r.repeated_hu:.2f}", f"{r.ratio:.4f}"]
            writer.writerow(row)
        with Outputs() as outputs:
            outputs.text(text.getvalue(), table)


def bundle(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run: last.ckpt, config.toml.")],
    folder: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder to write model.json and weights.pt to.")],
) -> None:
    """Measure a trained generator on its validation volumes and write it as a model bundle.

    Needs the extra packages of pip install 'sspe[train]'.

    Example: sspe bundle runs/lambda-ResGAN SSPEExtension/Resources/Models/lambda-ResGAN
    """
    from ..training.bundling import bundle_run

    with progress_bar("Measuring") as progress:
        made = bundle_run(run, folder, progress)
    for name, figures in made.card.held_out.items():
        print(name, figures)
