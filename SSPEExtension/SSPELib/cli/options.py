"""Arguments that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from ..options import DEVICE, DISTANCE, MODEL, DeviceName, MergeOptions, ReadOptions, RegisterOptions, Start
from .console import needs_extra

if TYPE_CHECKING:
    from ..io import Outputs

DeviceOption = Annotated[DeviceName, typer.Option(help=DEVICE.sentence)]
ModelOption = Annotated[str | None, typer.Option(help=MODEL.sentence, metavar="NAME_OR_DIR")]
DistanceOption = Annotated[
    float, typer.Option(metavar="MM", help=f"{DISTANCE.sentence} {DISTANCE.low:g} to {DISTANCE.high:g} mm.")
]
StartOption = Annotated[Start, typer.Option(help=RegisterOptions.option("start").sentence)]
ToleranceOption = Annotated[float, typer.Option(metavar="MM", help=RegisterOptions.option("tolerance_mm").sentence)]
NoExpansionOption = Annotated[bool, typer.Option("--no-expansion", help="Register without synthetic slices.")]
SeamOption = Annotated[float, typer.Option(metavar="MM", help=MergeOptions.option("seam_mm").sentence)]
FillGapOption = Annotated[bool, typer.Option("--fill-gap", help=MergeOptions.option("fill_gap").sentence)]
AcceptUnreliableOption = Annotated[
    bool, typer.Option("--accept-unreliable", help=MergeOptions.option("accept_unreliable").sentence)
]
SeriesOption = Annotated[str | None, typer.Option(metavar="UID_OR_NUMBER", help=ReadOptions.option("series").sentence)]
SeveralSeriesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="UID_OR_NUMBER",
        help=f"{ReadOptions.option('series').sentence} Given once: of all; given once for each input: in their order.",
    ),
]
AssumeLpsOption = Annotated[bool, typer.Option("--assume-lps", help=ReadOptions.option("assume_lps").sentence)]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="REPORT.json", help="Also write a report, and a page REPORT.html beside it.")
]
PdfOption = Annotated[Path | None, typer.Option(metavar="REPORT.pdf", help="Also print the page of the report to A4.")]
TransformOption = Annotated[
    Path,
    typer.Option(metavar="T", help="The transform that sspe register wrote, or a DICOM registration (.dcm)."),
]
RegistrationOption = Annotated[
    Path | None,
    typer.Option(
        metavar="REPORT.json",
        help="The report of the registration, with its verdict; else one beside the transform that belongs to it.",
    ),
]
DicomOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Also write DICOM into a new folder: volumes as a CT series with a segmentation of synthetic slices, a "
        "transform as a spatial registration.",
    ),
]


def read_options(series: list[str] | None, assume_lps: bool, inputs: Sequence[str]) -> list[ReadOptions]:
    """How each of several inputs is read; one series is that of all.

    Args:
        series: as given.
        assume_lps: of all inputs.
        inputs: their names on the command line.

    Raises:
        InputError: another number of series than one, or one for each.
    """
    given = series or []
    if len(given) not in (0, 1, len(inputs)):
        raise InputError(
            f"--series was given {len(given)} times; give it once, or once for each of {', '.join(inputs)}."
        )
    each: Sequence[str | None] = given if len(given) == len(inputs) else [given[0] if given else None] * len(inputs)
    return [ReadOptions(series=one, assume_lps=assume_lps) for one in each]


def page_beside(report: Path | None) -> Path | None:
    """The page that goes with a report."""
    return report.with_suffix(".html") if report is not None else None


def check_printing(pdf: Path | None) -> None:
    """Make sure before the work that a page can be printed, where that is asked for."""
    if pdf is not None:
        from ..report.pdf import check_pdf

        with needs_extra("pdf", "--pdf"):
            check_pdf()


def write_summary(outputs: Outputs, summary: str, report: Path | None, pdf: Path | None) -> None:
    """Write a report for programs with a result, where it is asked for; pages of an earlier result go."""
    if report is not None:
        outputs.text(summary, report)
    for page in (page_beside(report), pdf):
        if page is not None:
            outputs.without(page)


def write_page(page: str, report: Path | None, pdf: Path | None) -> None:
    """Write the page of a report beside it, and as PDF, where they are asked for.

    Its figures take longer than a person likes to wait: it comes after the result, which was written and told.
    """
    from ..io import Outputs

    with Outputs() as outputs:
        beside = page_beside(report)
        if beside is not None:
            outputs.text(page, beside)
        if pdf is not None:
            from ..report.pdf import pdf_of

            outputs.beside(pdf).write_bytes(pdf_of(page))


def check_outputs(outputs: list[tuple[Path | None, tuple[str, ...]]], inputs: list[Path]) -> None:
    """Make sure before the work that every output can be written and none is an input or another output.

    Args:
        outputs: paths with the suffixes they may have (none: any); a path of None is passed over.
        inputs: files and folders that must stay as they are.

    Raises:
        InputError: names the first output that cannot be.
    """
    from ..io.writing import check_suffix, check_writable

    taken = {path.resolve(): "the input" for path in inputs}
    for path, suffixes in outputs:
        if path is None:
            continue
        if suffixes:
            check_suffix(path, suffixes)
        if path.resolve() in taken:
            raise InputError(f"{path} is {taken[path.resolve()]} as well; give it a name of its own.")
        taken[path.resolve()] = "another output"
        check_writable(path)
