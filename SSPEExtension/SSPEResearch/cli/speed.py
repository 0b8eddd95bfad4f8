"""`sspe benchmark speed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from SSPELib.cli.console import progress_bar
from SSPELib.cli.options import DeviceOption, check_outputs
from SSPELib.errors import InputError

FAILED = 1


def speed(
    rows: Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="All that was measured.")] = None,
    table: Annotated[Path | None, typer.Option(metavar="TABLE.md", help="The tables, which are printed too.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FIGURE.png", help="Time by stage, and memory.")] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="commands, peers, network or growth; may be repeated. [all]")
    ] = None,
    repeat: Annotated[int, typer.Option(metavar="N", help="Processes a row; the median counts.", min=1)] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Few rows on a small made-up body.")] = False,
    compare: Annotated[Path | None, typer.Option(metavar="OLD.json", help="An earlier run on this machine.")] = None,
    factor: Annotated[float, typer.Option(metavar="X", help="Slower by more than this counts.", min=1.0)] = 1.25,
    device: DeviceOption = "auto",
) -> None:
    """Time and memory of whole processes by stage, other programs on the same pair, the network, and growth.

    Each row is a process of its own, started anew. elastix and ANTs take part where they are installed. Run it on an
    idle machine. Exit code 1: a row failed, or became slower.

    Example: sspe benchmark speed --json now.json --figure now.png --compare before.json
    """
    from SSPELib.io.writing import Outputs

    from ..evaluation.speed.account import as_json, changes, draw, from_json, markdown, told_changes
    from ..evaluation.speed.run import PARTS, run

    given = [] if compare is None else [compare]
    check_outputs([(rows, (".json",)), (table, (".md",)), (figure, (".png", ".svg"))], given)
    unknown = [name for name in part or [] if name not in PARTS]
    if unknown:
        raise InputError(f"The part {unknown[0]!r} is unknown. Choose among {', '.join(PARTS)}.")
    before = None if compare is None else from_json(compare)
    chosen = [name for name in PARTS if part is None or name in part]
    with progress_bar("Benchmark") as progress:
        found = run(chosen, device, repeat, quick, progress)
    text = markdown(found)
    print(text)
    with Outputs() as outputs:
        if rows is not None:
            outputs.text(as_json(found), rows)
        if table is not None:
            outputs.text(text, table)
        if figure is not None:
            draw(found, outputs.beside(figure))
    compared = [] if before is None else changes(before, found)
    if before is not None:
        print(told_changes(compared, factor))
    if found.failed or any(change.ratio > factor for change in compared):
        raise typer.Exit(FAILED)
