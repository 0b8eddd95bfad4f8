"""The window of poses that a search looks at."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .poses import Matrix


@dataclass(frozen=True, eq=False)
class Window:
    """Where to look, around a start pose.

    Attributes:
        start: (4, 4) pose, fixed to moving, from which rotations and shifts count.
        low, high: (3,) limits of the shift of the moving body in the fixed frame, LPS mm.
        rotations: (n, 3) rotation vectors, radians.
        shift_sigma_mm, rotation_sigma: widths of a soft preference for the start pose; infinite for none.
        meeting: shifts along z (lowest, highest) at which the real parts share slices; beyond is a gap.
        gap_sigma_mm: width of a soft preference for small gaps; infinite for none.
    """

    start: Matrix
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rotations: NDArray[np.float64]
    shift_sigma_mm: NDArray[np.float64]
    rotation_sigma: float
    meeting: tuple[float, float] = (0.0, 0.0)
    gap_sigma_mm: float = np.inf

    def log_prior(self, shift: NDArray[np.float64], rotation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log preference of shifts (..., 3) in mm and rotation vectors (..., 3)."""
        along = -0.5 * ((shift / self.shift_sigma_mm) ** 2).sum(axis=-1)
        about_it = -0.5 * ((rotation / self.rotation_sigma) ** 2).sum(axis=-1)
        gap = np.maximum(np.maximum(self.meeting[0] - shift[..., 2], shift[..., 2] - self.meeting[1]), 0.0)
        result: NDArray[np.float64] = along + about_it - 0.5 * (gap / self.gap_sigma_mm) ** 2
        return result


def rotation_grid(limit_degrees: float, step_degrees: float) -> NDArray[np.float64]:
    """Rotation vectors (n, 3) in radians on a cube grid of at most limit_degrees an axis."""
    count = int(limit_degrees / step_degrees + 1e-6)
    steps = np.arange(-count, count + 1) * step_degrees
    return np.radians(np.array(list(itertools.product(steps, repeat=3)), dtype=np.float64))
