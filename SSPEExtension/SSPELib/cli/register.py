"""`sspe register`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..progress import part
from .console import progress_bar, say, warn
from .options import DeviceOption, check_outputs

if TYPE_CHECKING:
    from ..expansion.expander import Expansion
    from ..volume import Volume

SHARE_OF_EXPANSION = 0.4


def register(
    fixed: Annotated[
        Path, typer.Argument(metavar="FIXED", help="CT that stays: .nii, .nii.gz, .nrrd, .mha, .mhd or a DICOM folder.")
    ],
    moving: Annotated[Path, typer.Argument(metavar="MOVING", help="CT of a neighboring part of the same body.")],
    transform: Annotated[
        Path,
        typer.Option(
            metavar="OUT.tfm", help="The transform, fixed points to moving points in LPS mm: .tfm, .h5 or .txt."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Also write MOVING resampled to FIXED: spacing and direction of FIXED, extended so that nothing of "
            "the moving body is cropped, -1000 HU where there are no data."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="REPORT.json", help="Also write a report, and a page REPORT.html beside it.")
    ] = None,
    transform_type: Annotated[
        Literal["rigid", "affine"], typer.Option(help="Rigid for the same person; affine also scales and shears.")
    ] = "affine",
    start: Annotated[
        Literal["header", "unknown"],
        typer.Option(help="Trust the positions in the headers, or search all along the body."),
    ] = "header",
    no_expansion: Annotated[bool, typer.Option("--no-expansion", help="Register without synthetic slices.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Register two CTs of one body that overlap little or not at all.

    Both are continued toward each other, the continued volumes are registered, and where at least 30 mm of real overlap
    results, real voxels alone decide the last refinement. Whether to trust the result is in the report.

    Example: sspe register chest.nii.gz abdomen.nii.gz --transform found.tfm --report report.json
    """
    from ..io import read_volume
    from ..io.writing import IMAGE_SUFFIXES, TRANSFORM_SUFFIXES, Outputs
    from ..volume import check_ct
    from ..volume.resampling import resample_moving

    started = time.monotonic()
    page = report.with_suffix(".html") if report is not None else None
    check_outputs(
        [(transform, TRANSFORM_SUFFIXES), (output, IMAGE_SUFFIXES), (report, (".json",)), (page, (".html",))],
        [fixed, moving],
    )
    if fixed.exists() and moving.exists() and fixed.resolve() == moving.resolve():
        raise InputError(_same(fixed, moving))
    fixed_volume, moving_volume = read_volume(fixed), read_volume(moving)
    if _identical(fixed_volume, moving_volume):
        raise InputError(_same(fixed, moving))
    warnings = [*check_ct(fixed_volume), *check_ct(moving_volume)]

    from ..registration import expand_toward
    from ..registration import register as register_volumes

    with progress_bar("Registering") as progress:
        model = None
        sides: tuple[Volume | Expansion, Volume | Expansion] = (fixed_volume, moving_volume)
        if not no_expansion:
            from ..expansion.expander import Expander
            from ..model.bundle import load_bundle

            expander = Expander(load_bundle(), device)
            model = expander.bundle.card.name
            share = part(progress, 0.0, SHARE_OF_EXPANSION)
            sides = expand_toward(fixed_volume, moving_volume, expander, start=start, progress=share)
            progress = part(progress, SHARE_OF_EXPANSION, 1.0)
        result = register_volumes(*sides, start=start, transform_type=transform_type, progress=progress)
        result = replace(result, seconds=time.monotonic() - started)
    warnings = list(dict.fromkeys([*warnings, *result.warnings]))
    with Outputs() as outputs:
        outputs.transform(result.transform, transform)
        if output is not None:
            outputs.image(resample_moving(fixed_volume, moving_volume, result.transform).to_image(), output)
        if report is not None and page is not None:
            from ..report import Subject, page_of, summary_of

            files = {"fixed": fixed, "moving": moving, "transform": transform, "output": output}
            subject = Subject(*sides, result, {key: str(path) for key, path in files.items() if path}, model, warnings)
            outputs.text(summary_of(subject), report)
            outputs.text(page_of(subject), page)
    warn(warnings)
    if not result.reliable:
        warn([f"The result is not reliable ({'; '.join(result.reasons)}); check it by eye before it is used."])
    trust = "reliable" if result.reliable else "not reliable"
    say(
        f"{transform}: {result.transform_type} transform, {trust}, confidence {result.confidence:.2f}, real overlap "
        f"{result.overlap_mm:.0f} mm, {result.seconds:.0f} s."
    )


def _identical(first: Volume, second: Volume) -> bool:
    import numpy as np

    return (
        first.array.shape == second.array.shape
        and np.allclose(first.index_to_lps, second.index_to_lps, atol=1e-4)
        and np.array_equal(first.array, second.array)
    )


def _same(fixed: Path, moving: Path) -> str:
    named = str(fixed) if fixed == moving else f"{fixed} and {moving}"
    return f"{named}: the fixed and the moving volume are the same; choose two different parts of a body."
