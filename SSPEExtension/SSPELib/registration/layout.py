"""Where the search lays its grids: as small as the window of poses allows, as transforms of them are its whole cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parts import Part
from .poses import apply
from .window import Window


@dataclass(frozen=True, eq=False)
class Layout:
    """Grids, x, y, z, of the fixed part and of the rotated moving part in the fixed frame, and shifts between them.

    A shift of index s puts voxel j of the rotated moving part onto voxel j + s of the used fixed part.

    Attributes:
        spacing: voxel size, mm.
        center: (3,) point about which the moving part is rotated, LPS mm.
        origin: (3,) middle of the first voxel of the rotated moving part, LPS mm.
        count: (3,) its number of voxels.
        used: slices (z, y, x) of the fixed part that any shift of the window brings onto it.
        base: (3,) the shift, not always whole, that leaves the moving body where the start puts it.
        lowest, highest: (3,) first and last shift of the window.
        shape: (z, y, x) of transforms in which no shift of the window wraps around.
    """

    spacing: float
    center: NDArray[np.float64]
    origin: NDArray[np.float64]
    count: NDArray[np.int_]
    used: tuple[slice, ...]
    base: NDArray[np.float64]
    lowest: NDArray[np.int_]
    highest: NDArray[np.int_]
    shape: tuple[int, ...]

    def shifts_mm(self) -> list[NDArray[np.float64]]:
        """The shifts of the window along x, y and z, mm."""
        spans = zip(self.lowest, self.highest, self.base, strict=True)
        return [(np.arange(low, high + 1) - base) * self.spacing for low, high, base in spans]


def lay_out(fixed: Part, moving: Part, window: Window) -> Layout:
    """The layout of two parts on grids of the same voxel size for all poses of a window."""
    spacing = fixed.spacing
    placed = apply(np.linalg.inv(window.start), moving.points(moving.body > 0.5))
    middle = (placed.min(axis=0) + placed.max(axis=0)) / 2
    # On a voxel of the moving part, so that without a rotation nothing is interpolated.
    center = placed[np.argmin(((placed - middle) ** 2).sum(axis=1))]
    limit = float(np.abs(window.rotations).max()) if window.rotations.size else 0.0
    half = np.maximum(placed.max(axis=0) - center, center - placed.min(axis=0)) + 2 * spacing
    # Corners of the box hardly ever hold body, hence the factor.
    half = half + 0.8 * np.sin(limit) * (half.sum() - half)
    count = (2 * np.ceil(half / spacing)).astype(int) + 1
    fixed_count = np.array(fixed.hu.shape[::-1])
    origin = center - (count - 1) / 2 * spacing
    base = (origin - fixed.origin) / spacing
    lowest = np.maximum(np.floor(window.low / spacing + base).astype(int), 1 - count)
    highest = np.ceil(window.high / spacing + base).astype(int)
    highest = np.maximum(np.minimum(highest, fixed_count - 1), lowest)
    # What no shift of the window brings together needs no transform; a voxel is kept where nothing meets.
    first, fixed_first = np.clip(-highest, 0, count - 1), np.clip(lowest, 0, fixed_count - 1)
    used_count = np.maximum(1, np.minimum(fixed_count, count + highest) - fixed_first)
    count = np.maximum(1, np.minimum(count, fixed_count - lowest) - first)
    offset = first - fixed_first
    base, lowest, highest = base + offset, lowest + offset, highest + offset
    least = np.maximum.reduce([used_count, count, used_count - lowest, count + highest])
    return Layout(
        spacing=spacing,
        center=center,
        origin=origin + first * spacing,
        count=count,
        used=tuple(slice(f, f + n) for f, n in zip(fixed_first[::-1], used_count[::-1], strict=True)),
        base=base,
        lowest=lowest,
        highest=highest,
        shape=tuple(_fast_size(int(n)) for n in least[::-1]),
    )


def _fast_size(least: int) -> int:
    """The next multiple of 4 whose only prime factors are 2, 3, 5 and 7: a quarter faster than odd sizes below it."""
    size = -4 * (-least // 4)
    while True:
        rest = size
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 4
