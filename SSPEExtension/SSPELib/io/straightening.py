"""A sheared stack (gantry tilt) to a straight one: each slice stays whole and is moved back within its own plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume.volume import AIR_HU

# Below this no voxel of a sheared stack lies noticeably off.
SHEARED_MM = 0.1
# A shift this near to a whole number of voxels is not worth interpolating.
WHOLE_VOXELS = 1e-3


def straightened(
    stack: NDArray[Any], shifts: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.int64]]:
    """Move slices (n, rows, columns) by shifts (n, 2) in voxels along rows and along columns, on one larger plane.

    A slice moved by whole voxels keeps its values; others are interpolated by cubic splines within the slice.

    Returns:
        The slices (n, more rows, more columns), which of their voxels are padding (they are air), and where the larger
        plane begins, in voxels along rows and along columns of the first slice.
    """
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
            moved[window], padding[window] = plane, False
            continue
        inside = _inside(rows, shift[1], size[1])[:, None] & _inside(columns, shift[0], size[0])
        moved[index][inside] = _moved(plane, shift, size)[inside]
        padding[index] = ~inside
    return moved, padding, low


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
