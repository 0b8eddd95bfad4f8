"""Where the search begins and how far it looks: from the headers, from nothing, or from a transform in hand."""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .parts import Part
from .poses import from_transform
from .window import Window, rotation_grid

Start = Literal["header", "unknown"] | sitk.Transform

ROTATION_STEP_DEGREES = 5.0
ROTATION_LIMIT_DEGREES = 10.0
ROTATION_SIGMA_DEGREES = 8.0
HEADER_REACH_MM = 45.0
HEADER_SIGMA_MM = 20.0
ACROSS_REACH_MM = 90.0
ACROSS_SIGMA_MM = 40.0
GIVEN_REACH_MM = 24.0
GIVEN_SIGMA_MM = 10.0
ANYWHERE_MM = 1e5
# Parts far apart cost nothing, as nothing of them overlaps: where the truth looks worse than chance, the search would
# leave them there. Whoever scans a body in parts leaves no large gap.
GAP_SIGMA_MM = 30.0


def window_for(start: Start, fixed: Part, moving: Part) -> Window:
    """The poses to search for a start.

    "header" looks around the headers' pose. "unknown" trusts the headers for which way is up, and nothing else: it
    lays the bodies' centers on one line along the body and looks along the whole of it, in both orders, preferring
    parts that meet or nearly do. A transform is searched around closely.
    """
    rotations = rotation_grid(ROTATION_LIMIT_DEGREES, ROTATION_STEP_DEGREES)
    sigma = np.radians(ROTATION_SIGMA_DEGREES)
    if isinstance(start, sitk.Transform):
        reach = np.full(3, GIVEN_REACH_MM)
        near = rotation_grid(ROTATION_STEP_DEGREES, ROTATION_STEP_DEGREES)
        return Window(from_transform(start), -reach, reach, near, np.full(3, GIVEN_SIGMA_MM), sigma)
    if start == "header":
        reach = np.full(3, HEADER_REACH_MM)
        return Window(np.eye(4), -reach, reach, rotations, np.full(3, HEADER_SIGMA_MM), sigma)
    if start != "unknown":
        raise ValueError(f"The start {start!r} is unknown. Choose header, unknown or give a transform.")
    far = np.array([ACROSS_REACH_MM, ACROSS_REACH_MM, ANYWHERE_MM])
    spread = np.array([ACROSS_SIGMA_MM, ACROSS_SIGMA_MM, np.inf])
    centered = np.eye(4)
    fixed_points, moving_points = _real_points(fixed), _real_points(moving)
    centered[:3, 3] = moving_points.mean(axis=0) - fixed_points.mean(axis=0)
    upward, laid = fixed_points[:, 2], moving_points[:, 2] - centered[2, 3]
    meeting = float(upward.min() - laid.max()), float(upward.max() - laid.min())
    return Window(centered, -far, far, rotations, spread, sigma, meeting, GAP_SIGMA_MM)


def _real_points(part: Part) -> NDArray[np.float64]:
    return part.points((part.body > 0.5) & (part.depth == 0))
