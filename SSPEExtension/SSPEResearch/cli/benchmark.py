"""`sspe benchmark`: this system and its peers on cases with a known answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from SSPELib.cli.console import needs_extra, progress_bar
from SSPELib.cli.options import DeviceOption, ModelOption, check_outputs
from SSPELib.errors import InputError

from .speed import speed

if TYPE_CHECKING:
    from ..evaluation.registration.cases import Start
    from ..evaluation.registration.landmarks import Landmarks
    from ..evaluation.registration.systems import System

SystemOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="sspe, sspe-affine, sspe-plain (no expansion), sspe-one-sided, sspe-local (no wide search), "
        "sspe-unpolished (no last refinement), brainsfit, elastix, ants, landmarks (three by hand); may be repeated.",
    ),
]

RowsOption = Annotated[Path, typer.Option(metavar="ROWS.csv", help="A row per case; cases in it are not done again.")]
StartOption = Annotated[Literal["near", "unknown", "both"], typer.Option(help="What the headers are worth.")]

LANDMARKS = "landmarks"

benchmark = typer.Typer(help="Compare systems on cases with a known answer.", no_args_is_help=True)


@benchmark.callback()
def comparisons() -> None:
    """Compare systems on cases with a known answer."""


@benchmark.command()
def registration(
    volumes: Annotated[list[Path], typer.Argument(metavar="VOLUME...", help="CTs, each cut in two.")],
    rows: RowsOption,
    table: Annotated[Path | None, typer.Option(metavar="TABLE.md", help="Summary with 95 % intervals.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FIGURE.png", help="Success, error, time by overlap.")] = None,
    system: SystemOption = None,
    overlap: Annotated[list[float] | None, typer.Option(metavar="MM", help="May be repeated; negative: gap.")] = None,
    start: StartOption = "both",
    scan: Annotated[
        list[str] | None, typer.Option(help="Second scan: rescanned, cut or padded; may be repeated. [rescanned]")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="plain, affine, spacing, contrast, ...; may be repeated.")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Success against overlap, with near and with unknown headers. Peers need pip install 'sspe[benchmark]'.

    Example: sspe benchmark registration data/openkbp/test/*_ct.nii.gz --rows rows.csv --table table.md --system sspe
    """
    from SSPELib.io.writing import Outputs

    from ..evaluation.registration.landmarks import Landmarks
    from ..evaluation.registration.run import OVERLAPS_MM, run, settings
    from ..evaluation.registration.scans import checked_scans
    from ..evaluation.registration.summary import draw, markdown
    from ..evaluation.registration.systems import systems
    from ..evaluation.registration.variants import check_variants

    check_outputs([(table, (".md",)), (figure, (".png", ".svg"))], [*volumes, rows])
    _check_there(volumes)
    variants = variant or ["plain"]
    check_variants(variants)
    scans = checked_scans(scan or ["rescanned"])
    names = system or ["sspe", "sspe-plain", "brainsfit", LANDMARKS]
    solvers: list[System | Landmarks] = [Landmarks()] if LANDMARKS in names else []
    solvers += systems([name for name in names if name != LANDMARKS], model, device)
    cases = settings(volumes, overlap or OVERLAPS_MM, _starts(start), variants, scans)
    with progress_bar("Benchmark") as progress:
        found = run(cases, solvers, rows, progress)
    if not found:
        raise InputError("No volume is long enough to be cut in two. Choose longer ones or a smaller overlap.")
    _tell(markdown(found), table)
    if figure is not None:
        with Outputs() as outputs:
            draw(found, outputs.beside(figure))


