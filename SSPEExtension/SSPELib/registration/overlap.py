"""How far two partial volumes share the body: as the headers say, and as a transform found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume import End, Volume, body_axis
from .poses import Matrix, apply, from_transform

Upper = Literal["fixed", "moving"]


@dataclass(frozen=True)
class OverlapPrediction:
    """What the headers alone promise.

    Attributes:
        same_frame: whether both name the same DICOM frame of reference; None where one does not say.
        overlap_mm: shared length along the fixed volume's body axis, negative for a gap.
        percent: overlap_mm of the shorter volume's length, at least 0.
        upper: which lies nearer to the head.
    """

    same_frame: bool | None
    overlap_mm: float
    percent: float
    upper: Upper


def predict_overlap(fixed: Volume, moving: Volume) -> OverlapPrediction:
    """Read the overlap of two volumes from their headers."""
    frames = (fixed.frame_of_reference, moving.frame_of_reference)
    same = None if None in frames else frames[0] == frames[1]
    one = _span(fixed, np.eye(4), fixed)
    other = _span(moving, np.eye(4), fixed)
    shared = min(one[1], other[1]) - max(one[0], other[0])
    shorter = min(one[1] - one[0], other[1] - other[0])
    upper: Upper = "fixed" if sum(one) >= sum(other) else "moving"
    return OverlapPrediction(same, shared, max(0.0, 100.0 * shared / shorter), upper)


def overlap_along_axis_mm(fixed: Volume, moving: Volume, pose: Matrix) -> float:
    """Shared length of two volumes along the fixed body axis under a pose (fixed to moving); negative for a gap."""
    one = _span(fixed, np.eye(4), fixed)
    other = _span(moving, np.linalg.inv(pose), fixed)
    return min(one[1], other[1]) - max(one[0], other[0])


def upper_of(fixed: Volume, moving: Volume, pose: Matrix) -> Upper:
    """Which of two volumes lies nearer to the head under a pose (fixed to moving)."""
    one = _span(fixed, np.eye(4), fixed)
    other = _span(moving, np.linalg.inv(pose), fixed)
    return "fixed" if sum(one) >= sum(other) else "moving"


def ends_that_meet(fixed: Volume, moving: Volume, start: str | sitk.Transform) -> tuple[list[End], list[End]]:
    """Ends of the fixed and of the moving volume that face each other from a start; all ends where it is unknown."""
    if start == "unknown":
        return ["inferior", "superior"], ["inferior", "superior"]
    pose = from_transform(start) if isinstance(start, sitk.Transform) else np.eye(4)
    if upper_of(fixed, moving, pose) == "fixed":
        return ["inferior"], ["superior"]
    return ["superior"], ["inferior"]


def _span(volume: Volume, to_fixed: Matrix, fixed: Volume) -> tuple[float, float]:
    """Inferior and superior end of a volume along the fixed volume's body axis (upward), mm."""
    direction = _upward(fixed)
    ends = apply(to_fixed, _end_centers(volume)) @ direction
    return float(ends.min()), float(ends.max())


def _upward(volume: Volume) -> NDArray[np.float64]:
    axis = body_axis(volume)
    return np.asarray(volume.direction[:, axis.index] * axis.superior, dtype=np.float64)


def _end_centers(volume: Volume) -> Matrix:
    """Centers (2, 3) of the outer faces of the first and last slice, LPS mm."""
    axis = body_axis(volume).index
    centers = np.tile((np.array(volume.size, dtype=np.float64) - 1) / 2, (2, 1))
    centers[0, axis] = -0.5
    centers[1, axis] = volume.size[axis] - 0.5
    return apply(volume.index_to_lps, centers)
