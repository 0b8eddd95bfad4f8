"""The gap between two aligned volumes."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..poses import matrix_of
from ..volume import Provenance, Volume, body_axis, body_mask, index_to_lps_of
from .merge import common_grid

ACROSS_MM = 6.0


def gap_mm(fixed: Volume, moving: Volume, transform: sitk.Transform) -> float:
    """The widest gap along the fixed body axis between two volumes, mm; 0 if there is none.

    It is measured in columns where both bodies end at an end of their volume. Where a body leaves its volume through a
    side, nothing was scanned there that the other one could meet.

    Args:
        fixed, moving: the volumes.
        transform: maps fixed points to moving points, LPS mm.
    """
    coarse = common_grid(fixed, moving, transform, "fixed")
    factors = [max(1, round(ACROSS_MM / step)) for step in coarse.GetSpacing()]
    along = body_axis(fixed)
    factors[along.index] = 1
    coarse = sitk.Shrink(coarse, factors)
    sides = [
        _Side(fixed, sitk.Transform(3, sitk.sitkIdentity), coarse, along.index),
        _Side(moving, transform, coarse, along.index),
    ]
    widest = 0
    for lower, upper in (sides, sides[::-1]):
        # From the last slice of the one to the first of the other above it.
        last, first = lower.last, upper.first
        met = lower.met & upper.met & (first > last)
        met &= lower.body_at(last) & upper.body_at(first)
        met &= lower.within_sides(last + 1) & upper.within_sides(first - 1)
        widest = max(widest, int((first - last - 1)[met].max(initial=0)))
    return float(widest * coarse.GetSpacing()[along.index])


class _Side:
    """One volume on a coarse grid, as columns along the body: (slice, column)."""

    def __init__(self, volume: Volume, to_volume: sitk.Transform, grid: sitk.Image, along: int) -> None:
        real = volume.where(Provenance.REAL)
        kinds = volume.like((real.astype(np.uint8) + (real & body_mask(volume))).astype(np.uint8)).to_image()
        found = sitk.GetArrayFromImage(sitk.Resample(kinds, grid, to_volume, sitk.sitkNearestNeighbor, 0.0))
        stack = np.moveaxis(found, 2 - along, 0)
        self._across_shape = stack.shape[1:]
        stack = stack.reshape(len(stack), -1)
        data = stack > 0
        self._body = stack > 1
        self._columns = np.arange(stack.shape[1])
        self.met = np.asarray(data.any(axis=0), dtype=bool)
        self.first = np.argmax(data, axis=0)
        self.last = len(stack) - 1 - np.argmax(data[::-1], axis=0)
        to_index = np.linalg.inv(volume.index_to_lps) @ matrix_of(to_volume)
        self._to_index = to_index @ index_to_lps_of(grid)
        self._size = np.array(volume.size)
        self._along, self._own_along = along, body_axis(volume).index

    def body_at(self, slices: NDArray[np.int_]) -> NDArray[np.bool_]:
        """Whether the body is in one slice of each column."""
        return np.asarray(self._body[slices, self._columns])

    def within_sides(self, slices: NDArray[np.int_]) -> NDArray[np.bool_]:
        """Whether one slice of each column lies between the sides of the volume, if perhaps beyond its ends."""
        # Of an array (z, y, x), the axes that are left are in the order of descending index axes.
        axes = [axis for axis in (2, 1, 0) if axis != self._along]
        index = np.ones((4, len(self._columns)))
        index[axes] = np.unravel_index(self._columns, self._across_shape)
        index[self._along] = slices
        own = (self._to_index @ index)[:3]
        across = [axis for axis in range(3) if axis != self._own_along]
        return np.asarray(
            ((own[across] >= -0.5) & (own[across] <= self._size[across, None] - 0.5)).all(axis=0), dtype=bool
        )
