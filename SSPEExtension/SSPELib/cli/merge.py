"""`sspe merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import VOLUME_FILES, MergeOptions, Spacing
from .console import needs_extra, progress_bar, say, warn
from .options import (
    AcceptUnreliableOption,
    AssumeLpsOption,
    DeviceOption,
    DicomOption,
    FillGapOption,
    ModelOption,
    PdfOption,
    RegistrationOption,
    ReportOption,
    SeamOption,
    SeveralSeriesOption,
    TransformOption,
    check_outputs,
    check_printing,
    page_beside,
    read_options,
    write_page,
    write_summary,
)

DEFAULTS = MergeOptions()


def merge(
    fixed: Annotated[Path, typer.Argument(metavar="FIXED", help=f"CT that stays: {VOLUME_FILES}.")],
    moving: Annotated[Path, typer.Argument(metavar="MOVING", help="CT that was registered to it.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The merged volume, in the frame of FIXED.")],
    transform: TransformOption,
    registration: RegistrationOption = None,
    provenance: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="Also write where each voxel comes from (0 no data, 1 fixed, 2 moving, 3 both, 4 synthetic), with the "
            "verdict on the registration in the header of the file.",
        ),
    ] = None,
    report: ReportOption = None,
    pdf: PdfOption = None,
    seam: SeamOption = DEFAULTS.seam_mm,
    spacing: Annotated[Spacing, typer.Option(help=MergeOptions.option("spacing").sentence)] = DEFAULTS.spacing,
    fill_gap: FillGapOption = False,
    accept_unreliable: AcceptUnreliableOption = False,
    dicom: DicomOption = None,
    model: ModelOption = DEFAULTS.model,
    device: DeviceOption = DEFAULTS.device,
    series: SeveralSeriesOption = None,
    assume_lps: AssumeLpsOption = False,
) -> None:
    """Make one volume of two registered CTs.

    Where one stands alone its voxels are taken, those of FIXED bit by bit; in the overlap a soft seam joins them. No
    data never overwrite data, and a gap stays a gap unless it is filled with synthetic slices, which are marked.

    Example: sspe merge chest.nii.gz abdomen.nii.gz merged.nii.gz --transform found.tfm --provenance map.nii.gz
    """
    from ..alignment import read_alignment
    from ..io import Outputs, read_volumes
    from ..io.writing import IMAGE_SUFFIXES

    options = MergeOptions(
        seam_mm=seam,
        spacing=spacing,
        fill_gap=fill_gap,
        accept_unreliable=accept_unreliable,
        model=model,
        device=device,
    )
    options.check()
    paths = fixed, moving
    wanted = [
        (output, IMAGE_SUFFIXES),
        (provenance, IMAGE_SUFFIXES),
        (report, (".json",)),
        (page_beside(report), (".html",)),
        (pdf, (".pdf",)),
    ]
    check_outputs(wanted, [*paths, transform, *([registration] if registration else [])])
    check_printing(pdf)
    with needs_extra("dicom", "DICOM"):
        if dicom is not None:
            from ..dicom_objects.export import check_folder

            check_folder(dicom)
        alignment = read_alignment(transform, registration)
    reading = read_options(series, assume_lps, ("FIXED", "MOVING"))
    fixed_volume, moving_volume = read_volumes(paths, reading)
    volumes = fixed_volume, moving_volume

    from .. import tasks

    with progress_bar("Merging") as progress:
        merged = tasks.merge(*volumes, alignment, options, progress)
    warnings = list(merged.warnings)
    verdict = merged.verdict or alignment.verdict
    about = None
    with Outputs() as outputs:
        outputs.image(merged.volume.to_image(), output)
        if provenance is not None:
            outputs.image(merged.sources_image(), provenance)
        if report is not None or pdf is not None:
            from ..dicom_objects.source import patient_in
            from ..report import Assembly, summary_of_assembly

            names, who = [str(path) for path in paths], patient_in(fixed, volumes[0], reading[0].series)
            about = Assembly.of_merged(merged, volumes, alignment, options, names, str(output), who)
            write_summary(outputs, summary_of_assembly(about), report, pdf)
        if dicom is not None:
            from ..dicom_objects.export import export_merged, export_registration
            from ..dicom_objects.source import source_of
            from ..poses import matrix_of

            sources = [source_of(path, one, how.series) for path, one, how in zip(paths, volumes, reading, strict=True)]
            folder = outputs.folder(dicom)
            warnings += export_registration(folder, matrix_of(alignment.transform), *sources)
            export_merged(folder, merged.volume, sources, verdict, options.seam_mm)
    warn(warnings)
    say(f"{output}: {fixed} and {moving} merged. {verdict.sentence}")
    if about is not None:
        from ..report.assembly_page import page_of_assembly

        write_page(page_of_assembly(about), report, pdf)
