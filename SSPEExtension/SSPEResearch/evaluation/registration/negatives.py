"""Pairs that cannot or must not be joined: whatever a system answers, it must not call it reliable."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.poses import about
from SSPELib.progress import Progress, silent
from SSPELib.volume import AIR_HU, End, Volume, body_axis, body_length_mm, body_mask, slices
from SSPELib.volume.points import body_points

from ..rows import RowTable
from .attempt import Outcome, attempt
from .cases import Start, cut, make_case, noisy, random_motion, with_voxels
from .run import Row, patient_of
from .scans import moved
from .summary import OURS
from .systems import System
from .variants import smooth_field

SAME_PART = "same part twice"
PART_MM = 90.0
# What lies between the upper part of one body and the lower part of the other, so that they show nothing in common.
APART_MM = 60.0
OVERLAP_MM = 40.0
WRONG_ORDER_MM = (200.0, 300.0)
# Noise that could pass as tissue: a smooth texture and the noise of a scanner around the HU of muscle.
TISSUE_HU, TEXTURE_HU, TEXTURE_MM = 40.0, 80.0, 15.0
# The ellipsoid is so much longer than the part that it fills its first and its last slice too.
ELLIPSOID_LENGTH = 1.5

Pair = tuple[Volume, Volume]


@dataclass(frozen=True)
class Negative:
    """One pair that must come out as not reliable, of a kind in KINDS.

    Attributes:
        paths: the volume, for "unrelated" the one of the upper part and the one of the lower part.
        start: whether the headers are trusted; the parts lie as near to each other as in the cases of that start.
    """

    kind: str
    paths: tuple[Path, ...]
    start: Start

    @property
    def patient(self) -> str:
        """Shown in tables."""
        return " and ".join(patient_of(path) for path in self.paths)

    @property
    def key(self) -> tuple[str, str, str]:
        """That of its row."""
        return self.kind, self.patient, self.start

    def pair(self) -> Pair:
        """Make the fixed and the moving part.

        Raises:
            InputError: a volume is unusable or too short.
        """
        random = np.random.default_rng(zlib.crc32(" ".join(self.key).encode()))
        return KINDS[self.kind]([read_volume(path) for path in self.paths], random, self.start)


@dataclass(frozen=True)
class NegativeRow(Outcome):
    """What the system says of a pair that must not be called reliable."""

    kind: str
    patient: str
    start: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes a row the only one of its kind."""
        return self.kind, self.patient, self.start

    def as_failure(self) -> Row:
        """The row of a registration that is wrong."""
        nan = float("nan")
        return Row(
            system=OURS,
            patient=self.patient,
            overlap_mm=nan,
            start=self.start,
            variant=self.kind,
            scan="",
            start_error_mm=nan,
            error_mm=nan,
            junction_error_mm=nan,
            far_error_mm=nan,
            **self.outcome(),
        )


def negatives(paths: Sequence[Path], starts: Sequence[Start] = ("near", "unknown")) -> list[Negative]:
    """All kinds for each volume and each two consecutive ones, volumes in the outer order.

    A wrong order is one only where the headers are trusted.
    """
    made = []
    for one, other in [*pairwise(paths), (paths[-1], None)]:
        for start in starts:
            if other is not None:
                made.append(Negative("unrelated", (one, other), start))
            made += [Negative(kind, (one,), start) for kind in (SAME_PART, "noise")]
        if "near" in starts:
            made.append(Negative("wrong order", (one,), "near"))
    return made


def run(cases: Sequence[Negative], system: System, table: Path, progress: Progress = silent) -> list[NegativeRow]:
    """Give all pairs to a system; rows are appended to a CSV at once, rows already in it are not done again.

    Returns:
        All rows in the table.

    Raises:
        InputError: the table is no table of this benchmark.
    """
    done = RowTable(table, NegativeRow)
    for number, case in enumerate(cases):
        if case.key in done:
            continue
        progress(number / len(cases), f"{case.kind}: {case.patient}")
        try:
            pair = case.pair()
        except InputError:
            # Too short for this kind.
            continue
        done.add(NegativeRow(*case.key, **attempt(system, *pair, case.start).columns()))
    progress(1.0, "Done")
    return done.rows


