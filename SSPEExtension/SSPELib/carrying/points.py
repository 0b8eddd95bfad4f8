"""Where points of the moving scan come to lie."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..io.points import PointMap
from ..poses import matrix_of


def point_map(transform: sitk.Transform) -> PointMap:
    """The inverse of a transform (reference to input points), which is what points of the input are carried by."""
    back = np.linalg.inv(matrix_of(transform))

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points @ back[:3, :3].T + back[:3, 3])

    return place
