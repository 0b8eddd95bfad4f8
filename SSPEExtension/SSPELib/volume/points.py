"""Points of the body, thinned, for questions about where it lies."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .body import body_mask
from .volume import Volume

STEP_MM = 6.0
# A transform is looked at this far from its origin, so that the digits of its linear part are kept.
LEVER_MM = 1000.0

_known: WeakKeyDictionary[Volume, NDArray[np.float64]] = WeakKeyDictionary()


def body_points(volume: Volume) -> NDArray[np.float64]:
    """Centers (n, 3) of body voxels about 6 mm apart, LPS mm; the outermost voxel of each row may be left out.

    They are found once for a volume and cannot be written to.
    """
    if volume not in _known:
        steps = [max(1, round(STEP_MM / spacing)) for spacing in volume.spacing[::-1]]
        thinned = body_mask(volume)[:: steps[0], :: steps[1], :: steps[2]]
        points = at_indices(volume, (np.argwhere(thinned) * steps)[:, ::-1].astype(np.float64))
        points.flags.writeable = False
        _known[volume] = points
    return _known[volume]


def at_indices(volume: Volume, indices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places (n, 3) in LPS mm of indices (n, 3) in x, y, z."""
    places: NDArray[np.float64] = indices @ volume.index_to_lps[:3, :3].T + volume.index_to_lps[:3, 3]
    return places


def indices_at(volume: Volume, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Indices (n, 3) in x, y, z, not rounded, of places (n, 3) in LPS mm."""
    to_index = np.linalg.inv(volume.index_to_lps)
    indices: NDArray[np.float64] = places @ to_index[:3, :3].T + to_index[:3, 3]
    return indices


def coordinate_on_grid(
    factors: NDArray[np.floating[Any]],
    offset: float,
    x: NDArray[np.number[Any]],
    y: NDArray[np.number[Any]],
    z: NDArray[np.number[Any]],
) -> NDArray[np.float64]:
    """One coordinate (z, y, x) of all points of a grid under a linear map.

    Args:
        factors: (3,) row of the map, for x, y and z.
        offset: added to all.
        x, y, z: coordinates along the axes of the grid.
    """
    coordinate: NDArray[np.float64] = (
        offset + factors[2] * z[:, None, None] + factors[1] * y[None, :, None] + factors[0] * x[None, None, :]
    )
    return coordinate


def taken_back(places: NDArray[np.float64], transform: sitk.Transform) -> NDArray[np.float64]:
    """Places (n, 3) that a linear transform takes to the given ones, LPS mm."""
    inverse = transform.GetInverse()
    zero = np.array(inverse.TransformPoint((0.0, 0.0, 0.0)))
    units = np.array([inverse.TransformPoint(unit) for unit in (LEVER_MM * np.eye(3)).tolist()])
    back: NDArray[np.float64] = places @ ((units - zero) / LEVER_MM) + zero
    return back