def markdown(rows: Sequence[NegativeRow]) -> str:
    """The table of the negatives: none of them may be called reliable."""
    lines = ["| kind | start | cases | called reliable | least bound, mm |", "|---|---|---|---|---|"]
    for kind, start in dict.fromkeys((row.kind, row.start) for row in rows):
        chosen = [row for row in rows if (row.kind, row.start) == (kind, start)]
        reliable = sum(row.reliable == "true" for row in chosen)
        rated = [row.error_bound_mm for row in chosen if not np.isnan(row.error_bound_mm)]
        least = f"{min(rated):.1f}" if rated else "no result"
        lines.append(f"| {kind} | {start} | {len(chosen)} | {reliable} | {least} |")
    return "\n".join(lines) + "\n"


def _unrelated(volumes: Sequence[Volume], random: np.random.Generator, start: Start) -> Pair:
    """The upper end of one body and the lower end of the next, which the headers lay end to end before the motion."""
    one, other = volumes
    shortest = min(body_length_mm(volume) for volume in volumes)
    if shortest < 2 * PART_MM + APART_MM:
        raise InputError(
            f"The shorter of {one.name} and {other.name} is {shortest:.0f} mm long; unrelated parts need "
            f"{2 * PART_MM + APART_MM:.0f} mm. Choose longer volumes."
        )
    upper, lower = _end(one, "superior"), _end(other, "inferior")
    center = body_points(lower).mean(axis=0)
    shift = body_points(upper).mean(axis=0) - center - [0.0, 0.0, PART_MM]
    laid = moved(lower, about(np.eye(3), center, shift))
    return noisy(upper, random), noisy(moved(laid, random_motion(random, center + shift, start)), random)


def _same_part(volumes: Sequence[Volume], random: np.random.Generator, start: Start) -> Pair:
    upper, _, _ = cut(volumes[0], 0.0, random)
    motion = random_motion(random, body_points(upper).mean(axis=0), start)
    return noisy(upper, random), noisy(moved(upper, motion), random)


def _noise(volumes: Sequence[Volume], random: np.random.Generator, start: Start) -> Pair:
    case = make_case(volumes[0], OVERLAP_MM, int(random.integers(2**32)), start)
    return case.fixed, noise_body(case.moving, random)


def _wrong_order(volumes: Sequence[Volume], random: np.random.Generator, start: Start) -> Pair:
    case = make_case(volumes[0], OVERLAP_MM, int(random.integers(2**32)), start)
    raised = about(np.eye(3), np.zeros(3), np.array([0.0, 0.0, random.uniform(*WRONG_ORDER_MM)]))
    return case.fixed, moved(case.moving, raised)


# Each makes a pair from the volumes of a `Negative`.
KINDS: dict[str, Callable[[Sequence[Volume], np.random.Generator, Start], Pair]] = {
    "unrelated": _unrelated,
    SAME_PART: _same_part,
    "noise": _noise,
    "wrong order": _wrong_order,
}


def noise_body(volume: Volume, random: np.random.Generator) -> Volume:
    """An ellipsoid of noise around the HU of tissue, as wide as the body, in the place of what a volume shows."""
    inside = np.argwhere(body_mask(volume))
    low, high = inside.min(axis=0), inside.max(axis=0)
    half = (high - low + 1) / 2
    half[body_axis(volume).numpy_axis] *= ELLIPSOID_LENGTH
    axes = np.ogrid[tuple(slice(0, count) for count in volume.array.shape)]
    distance = sum(((axis - middle) / h) ** 2 for axis, middle, h in zip(axes, (low + high) / 2, half, strict=True))
    texture = smooth_field(volume, random, TEXTURE_MM)
    tissue = TISSUE_HU + TEXTURE_HU * texture / texture.std()
    return noisy(replace(with_voxels(volume, np.where(distance < 1, tissue, AIR_HU)), name="noise"), random)


def _end(volume: Volume, end: End) -> Volume:
    """The outermost slices at one end of the body."""
    axis = body_axis(volume)
    count = round(PART_MM / volume.spacing[axis.index])
    last = axis.at_last(end)
    return (
        slices(volume, volume.size[axis.index] - count, volume.size[axis.index]) if last else slices(volume, 0, count)
    )
