"""One body cut into parts along its length, all but the first scanned again in another pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from SSPELib.errors import InputError
from SSPELib.poses import Matrix, apply
from SSPELib.volume import Volume, body_axis, body_length_mm, slices
from SSPELib.volume.points import body_points

from ..registration.cases import noisy, random_motion, with_voxels
from ..registration.scans import SHORTEST_PART_MM, rescanned, top_of


@dataclass(frozen=True, eq=False)
class Body:
    """A body and the parts that it was cut into.

    Attributes:
        whole: as it was.
        parts: from the head down, int16; the first has the voxels of the whole body, the others are *rescanned* (see
            `registration.scans`).
        poses: (4, 4) of each part, points of the whole body to points of the part, LPS mm.
    """

    whole: Volume
    parts: tuple[Volume, ...]
    poses: tuple[Matrix, ...]

    def noisy(self, seed: int) -> tuple[Volume, ...]:
        """The parts with noise of their own, as they are registered."""
        random = np.random.default_rng(seed)
        return tuple(noisy(part, random) for part in self.parts)


def make_body(volume: Volume, count: int, overlap_mm: float, seed: int) -> Body:
    """Cut a volume into equally long parts that share some mm with the next (a gap, where negative).

    Each part but the first is moved against the one above it as near cases of the registration benchmark are: by up to
    10 degrees about each axis and 20 mm along it.

    Raises:
        InputError: the volume is too short.
    """
    random = np.random.default_rng(seed)
    axis = body_axis(volume)
    slice_mm, total = volume.spacing[axis.index], volume.size[axis.index]
    shared = round(overlap_mm / slice_mm)
    length = int(np.ceil((total + (count - 1) * shared) / count))
    if (length - max(0, shared)) * slice_mm < SHORTEST_PART_MM:
        raise InputError(
            f"{volume.name} is {body_length_mm(volume):.0f} mm long, too short for {count} parts with "
            f"{overlap_mm:.0f} mm of overlap. Choose a longer volume."
        )
    parts = [_under(volume, 0, length)]
    poses: list[Matrix] = [np.eye(4)]
    for number in range(1, count):
        first = number * (length - shared)
        below = _under(volume, first, total - first)
        center = apply(poses[-1], body_points(below).mean(axis=0)[None])[0]
        pose = random_motion(random, center, "near") @ poses[-1]
        scanned = rescanned(volume, pose, top_of(below))
        kept = _under(scanned, 0, min(length, scanned.size[body_axis(scanned).index]))
        parts.append(with_voxels(kept, kept.array))
        poses.append(pose)
    return Body(volume, _named(parts, volume.name), tuple(poses))


def _named(parts: Sequence[Volume], name: str) -> tuple[Volume, ...]:
    return tuple(replace(part, name=f"part {number} of {name}") for number, part in enumerate(parts, start=1))


def _under(volume: Volume, first: int, count: int) -> Volume:
    """Some slices, counted from the head down."""
    axis = body_axis(volume)
    if axis.superior < 0:
        return slices(volume, first, first + count)
    stop = volume.size[axis.index] - first
    return slices(volume, stop - count, stop)
