"""Slices at uneven distances: where the slices of an even stack would lie, and which ones are missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..wording import listed

# Positions are often rounded to 0.1 mm.
ROUNDED_MM = 0.11
ROUNDED = 0.02
MISSING_AT_MOST = 2
# A distance that a good part of all slices have is a habit of the scan and no gap in it.
HABIT = 0.25
HABIT_ALIKE = 0.6
THICK_AS_GAP = 0.8
FINEST = 0.25


def even_places(
    along: NDArray[np.float64], names: Sequence[str], thickness: Sequence[float | None], place: Path, remarks: list[str]
) -> NDArray[np.float64] | None:
    """Where slices would lie at the finest of the regular distances that a stack has; None where it is even already.

    Args:
        along: (n,) places of the slices, mm, growing.
        names: of their files, for messages.
        thickness: of the slices, mm, where known.
        place: the folder or file, for messages.
        remarks: gets a sentence that says where the stack is uneven.

    Returns:
        (m,) mm in the frame of along.

    Raises:
        InputError: more than two slices in a row are missing.
    """
    gaps = np.diff(along)
    if not gaps.size or np.max(np.abs(along - np.linspace(along[0], along[-1], along.size))) <= _play(gaps.mean()):
        return None
    finest, anchor = _finest(gaps)
    missing = _missing(gaps, thickness)
    too_many = [index for index, count in missing.items() if count > MISSING_AT_MOST]
    if too_many:
        total = sum(missing.values())
        raise InputError(
            f"{place}: {total} DICOM slices are missing ({_between(names, list(missing))}); export the whole series "
            "again."
        )
    remarks.append(f"{place}: {_where(gaps, names, missing)}; it was resampled to {finest:.4g} mm.")
    # The last slice reaches half its distance beyond its middle.
    before = int((along[anchor] - along[0] + gaps[0] / 2) / finest - 0.5 + 1e-3)
    after = int((along[-1] - along[anchor] + gaps[-1] / 2) / finest - 0.5 + 1e-3)
    return along[anchor] + finest * np.arange(-before, after + 1)


def evened(stack: NDArray[Any], along: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[Any]:
    """Slices (m, rows, columns) at even places, mm, from slices (n, rows, columns) along the same line.

    A slice that lies at such a place stays bit-identical; between two, values are interpolated linearly.
    """
    result = np.empty((places.size, *stack.shape[1:]), dtype=stack.dtype)
    play = _play(float(places[1] - places[0]))
    for index, wanted in enumerate(places):
        nearest = int(np.argmin(np.abs(along - wanted)))
        if abs(along[nearest] - wanted) <= play or not along[0] < wanted < along[-1]:
            result[index] = stack[nearest]
            continue
        above = int(np.searchsorted(along, wanted))
        share = (wanted - along[above - 1]) / (along[above] - along[above - 1])
        mixed = (1 - share) * stack[above - 1].astype(np.float32) + share * stack[above]
        result[index] = np.rint(mixed) if stack.dtype.kind in "iu" else mixed
    return result


def _play(spacing_mm: float) -> float:
    return max(ROUNDED_MM, ROUNDED * spacing_mm)


def _finest(gaps: NDArray[np.float64]) -> tuple[float, int]:
    """The smallest distance that occurs again and again, and the first slice that has it."""
    alike = np.abs(gaps[:, None] - gaps) <= _play(float(np.median(gaps)))
    often = alike.sum(axis=1) >= max(2, 0.05 * gaps.size)
    often &= gaps >= FINEST * np.median(gaps)
    chosen = np.flatnonzero(often) if often.any() else np.flatnonzero(gaps >= FINEST * np.median(gaps))
    smallest = chosen[np.argmin(gaps[chosen])]
    members = np.flatnonzero(alike[smallest])
    return float(np.mean(gaps[members])), int(members[0])


def _missing(gaps: NDArray[np.float64], thickness: Sequence[float | None]) -> dict[int, int]:
    """How many slices are missing in which gaps: those much wider than the gaps beside them, and rarely so wide."""
    found = {}
    for index, gap in enumerate(gaps):
        beside = [gaps[other] for other in (index - 1, index + 1) if 0 <= other < gaps.size]
        expected = max(beside) if beside else gap
        count = round(gap / expected) - 1
        habit = np.mean(gaps >= HABIT_ALIKE * gap) >= HABIT
        ends = [thickness[index], thickness[index + 1]]
        thick = all(value is not None and value >= THICK_AS_GAP * gap for value in ends)
        if count >= 1 and not habit and not thick:
            found[index] = count
    return found


def _between(names: Sequence[str], gaps: list[int]) -> str:
    return "between " + listed([f"{names[index]} and {names[index + 1]}" for index in gaps], "; ")


def _where(gaps: NDArray[np.float64], names: Sequence[str], missing: dict[int, int]) -> str:
    """Say which slices are missing, or which stretch of the body has which distance."""
    said = []
    if missing:
        total = sum(missing.values())
        said.append(
            f"{total} DICOM {'slice is' if total == 1 else 'slices are'} missing ({_between(names, [*missing])})"
        )
    whole = np.array([index for index in range(gaps.size) if index not in missing])
    runs: list[list[int]] = []
    for index in whole:
        if runs and abs(gaps[index] - gaps[runs[-1][0]]) <= _play(float(gaps[index])):
            runs[-1].append(int(index))
        else:
            runs.append([int(index)])
    low, high = float(gaps[whole].min()), float(gaps[whole].max())
    if high - low > _play(high):
        stretches = [f"{gaps[run].mean():.4g} mm from {names[run[0]]} to {names[run[-1] + 1]}" for run in runs]
        said.append(f"its slices lie {low:.4g} to {high:.4g} mm apart ({listed(stretches, '; ')})")
    return " and ".join(said) or f"its slices lie unevenly ({low:.4g} to {high:.4g} mm apart)"
