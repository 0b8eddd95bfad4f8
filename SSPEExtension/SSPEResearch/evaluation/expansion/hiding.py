"""How well new slices agree with the slices that were hidden: mean absolute error in HU over body voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from SSPELib.expansion.expander import Expander
from SSPELib.expansion.working_grid import End
from SSPELib.io import read_volume
from SSPELib.progress import Progress, silent
from SSPELib.volume import Volume, body_axis, body_mask, slices

Cut = Literal["end", "middle"]
SHORTEST_INPUT_MM = 60.0
BAND_MM = 8.0


@dataclass(frozen=True)
class ExpansionScore:
    """Errors of one expansion against the hidden truth, body voxels of the new slices only.

    Attributes:
        name: the volume.
        end: the end that grew.
        cut: where the input was cut off.
        distance_mm: how far.
        error_hu: mean absolute error of the expansion.
        repeated_hu: the same of repeating the edge slice.
        by_distance: rows of (distance from the edge in mm, error, error of repeating, voxels).
    """

    name: str
    end: End
    cut: Cut
    distance_mm: float
    error_hu: float
    repeated_hu: float
    by_distance: tuple[tuple[float, float, float, int], ...]

    @property
    def ratio(self) -> float:
        """Error over that of repeating the edge slice."""
        return self.error_hu / max(self.repeated_hu, 1e-9)


def hide(volume: Volume, end: End, distance_mm: float, cut: Cut) -> tuple[Volume, NDArray[Any]] | None:
    """Cut off what is to be predicted; None where too little would remain.

    With cut "end" the hidden slices are the outermost ones, with "middle" the input ends at mid-length.

    Returns:
        The remaining input and the hidden slices, first axis along the body, index 0 next to the edge.
    """
    axis = body_axis(volume)
    spacing, length = volume.spacing[axis.index], volume.size[axis.index]
    count = int(np.ceil(distance_mm / spacing - 1e-6))
    kept = length - count if cut == "end" else length // 2
    if kept * spacing < SHORTEST_INPUT_MM or kept + count > length:
        return None
    grows = axis.at_last(end)
    part = slices(volume, 0, kept) if grows else slices(volume, length - kept, length)
    return part, outward(volume, end)[kept : kept + count]


def outward(volume: Volume, end: End) -> NDArray[Any]:
    """The slices of a volume with their first axis along the body, toward an end."""
    axis = body_axis(volume)
    stack = np.moveaxis(volume.array, axis.numpy_axis, 0)
    return stack if axis.at_last(end) else stack[::-1]


def score(volume: Volume, expander: Expander, end: End, distance_mm: float, cut: Cut) -> ExpansionScore | None:
    """Hide slices of a volume, expand what remains and compare; None where the volume is too short."""
    hidden = hide(volume, end, distance_mm, cut)
    if hidden is None:
        return None
    part, truth = hidden
    axis = body_axis(volume)
    expanded, _ = expander.expand(part, end, distance_mm)
    count = len(truth)
    new = outward(expanded, end)[-count:]
    edge = outward(part, end)[-1]
    body = hidden_body(volume, truth, end, cut)
    wrong = np.abs(new.astype(np.float32) - truth)
    repeated = np.abs(edge.astype(np.float32) - truth)
    spacing = volume.spacing[axis.index]
    bands = ((np.arange(count) + 0.5) * spacing // BAND_MM).astype(int)
    rows = []
    for band in np.unique(bands):
        inside = body & (bands == band)[:, None, None]
        if inside.any():
            rows.append(
                ((band + 0.5) * BAND_MM, float(wrong[inside].mean()), float(repeated[inside].mean()), int(inside.sum()))
            )
    if not body.any():
        return None
    return ExpansionScore(
        volume.name, end, cut, distance_mm, float(wrong[body].mean()), float(repeated[body].mean()), tuple(rows)
    )


def scores(
    paths: Sequence[Path],
    expander: Expander,
    distance_mm: float = 64.0,
    cuts: Sequence[Cut] = ("end", "middle"),
    progress: Progress = silent,
) -> list[ExpansionScore]:
    """Score both ends of every volume at every kind of cut."""
    found = []
    for number, path in enumerate(paths):
        progress(number / len(paths), path.name)
        volume = read_volume(path)
        for cut in cuts:
            for end in ("inferior", "superior"):
                result = score(volume, expander, end, distance_mm, cut)
                if result is not None:
                    found.append(result)
    return found


def summary(results: Sequence[ExpansionScore]) -> dict[str, float]:
    """Figures over all scores: mean errors in HU, ratio of the means, mean and median of the ratios, share better."""
    error = np.array([result.error_hu for result in results])
    repeated = np.array([result.repeated_hu for result in results])
    return {
        "cases": float(len(results)),
        "error_hu": float(error.mean()),
        "repeated_hu": float(repeated.mean()),
        "ratio_of_means": float(error.mean() / repeated.mean()),
        "mean_ratio": float((error / repeated).mean()),
        "median_ratio": float(np.median(error / repeated)),
        "better_percent": float(100 * np.mean(error < repeated)),
    }


def error_by_distance(results: Sequence[ExpansionScore]) -> list[tuple[float, float]]:
    """Mean absolute error in HU against distance from the edge in mm, over all scores, weighted by voxels."""
    totals: dict[float, list[float]] = {}
    for result in results:
        for distance, error, _, voxels in result.by_distance:
            total = totals.setdefault(distance, [0.0, 0.0])
            total[0] += error * voxels
            total[1] += voxels
    return [(distance, total / voxels) for distance, (total, voxels) in sorted(totals.items())]


def hidden_body(volume: Volume, truth: NDArray[Any], end: End, cut: Cut) -> NDArray[np.bool_]:
    """Body voxels of the slices that `hide` cut off, in their order."""
    masked = hide(
        volume.like(body_mask(volume).astype(np.uint8)), end, len(truth) * volume.spacing[body_axis(volume).index], cut
    )
    assert masked is not None
    return masked[1] > 0
