"""A sheared stack (gantry tilt) to a straight one: each slice stays whole and is moved back within its own plane."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume.no_data import find_no_data
from ..volume.provenance import Provenance
from ..volume.volume import AIR_HU, Volume

# Below this no voxel of a sheared stack lies noticeably off.
SHEARED_MM = 0.1
# A shift this near to a whole number of voxels is not worth interpolating.
WHOLE_VOXELS = 1e-3


def straightened(sheared: Volume, shifts: NDArray[np.float64], padding_hu: float | None = None) -> Volume:
    """Move slices, those along the last axis of a grid, by shifts (n, 2) in voxels along rows and along columns.

    A slice moved by whole voxels keeps its values; others are interpolated by cubic splines within the slice.

    Args:
        sheared: the slices on a grid at right angles, as if none were shifted.
        shifts: against the first slice.
        padding_hu: the value of what lies outside the scanner's circle, where known.

    Returns:
        The slices on one larger plane; what they do not cover is no data, as is padding, and both are air.
    """
    given = find_no_data(sheared, padding_hu)
    stack = np.where(given, np.asarray(AIR_HU, sheared.array.dtype), sheared.array)
    count, rows, columns = stack.shape
    shifts = np.where(np.abs(shifts - np.rint(shifts)) <= WHOLE_VOXELS, np.rint(shifts), shifts)
    low = np.floor(shifts.min(axis=0)).astype(np.int64)
    size = np.array([columns, rows]) + np.ceil(shifts.max(axis=0)).astype(np.int64) - low
    moved = np.full((count, size[1], size[0]), AIR_HU, dtype=stack.dtype)
    padding = np.ones(moved.shape, dtype=bool)
    for index, plane in enumerate(stack):
        shift = shifts[index] - low
        if np.all(shift == np.rint(shift)):
            x, y = (int(value) for value in shift)
            window = np.s_[index, y : y + rows, x : x + columns]
            moved[window], padding[window] = plane, given[index]
            continue
        inside = _inside(rows, shift[1], size[1])[:, None] & _inside(columns, shift[0], size[0])
        moved[index][inside] = _moved(plane, shift, size)[inside]
        nearest = np.ix_(_nearest(rows, shift[1], size[1]), _nearest(columns, shift[0], size[0]))
        padding[index] = ~inside | given[index][nearest]
    x, y, z = sheared.origin + sheared.direction[:, :2] @ (low * sheared.spacing[:2])
    return replace(
        sheared,
        array=moved,
        origin=(float(x), float(y), float(z)),
        provenance=np.where(padding, Provenance.NO_DATA, Provenance.REAL).astype(np.uint8),
    )


def _nearest(count: int, shift: float, size: int) -> NDArray[np.int64]:
    """Which voxel of a shifted row lies nearest to each of a longer one."""
    return np.clip(np.rint(np.arange(size) - shift), 0, count - 1).astype(np.int64)


def _inside(count: int, shift: float, size: int) -> NDArray[np.bool_]:
    """Which voxels of a longer row lie between the first and the last of a shifted one."""
    own = np.arange(size) - shift
    return np.asarray((own >= 0) & (own <= count - 1))


def _moved(plane: NDArray[Any], shift: NDArray[np.float64], size: NDArray[np.int64]) -> NDArray[Any]:
    image = sitk.GetImageFromArray(plane.astype(np.float32))
    image.SetOrigin(shift.tolist())
    grid = sitk.Image([int(value) for value in size], sitk.sitkFloat32)
    values = sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(2, sitk.sitkIdentity), sitk.sitkBSpline))
    # Splines swing over at sharp edges, but nothing is brighter or darker than what was measured.
    values = np.clip(values, plane.min(), plane.max())
    return (np.rint(values) if plane.dtype.kind in "iu" else values).astype(plane.dtype)
