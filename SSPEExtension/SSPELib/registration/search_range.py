"""Where the search begins and how far it looks: from the headers, from nothing, or from a transform in hand."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .images import GridImage
from .poses import Matrix, apply, from_transform, rotation_angle

Start = Literal["header", "unknown"] | sitk.Transform

# Climbing finds what lies half a step away, so that these look at angles up to 11 degrees about each axis.
ROTATION_STEP_DEGREES = 7.5
ROTATION_LIMIT_DEGREES = 7.5
ROTATION_SIGMA_DEGREES = 8.0
# No result that starts from the headers lies farther from them than this, along each axis and in all.
HEADER_REACH_MM = 45.0
LARGEST_ROTATION_DEGREES = 25.0
HEADER_SIGMA_MM = 20.0
ACROSS_REACH_MM = 90.0
ACROSS_SIGMA_MM = 40.0
GIVEN_REACH_MM = 24.0
GIVEN_SIGMA_MM = 10.0
GIVEN_ROTATION_STEP_DEGREES = 5.0
ANYWHERE_MM = 1e5
# CTs far apart cost nothing, as nothing of them overlaps: where the truth looks worse than chance, the search would
# leave them there. Whoever scans a body in parts leaves no large gap.
GAP_SIGMA_MM = 30.0


@dataclass(frozen=True, eq=False)
class SearchRange:
    """Where to look, around a start pose, and what is preferred there.

    Attributes:
        start: (4, 4) pose, fixed to moving, from which rotations and shifts count.
        center: (3,) point of the moving body, LPS mm, whose shift is limited.
        low, high: (3,) limits of its shift in the fixed frame, LPS mm.
        rotations: (n, 3) rotation vectors that the search tries, radians.
        shift_sigma_mm: (3,) widths of a soft preference for the start pose; infinite for none.
        rotation_sigma: the same of rotations, radians.
        meeting: shifts along z (lowest, highest) at which the real slices meet; beyond is a gap.
        gap_sigma_mm: width of a soft preference for small gaps; infinite for none.
    """

    start: Matrix
    center: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rotations: NDArray[np.float64]
    shift_sigma_mm: NDArray[np.float64]
    rotation_sigma: float
    meeting: tuple[float, float] = (0.0, 0.0)
    gap_sigma_mm: float = np.inf

    def log_prior(self, shift: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
        """Log preference of shifts (..., 3) in mm and a rotation by an angle in radians."""
        along = -0.5 * ((shift / self.shift_sigma_mm) ** 2).sum(axis=-1)
        gap = np.maximum(np.maximum(self.meeting[0] - shift[..., 2], shift[..., 2] - self.meeting[1]), 0.0)
        result: NDArray[np.float64] = along - 0.5 * (gap / self.gap_sigma_mm) ** 2
        return result - 0.5 * (angle / self.rotation_sigma) ** 2

    def from_start(self, pose: Matrix) -> tuple[NDArray[np.float64], float]:
        """Shift (3,) of the center in the fixed frame, mm, and angle in radians, by which a pose leaves the start."""
        back = np.linalg.inv(self.start)
        shift = apply(np.linalg.inv(pose), self.center[None])[0] - apply(back, self.center[None])[0]
        return shift, float(np.radians(rotation_angle(back @ pose)))

    def log_prior_of(self, pose: Matrix) -> float:
        """Log preference of a pose (4, 4); minus infinity beyond the limits."""
        shift, angle = self.from_start(pose)
        if (shift < self.low).any() or (shift > self.high).any() or angle > np.radians(LARGEST_ROTATION_DEGREES):
            return -np.inf
        return float(self.log_prior(shift, angle))


def search_range(start: Start, fixed: GridImage, moving: GridImage) -> SearchRange:
    """The poses to search for a start.

    "header" looks around the headers' pose. "unknown" trusts the headers for which way is up, and nothing else: it
    lays the bodies' centers on one line along the body and looks along the whole of it, in both orders, preferring
    CTs that meet or nearly do. A transform is searched around closely.

    Raises:
        RegistrationError: the transform is not linear.
    """
    rotations = rotation_grid(ROTATION_LIMIT_DEGREES, ROTATION_STEP_DEGREES)
    sigma = np.radians(ROTATION_SIGMA_DEGREES)
    moving_points = moving.real_body_points()
    center = (moving_points.min(axis=0) + moving_points.max(axis=0)) / 2
    if isinstance(start, sitk.Transform):
        reach = np.full(3, GIVEN_REACH_MM)
        near = rotation_grid(GIVEN_ROTATION_STEP_DEGREES, GIVEN_ROTATION_STEP_DEGREES)
        return SearchRange(from_transform(start), center, -reach, reach, near, np.full(3, GIVEN_SIGMA_MM), sigma)
    if start == "header":
        reach = np.full(3, HEADER_REACH_MM)
        return SearchRange(np.eye(4), center, -reach, reach, rotations, np.full(3, HEADER_SIGMA_MM), sigma)
    far = np.array([ACROSS_REACH_MM, ACROSS_REACH_MM, ANYWHERE_MM])
    spread = np.array([ACROSS_SIGMA_MM, ACROSS_SIGMA_MM, np.inf])
    centered = np.eye(4)
    fixed_points = fixed.real_body_points()
    centered[:3, 3] = moving_points.mean(axis=0) - fixed_points.mean(axis=0)
    upward, laid = fixed_points[:, 2], moving_points[:, 2] - centered[2, 3]
    meeting = float(upward.min() - laid.max()), float(upward.max() - laid.min())
    return SearchRange(centered, center, -far, far, rotations, spread, sigma, meeting, GAP_SIGMA_MM)


def rotation_grid(limit_degrees: float, step_degrees: float) -> NDArray[np.float64]:
    """Rotation vectors (n, 3) in radians on a cube grid of at most limit_degrees an axis."""
    count = int(limit_degrees / step_degrees + 1e-6)
    steps = np.arange(-count, count + 1) * step_degrees
    return np.radians(np.array(list(itertools.product(steps, repeat=3)), dtype=np.float64))
