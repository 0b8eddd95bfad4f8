"""`sspe stitch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..options import MergeOptions, RegisterOptions
from .console import needs_extra, progress_bar, say, warn
from .options import (
    AcceptUnreliableOption,
    AssumeLpsOption,
    DeviceOption,
    DicomOption,
    FillGapOption,
    ModelOption,
    NoExpansionOption,
    PdfOption,
    ReportOption,
    SeamOption,
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

MERGE, REGISTER = MergeOptions(), RegisterOptions()


def stitch(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PART PART... OUTPUT",
            help="Two to ten CTs of one body in any order, then the volume to write. The first gives frame and grid.",
        ),
    ],
    report: ReportOption = None,
    pdf: PdfOption = None,
    provenance: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="Also write where each voxel comes from (0 no data, 1 to 10 the parts as given, 11 a mean of several, "
            "12 synthetic), with the verdict on the registrations in the header of the file.",
        ),
    ] = None,
    start: StartOption = REGISTER.start,
    tolerance: ToleranceOption = REGISTER.tolerance_mm,
    seam: SeamOption = MERGE.seam_mm,
    fill_gap: FillGapOption = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="A part that fits nowhere is no error (exit code 0 instead of 2).")
    ] = False,
    accept_unreliable: AcceptUnreliableOption = False,
    no_expansion: NoExpansionOption = False,
    dicom: DicomOption = None,
    model: ModelOption = REGISTER.model,
    device: DeviceOption = REGISTER.device,
    series: SeveralSeriesOption = None,
    assume_lps: AssumeLpsOption = False,
) -> None:
    """Make one volume of several parts of one body.

    Pairs are registered, the reliable ones place the parts, and all are merged. A part that fits nowhere is named and
    left out; the others are joined, but the exit code is 2 unless --keep-going.

    Example: sspe stitch neck.nii.gz pelvis.nii.gz chest.nii.gz whole.nii.gz --report whole.json
    """
    from ..io import Outputs, read_volumes
    from ..io.writing import IMAGE_SUFFIXES
    from ..model.device import load_ahead

    *files, output = paths
    if len(files) < 2:
        raise InputError("Give two or more parts and then the volume to write.")
    register_options = RegisterOptions(
        start=start, expand=not no_expansion, tolerance_mm=tolerance, model=model, device=device
    )
    merge_options = MergeOptions(
        seam_mm=seam, fill_gap=fill_gap, accept_unreliable=accept_unreliable, model=model, device=device
    )
    wanted = [
        (output, IMAGE_SUFFIXES),
        (provenance, IMAGE_SUFFIXES),
        (report, (".json",)),
        (page_beside(report), (".html",)),
        (pdf, (".pdf",)),
    ]
    check_outputs(wanted, files)
    check_printing(pdf)
    if dicom is not None:
        from ..dicom_objects.export import check_folder

        with needs_extra("dicom", "--dicom"):
            check_folder(dicom)
    reading = read_options(series, assume_lps, [file.name for file in files])

    from .. import tasks

    load_ahead(".registration.register")
    parts = read_volumes(files, reading)
    with progress_bar("Stitching") as progress:
        done = tasks.stitch(parts, register_options, merge_options, progress, keep_going=True)
    network = done.network
    order = [files[index].name for index in network.downward(parts)]
    about = None
    with Outputs() as outputs:
        outputs.image(done.joined.volume.to_image(), output)
        if provenance is not None:
            outputs.image(done.joined.sources_image(), provenance)
        if report is not None or pdf is not None:
            from ..dicom_objects.source import patient_in
            from ..report import Assembly, summary_of_assembly

            root = network.root
            names, who = [str(file) for file in files], patient_in(files[root], parts[root], reading[root].series)
            about = Assembly.of_stitched(done, parts, merge_options, names, str(output), who)
            write_summary(outputs, summary_of_assembly(about), report, pdf)
        if dicom is not None:
            from ..dicom_objects.export import export_volume
            from ..dicom_objects.source import source_of

            sources = [source_of(files[index], parts[index], reading[index].series) for index in network.poses]
            export_volume(
                outputs.folder(dicom),
                done.joined.volume,
                sources,
                "SSPE stitched, research use",
                f"Stitched from {len(sources)} CTs by registration (SSPE). Verdict on the registrations: "
                f"{network.verdict.sentence}",
            )
    warn(done.warnings)
    say(f"{output}: stitched, from the head down: {', '.join(order)}. {network.verdict.sentence}")
    if about is not None:
        from ..report.assembly_page import page_of_assembly

        write_page(page_of_assembly(about), report, pdf)
    if network.left_out and not keep_going:
        strangers = ", ".join(str(files[index]) for index in network.left_out)
        raise InputError(
            f"{strangers}: fits to no other part reliably and was left out of {output}; check that it is of this body, "
            "or accept doubtful pairs by --accept-unreliable. With --keep-going this is no error."
        )