@benchmark.command()
def negatives(
    volumes: Annotated[list[Path], typer.Argument(metavar="VOLUME...", help="CTs that show the same region.")],
    rows: RowsOption,
    table: Annotated[Path | None, typer.Option(metavar="TABLE.md", help="Called reliable by kind.")] = None,
    start: StartOption = "both",
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Pairs that must come out as not reliable: unrelated parts, the same part twice, noise, a wrong order.

    Unrelated are the upper end of a volume and the lower end of the next one.

    Example: sspe benchmark negatives data/openkbp/test/*_ct.nii.gz --rows negatives.csv --table negatives.md
    """
    from ..evaluation.registration.negatives import markdown, run
    from ..evaluation.registration.negatives import negatives as pairs
    from ..evaluation.registration.systems import systems

    check_outputs([(table, (".md",))], [*volumes, rows])
    _check_there(volumes)
    # The default of the panels and of `sspe register`, which has more freedom to err.
    [system] = systems(["sspe-affine"], model, device)
    with progress_bar("Benchmark") as progress:
        found = run(pairs(volumes, _starts(start)), system, rows, progress)
    if not found:
        raise InputError("No volume is long enough to be cut. Choose longer ones.")
    _tell(markdown(found), table)


@benchmark.command()
def people(
    volumes: Annotated[
        list[Path], typer.Argument(metavar="VOLUME...", help="CTs NAME_ct.nii.gz, each with NAME_labels.nii.gz beside.")
    ],
    rows: RowsOption,
    table: Annotated[Path | None, typer.Option(metavar="TABLE.md", help="Distances by system and organ.")] = None,
    system: SystemOption = None,
    overlap: Annotated[
        list[float] | None, typer.Option(metavar="MM", help="Overlap of the parts; may be repeated. [20]")
    ] = None,
    start: Annotated[Literal["near", "unknown"], typer.Option(help="What the headers are worth.")] = "near",
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """The upper part of each person with the lower part of the next: how near do organs come to each other?

    Labels are those of OpenKBP: 1 brainstem, 2 spinal cord, 3 right and 4 left parotid, 5 oesophagus, 6 larynx,
    7 mandible. The affine from the whole volumes, which no system sees, has rows of its own.

    Example: sspe benchmark people data/openkbp/test/*_ct.nii.gz --rows people.csv --table people.md
    """
    from ..evaluation.registration.people import markdown, run
    from ..evaluation.registration.systems import systems

    check_outputs([(table, (".md",))], [*volumes, rows])
    _check_there(volumes)
    solvers = systems(system or ["sspe-affine", "sspe", "brainsfit"], model, device)
    with progress_bar("Benchmark") as progress:
        found = run(volumes, overlap or [20.0], start, solvers, rows, progress)
    if not found:
        raise InputError("No two consecutive volumes can be joined. Give two or more that show the same region.")
    _tell(markdown(found), table)


@benchmark.command(name="no-data")
def no_data(
    volumes: Annotated[list[Path], typer.Argument(metavar="VOLUME...", help="CTs, not resampled.")],
    rows: RowsOption,
    table: Annotated[Path | None, typer.Option(metavar="TABLE.md", help="Found by what surrounds the body.")] = None,
    degrees: Annotated[
        list[float] | None, typer.Option(metavar="N", help="Turned by; may be repeated. [0, 3, 6 and 10]")
    ] = None,
    fill: Annotated[
        list[float] | None, typer.Option(metavar="HU", help="Of the padding; may be repeated. [-1024 and -3024]")
    ] = None,
) -> None:
    """Is padding found in parts that were turned and resampled, and is nothing of the body taken for it?

    Each volume's middle half is turned as it is, and with -1024 HU around the body, on a grid that holds all of it and
    on its own one. The whole volume tells what the padding cuts off the body.

    Example: sspe benchmark no-data data/openkbp/validation/*_ct.nii.gz --rows no-data.csv --table no-data.md
    """
    from ..evaluation.no_data import DEGREES, FILLS_HU, markdown, run

    check_outputs([(table, (".md",))], [*volumes, rows])
    _check_there(volumes)
    with progress_bar("Benchmark") as progress:
        found = run(volumes, rows, degrees or DEGREES, fill or FILLS_HU, progress)
    _tell(markdown(found), table)


@benchmark.command()
def merge(
    volumes: Annotated[list[Path], typer.Argument(metavar="VOLUME...", help="CTs, each cut in two and in three.")],
    rows: RowsOption,
    table: Annotated[Path | None, typer.Option(metavar="TABLE.md", help="Differences by region.")] = None,
    overlap: Annotated[
        list[float] | None, typer.Option(metavar="MM", help="May be repeated; negative: a gap, filled. [25 and -20]")
    ] = None,
    parts: Annotated[list[int] | None, typer.Option(help="2 or 3; may be repeated. [both]", min=2, max=3)] = None,
    known: Annotated[bool, typer.Option("--known", help="Merge by the known transforms, nothing registered.")] = False,
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Parts of one body, merged, against the body as it was: HU by region, tissue that became air, carried labels.

    Labels are those beside NAME_ct.nii.gz in NAME_labels.nii.gz, where there are some.

    Example: sspe benchmark merge data/openkbp/test/*_ct.nii.gz --rows merge.csv --table merge.md --known
    """
    from ..evaluation.merging.run import KNOWN, REGISTERED, run, settings
    from ..evaluation.merging.summary import markdown

    check_outputs([(table, (".md",))], [*volumes, rows])
    _check_there(volumes)
    cases = settings(volumes, parts or [2, 3], overlap or [25.0, -20.0], KNOWN if known else REGISTERED)
    with progress_bar("Benchmark") as progress:
        found = run(cases, rows, model, device, progress)
    if not found:
        raise InputError("No volume is long enough to be cut. Choose longer ones.")
    _tell(markdown(found), table)


@benchmark.command()
def calibrate(
    rows: Annotated[Path, typer.Argument(metavar="ROWS.csv", help="Rows of sspe benchmark registration.")],
    negatives: Annotated[
        Path | None, typer.Option(metavar="NEG.csv", help="Rows of sspe benchmark negatives; they count as failures.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(metavar="TEST.csv", help="Rows of other people, judged by the new constants.")
    ] = None,
    constants: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="Where to write the constants; printed where not given.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FIGURE.png", help="Errors by their bounds.")] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write what the new constants say into all rows that were given.")
    ] = False,
) -> None:
    """Make the constants behind the error of a result: SSPELib/registration/error_constants.py.

    Also prints how many errors of the test rows keep their bounds, and how many results are called reliable, with 95 %
    intervals; without test rows each row is judged by constants made without its person. Needs the extra packages of
    pip install 'sspe[evaluate]'.

    Example: sspe benchmark calibrate validation.csv --negatives negatives.csv --test test.csv
    """
    from SSPELib.io.writing import Outputs

    from ..evaluation.registration.calibration import calibrate as fit
    from ..evaluation.registration.calibration import draw_bounds, judged, judged_by_others, written
    from ..evaluation.registration.negatives import NegativeRow
    from ..evaluation.registration.run import Row
    from ..evaluation.registration.summary import OURS, markdown
    from ..evaluation.rows import changed_rows, read_rows

    given = [path for path in (rows, negatives, test) if path is not None]
    check_outputs([(figure, (".png", ".svg")), (constants, (".py",))], given)
    _check_there(given)
    found = [row for row in read_rows(rows, Row) if row.system == OURS]
    refused = [] if negatives is None else read_rows(negatives, NegativeRow)
    others = [] if test is None else [row for row in read_rows(test, Row) if row.system == OURS]
    with needs_extra("evaluate", "Calibrating"):
        made = fit(found, refused)
        told = [judged(row, made) for row in others] if others else judged_by_others(found, refused)
    reliable = [row for row in refused if judged(row.as_failure(), made).reliable == "true"]
    print(f"{len(found)} cases, {len(refused)} negatives of which {len(reliable)} are called reliable")
    print(markdown(told))
    _tell(written(made), constants)
    with Outputs() as outputs:
        for path in given if update else []:
            kind: type[Any] = NegativeRow if path == negatives else Row
            changed_rows(path, outputs.beside(path), kind, lambda row: judged(row, made))
        if figure is not None:
            draw_bounds(told, outputs.beside(figure))


@benchmark.command()
def training(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A training configuration: a path or a name.")],
    batch: Annotated[list[int] | None, typer.Option(metavar="N", help="Scopes a step; may be repeated. [1]")] = None,
    compiling: Annotated[
        list[str] | None,
        typer.Option("--compile", help="no, default, max-autotune-no-cudagraphs; may be repeated. [no]"),
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="N", help="How long each is measured.", min=0.1)] = 20.0,
    profile: Annotated[bool, typer.Option("--profile", help="Print the operations that take most of a step.")] = False,
    device: DeviceOption = "auto",
) -> None:
    """Scopes a second, share of the device's matrix rate, and memory of training. Needs pip install 'sspe[train]'.

    Example: sspe benchmark training continued --batch 1 --batch 4
    """
    with needs_extra("train", "Training"):
        from ..training.__main__ import benchmark as run
    run(config, device, batch or [1], compiling or ["no"], seconds, profile)


benchmark.command()(speed)


def _tell(text: str, table: Path | None) -> None:
    from SSPELib.io.writing import Outputs

    print(text)
    if table is not None:
        with Outputs() as outputs:
            outputs.text(text, table)


def _check_there(paths: list[Path]) -> None:
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(f"There is no file {missing[0]}; check the path.")


def _starts(start: str) -> tuple[Start, ...]:
    return ("near", "unknown") if start == "both" else ("near",) if start == "near" else ("unknown",)
