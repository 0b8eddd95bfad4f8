"""The rows and columns of a body that the network is given, in training as in use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MARGIN_VOXELS = 3


def body_window(mask: NDArray[np.bool_], smallest: tuple[int, int], multiple: int) -> tuple[slice, slice]:
    """Rows and columns around the body in a scope; they may reach past the grid.

    Args:
        mask: the body in the scope (z, y, x).
        smallest: least number of rows and columns: shoulders are wider than the head from which they grow.
        multiple: number that the sizes must be multiples of, 2 ** depth of the network.
    """
    windows = []
    for axis, least in ((1, smallest[0]), (2, smallest[1])):
        inside = np.flatnonzero(mask.any(axis=(0, 3 - axis)))
        low, high = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, mask.shape[axis])
        size = int(window_size(high - low, least, multiple))
        start = (low + high - size) // 2
        windows.append(slice(start, start + size))
    return windows[0], windows[1]


def window_size(extent: Any, least: int, multiple: int) -> Any:
    """Voxels that the network is given along one axis for a body of some extent in voxels (int or array)."""
    wanted = np.maximum(least, extent + 2 * MARGIN_VOXELS)
    return wanted + -wanted % multiple
