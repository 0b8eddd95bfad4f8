"""`sspe stitch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..options import MergeOptions, RegisterOptions, Start
from .console import needs_extra, progress_bar, say, warn
from .options import DeviceOption, DicomOption, ModelOption, check_outputs

if TYPE_CHECKING:
    from ..tasks import Stitched

MERGE, REGISTER = MergeOptions(), RegisterOptions()


def stitch(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PART PART... OUTPUT",
            help="Two to ten CTs of one body in any order, then the volume to write. The first gives frame and grid.",
        ),
    ],
    report: Annotated[
        Path | None,
        typer.Option(metavar="REPORT.json", help="Also write the order, the pairs, their verdicts, the transforms."),
    ] = None,
    provenance: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="Also write where each voxel comes from: 0 no data, 1 to 10 the parts as given, 11 a mean of several.",
        ),
    ] = None,
    start: Annotated[Start, typer.Option(help=RegisterOptions.option("start").sentence)] = REGISTER.start,
    seam: Annotated[float, typer.Option(metavar="MM", help=MergeOptions.option("seam_mm").sentence)] = MERGE.seam_mm,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Leave out a part that fits nowhere instead of stopping.")
    ] = False,
    accept_unreliable: Annotated[
        bool, typer.Option("--accept-unreliable", help="Join parts also by registrations that are not reliable.")
    ] = False,
    no_expansion: Annotated[bool, typer.Option("--no-expansion", help="Register without synthetic slices.")] = False,
    dicom: DicomOption = None,
    model: ModelOption = REGISTER.model,
    device: DeviceOption = REGISTER.device,
) -> None:
    """Make one volume of several parts of one body.

    Pairs are registered, the reliable ones place the parts, and all are merged. A part that fits nowhere is named.

    Example: sspe stitch neck.nii.gz pelvis.nii.gz chest.nii.gz whole.nii.gz --report whole.json
    """
    from ..dicom_objects.export import check_folder, export_volume
    from ..dicom_objects.source import source_of
    from ..io import Outputs, read_volume
    from ..io.writing import IMAGE_SUFFIXES

    *files, output = paths
    if len(files) < 2:
        raise InputError("Give two or more parts and then the volume to write.")
    register_options = RegisterOptions(start=start, expand=not no_expansion, model=model, device=device)
    merge_options = MergeOptions(seam_mm=seam, accept_unreliable=accept_unreliable)
    check_outputs([(output, IMAGE_SUFFIXES), (provenance, IMAGE_SUFFIXES), (report, (".json",))], files)
    with needs_extra("dicom", "--dicom"):
        check_folder(dicom)
    parts = [read_volume(file) for file in files]

    from .. import tasks

    with progress_bar("Stitching") as progress:
        done = tasks.stitch(parts, register_options, merge_options, progress, keep_going=keep_going)
    order = [files[index].name for index in done.network.downward(parts)]
    with Outputs() as outputs:
        outputs.image(done.joined.volume.to_image(), output)
        if provenance is not None:
            outputs.image(done.joined.sources_image(), provenance)
        if report is not None:
            outputs.text(_report_of(done, [str(file) for file in files], order), report)
        if dicom is not None:
            sources = [source_of(files[index], parts[index]) for index in done.network.poses]
            export_volume(
                outputs.folder(dicom),
                done.joined.volume,
                sources,
                "SSPE stitched, research use",
                f"Stitched from {len(sources)} CTs by registration (SSPE).",
            )
    warn(done.warnings)
    say(f"{output}: stitched, from the head down: {', '.join(order)}.")


def _report_of(done: Stitched, names: list[str], order: list[str]) -> str:
    from ..report.summary import FORMAT, RESEARCH_USE, as_json

    network = done.network
    summary = {
        "format": FORMAT,
        "research_use": RESEARCH_USE,
        "parts": names,
        "from_head_to_feet": order,
        "fixed": names[network.root],
        "matrix_fixed_to_part_lps": {names[index]: pose.tolist() for index, pose in network.poses.items()},
        "left_out": [names[index] for index in network.left_out],
        "disagreement_mm": network.disagreement_mm,
        "pairs": [
            {
                "fixed": names[link.first],
                "moving": names[link.second],
                "reliable": link.reliable,
                "error_bound_mm": link.error_bound_mm,
                "overlap_mm": link.overlap_mm,
                "used": any(link is one for one in network.used),
                "matrix_fixed_to_moving_lps": link.matrix.tolist(),
            }
            for link in done.links
        ],
        "warnings": list(done.warnings),
    }
    return as_json(summary)
