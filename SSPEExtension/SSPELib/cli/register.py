"""`sspe register`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..options import VOLUME_FILES, BackendName, RegisterOptions, TransformType
from ..stages import answered
from .console import needs_extra, progress_bar, say, warn
from .options import (
    AssumeLpsOption,
    DeviceOption,
    DicomOption,
    DistanceOption,
    ModelOption,
    NoExpansionOption,
    PdfOption,
    ReportOption,
    SeveralSeriesOption,
    StartOption,
    ToleranceOption,
    check_outputs,
    check_printing,
    page_beside,
    read_options,
    write_page,
    write_summary,
)

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..volume import Volume

DEFAULTS = RegisterOptions()


def register(
    fixed: Annotated[Path, typer.Argument(metavar="FIXED", help=f"CT that stays: {VOLUME_FILES}.")],
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
    report: ReportOption = None,
    transform_type: Annotated[
        TransformType, typer.Option(help=RegisterOptions.option("transform_type").sentence)
    ] = DEFAULTS.transform_type,
    start: StartOption = DEFAULTS.start,
    fixed_landmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="POINTS",
            help="Three or more landmarks on FIXED to start from, .mrk.json or .fcsv of 3D Slicer; needs "
            "--moving-landmarks.",
        ),
    ] = None,
    moving_landmarks: Annotated[
        Path | None, typer.Option(metavar="POINTS", help="The same landmarks on MOVING, in the same order.")
    ] = None,
    pdf: PdfOption = None,
    dicom: DicomOption = None,
    no_expansion: NoExpansionOption = False,
    distance: DistanceOption = DEFAULTS.distance_mm,
    backend: Annotated[BackendName, typer.Option(help=RegisterOptions.option("backend").sentence)] = DEFAULTS.backend,
    tolerance: ToleranceOption = DEFAULTS.tolerance_mm,
    model: ModelOption = DEFAULTS.model,
    device: DeviceOption = DEFAULTS.device,
    series: SeveralSeriesOption = None,
    assume_lps: AssumeLpsOption = False,
) -> None:
    """Register two CTs of one body that overlap little or not at all.

    Both are continued toward each other, the continued volumes are registered, and where at least 30 mm of real overlap
    results, real voxels alone decide the last refinement. Whether to trust the result is in the report.

    Example: sspe register chest.nii.gz abdomen.nii.gz --transform found.tfm --report report.json
    """
    from ..io import Outputs, read_volumes
    from ..io.writing import IMAGE_SUFFIXES, TRANSFORM_SUFFIXES
    from ..model.device import load_ahead

    options = RegisterOptions(
        transform_type=transform_type,
        start=start,
        expand=not no_expansion,
        distance_mm=distance,
        backend=backend,
        tolerance_mm=tolerance,
        model=model,
        device=device,
    )
    options.check()
    landmarks = [path for path in (fixed_landmarks, moving_landmarks) if path is not None]
    check_outputs(
        [
            (transform, TRANSFORM_SUFFIXES),
            (output, IMAGE_SUFFIXES),
            (report, (".json",)),
            (page_beside(report), (".html",)),
            (pdf, (".pdf",)),
        ],
        [fixed, moving, *landmarks],
    )
    if dicom is not None:
        from ..dicom_objects.export import check_folder

        with needs_extra("dicom", "--dicom"):
            check_folder(dicom)
    check_printing(pdf)
    read_fixed, read_moving = read_options(series, assume_lps, ("FIXED", "MOVING"))
    same_path = fixed.exists() and moving.exists() and fixed.resolve() == moving.resolve()
    if same_path and read_fixed == read_moving:
        raise InputError(_same(fixed, moving))
    start_transform = _landmark_start(fixed_landmarks, moving_landmarks)

    from .. import tasks

    load_ahead(".registration.register")
    fixed_volume, moving_volume = read_volumes((fixed, moving), (read_fixed, read_moving))
    if _identical(fixed_volume, moving_volume):
        raise InputError(_same(fixed, moving))
    with progress_bar("Registering") as progress:
        done = tasks.register(fixed_volume, moving_volume, options, progress, start_transform=start_transform)
    result, warnings = done.registration, list(done.warnings)
    subject = None
    if report is not None or pdf is not None:
        from ..dicom_objects.source import patient_in
        from ..report import Subject

        files = {"fixed": fixed, "moving": moving, "transform": transform, "output": output}
        named = {key: str(path) for key, path in files.items() if path}
        who = patient_in(fixed, fixed_volume, read_fixed.series)
        subject = Subject(done.fixed, done.moving, result, named, done.model, done.warnings, who)
    with Outputs() as outputs:
        outputs.transform(result.transform, transform)
        if output is not None:
            from ..volume.resampling import resample_moving

            outputs.image(resample_moving(fixed_volume, moving_volume, result.transform).to_image(), output)
        if subject is not None:
            from ..report import summary_of

            write_summary(outputs, summary_of(subject), report, pdf)
        if dicom is not None:
            from ..dicom_objects.export import export_registration
            from ..dicom_objects.source import source_of
            from ..poses import matrix_of

            scans = (
                source_of(fixed, fixed_volume, read_fixed.series),
                source_of(moving, moving_volume, read_moving.series),
            )
            warnings += export_registration(outputs.folder(dicom), matrix_of(result.transform), *scans)
    warn(warnings)
    if not result.reliable:
        warn([f"The result is not reliable ({'; '.join(result.reasons)}); check it by eye before it is used."])
    trust = "reliable" if result.reliable else "not reliable"
    say(
        f"{transform}: {result.transform_type} transform, {trust}, real overlap {result.overlap_mm:.0f} mm, "
        f"{result.seconds:.0f} s. {result.error_sentence}."
    )
    answered()
    if subject is not None:
        from ..report.page import page_of

        write_page(page_of(subject), report, pdf)


def _landmark_start(fixed: Path | None, moving: Path | None) -> sitk.Transform | None:
    """The rigid transform that brings the landmarks of two files together, None where there are none."""
    if fixed is None and moving is None:
        return None
    if fixed is None or moving is None:
        raise InputError("Landmarks are needed on both volumes: give --fixed-landmarks and --moving-landmarks.")
    from ..io.points import read_points
    from ..poses import landmark_transform

    return landmark_transform(read_points(fixed).positions, read_points(moving).positions, (str(fixed), str(moving)))


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
