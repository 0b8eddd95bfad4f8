"""How far two partial volumes share the body: as the headers say, and as a transform found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume import End, Provenance, Volume, body_axis
from .poses import Matrix, apply, from_transform

Upper = Literal["fixed", "moving"]
Span = tuple[float, float]
# A tilt of ten degrees makes wedges of this length on a body 230 mm wide.
LONGEST_WEDGE_MM = 40.0


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
    one, other = _spans(fixed, moving, np.eye(4))
    shorter = min(one[1] - one[0], other[1] - other[0])
    shared = _shared(one, other)
    return OverlapPrediction(same, shared, max(0.0, 100.0 * shared / shorter), _upper(one, other))


def overlap_along_axis_mm(fixed: Volume, moving: Volume, pose: Matrix) -> float:
    """Shared length of two volumes along the fixed body axis under a pose (fixed to moving); negative for a gap."""
    return _shared(*_spans(fixed, moving, pose))


def upper_of(fixed: Volume, moving: Volume, pose: Matrix) -> Upper:
    """Which of two volumes lies nearer to the head under a pose (fixed to moving)."""
    return _upper(*_spans(fixed, moving, pose))


def ends_that_meet(fixed: Volume, moving: Volume, start: str | sitk.Transform) -> tuple[list[End], list[End]]:
    """Ends of the fixed and of the moving volume that face each other from a start; all ends where it is unknown."""
    if start == "unknown":
        return ["inferior", "superior"], ["inferior", "superior"]
    pose = from_transform(start) if isinstance(start, sitk.Transform) else np.eye(4)
    if upper_of(fixed, moving, pose) == "fixed":
        return ["inferior"], ["superior"]
    return ["superior"], ["inferior"]


def _spans(fixed: Volume, moving: Volume, pose: Matrix) -> tuple[Span, Span]:
    """Inferior and superior end of two volumes along the fixed body axis under a pose (fixed to moving), mm."""
    upward = _upward(fixed)
    one, other = end_centers(fixed) @ upward, apply(np.linalg.inv(pose), end_centers(moving)) @ upward
    return (float(one.min()), float(one.max())), (float(other.min()), float(other.max()))


def _shared(one: Span, other: Span) -> float:
    return float(min(one[1], other[1]) - max(one[0], other[0]))


def _upper(one: Span, other: Span) -> Upper:
    return "fixed" if sum(one) >= sum(other) else "moving"


def _upward(volume: Volume) -> NDArray[np.float64]:
    axis = body_axis(volume)
    return np.asarray(volume.direction[:, axis.index] * axis.superior, dtype=np.float64)


def end_centers(volume: Volume) -> Matrix:
    """Middles (2, 3) of the faces at which the real voxels begin and end along the body, LPS mm; index order.

    Where padding or synthetic voxels share a slice with real ones the face is tilted, and its median counts.
    """
    axis = body_axis(volume)
    count = volume.size[axis.index]
    first, last = -0.5, count - 0.5
    if volume.provenance is not None:
        real = np.moveaxis(volume.provenance == Provenance.REAL, axis.numpy_axis, 0).reshape(count, -1)
        within = max(1, round(LONGEST_WEDGE_MM / volume.spacing[axis.index]))
        first = _face(real, within) - 0.5
        last = count - 0.5 - _face(real[::-1], within)
    centers = np.tile((np.array(volume.size, dtype=np.float64) - 1) / 2, (2, 1))
    centers[:, axis.index] = first, last
    return apply(volume.index_to_lps, centers)


def _face(real: NDArray[np.bool_], within: int) -> float:
    """Median first slice of real voxels (slice, column), over the columns of the fullest of the first slices.

    Columns that begin farther on tell of the shape of a body whose surroundings were masked, not of where it is cut.
    """
    area = real.sum(axis=1)
    begin = int(np.flatnonzero(area)[0])
    fullest = begin + int(area[begin : begin + within].argmax())
    return float(np.median(real[: fullest + 1, real[fullest]].argmax(axis=0)))
