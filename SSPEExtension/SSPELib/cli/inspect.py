"""`sspe inspect`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import ReadOptions
from .console import progress_bar
from .options import AssumeLpsOption, SeriesOption

if TYPE_CHECKING:
    from ..io.inspecting import Found


def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A DICOM folder, searched with all in it, or a CT file.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    series: SeriesOption = None,
    assume_lps: AssumeLpsOption = False,
) -> None:
    """List what a folder or file holds: series, slices, length along the body, spacing, HU, fit for use or why not.

    Example: sspe inspect export/ --json
    """
    from ..io.inspecting import inspect_path

    with progress_bar("Inspecting") as progress:
        found = inspect_path(path, ReadOptions(series=series, assume_lps=assume_lps), progress)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        print("\n".join(_lines(one)))


def _lines(one: Found) -> list[str]:
    """What is known of a series, for people: one line of figures, one for its UID and one for each remark."""
    figures = [f"{one.slices} slices"] if one.slices else []
    if one.length_mm is not None:
        figures.append(f"{one.length_mm:.1f} mm")
    if one.spacing_mm is not None:
        figures.append(" x ".join(f"{spacing:g}" for spacing in one.spacing_mm) + " mm")
        figures.append(f"axes to {one.orientation}")
        figures.append(f"{one.lowest_hu:g} to {one.highest_hu:g} HU")
    verdict = "fit for use" if one.fit else "not fit for use"
    lines = [f"{one.name}: {', '.join([*figures, verdict])}"]
    if one.uid:
        lines.append(f"  UID {one.uid}")
    return [*lines, *(f"  {remark}" for remark in one.remarks)]
