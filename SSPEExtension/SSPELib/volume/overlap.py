"""How far two partial volumes share the body: as the headers say, and as a transform found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..poses import Matrix, apply, matrix_of
from .axis import End, body_axis
from .body import coarse_in_plane_mm, coarse_slices, coarse_steps, mask_of_slices
from .provenance import Provenance
from .volume import AIR_HU, Volume

Upper = Literal["fixed", "moving"]
Span = tuple[float, float]
# A tilt of ten degrees makes wedges of this length on a body 230 mm wide.
LONGEST_WEDGE_MM = 40.0
# The body in a face is what its outermost slices show.
FACE_MM = 10.0


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
    # Volumes in Slicer's panel bring their headers alone.
    one, other = _spans(fixed, moving, np.eye(4), _grid_centers)
    shorter = min(one[1] - one[0], other[1] - other[0])
    shared = _shared(one, other)
    return OverlapPrediction(same, shared, max(0.0, 100.0 * shared / shorter), _upper(one, other))


def overlap_words(overlap_mm: float) -> str:
    """An overlap along the body in words; negative is a gap, mm."""
    return f"{overlap_mm:.0f} mm" if overlap_mm >= 0 else f"none (gap of {-overlap_mm:.0f} mm)"


def overlap_along_axis_mm(fixed: Volume, moving: Volume, pose: Matrix) -> float:
    """Shared length of a body along the fixed body axis under a pose (fixed to moving); negative for a gap."""
    return _shared(*_spans(fixed, moving, pose))


def upper_of(fixed: Volume, moving: Volume, pose: Matrix) -> Upper:
    """Which of two volumes lies nearer to the head under a pose (fixed to moving)."""
    return _upper(*_spans(fixed, moving, pose))


def ends_that_meet(fixed: Volume, moving: Volume, start: str | sitk.Transform) -> tuple[list[End], list[End]]:
    """Ends of the fixed and of the moving volume that face each other from a start; all ends where it is unknown."""
    if start == "unknown":
        return ["inferior", "superior"], ["inferior", "superior"]
    pose = matrix_of(start) if isinstance(start, sitk.Transform) else np.eye(4)
    if upper_of(fixed, moving, pose) == "fixed":
        return ["inferior"], ["superior"]
    return ["superior"], ["inferior"]


def _spans(
    fixed: Volume, moving: Volume, pose: Matrix, ends: Callable[[Volume], Matrix] | None = None
) -> tuple[Span, Span]:
    """Inferior and superior end of two volumes along the fixed body axis under a pose (fixed to moving), mm."""
    ends, upward = ends or end_centers, _upward(fixed)
    one, other = ends(fixed) @ upward, apply(np.linalg.inv(pose), ends(moving)) @ upward
    return (float(one.min()), float(one.max())), (float(other.min()), float(other.max()))


def _shared(one: Span, other: Span) -> float:
    return float(min(one[1], other[1]) - max(one[0], other[0]))


def _upper(one: Span, other: Span) -> Upper:
    return "fixed" if sum(one) >= sum(other) else "moving"


def _upward(volume: Volume) -> NDArray[np.float64]:
    axis = body_axis(volume)
    return np.asarray(volume.direction[:, axis.index] * axis.superior, dtype=np.float64)


def real_length_mm(volume: Volume) -> float:
    """Length of the real part of a volume along its body axis."""
    return float(np.ptp(end_centers(volume) @ _upward(volume)))


def end_centers(volume: Volume) -> Matrix:
    """Middles (2, 3) of the body where its real voxels begin and end along the body axis, LPS mm; index order.

    It is the middle of the body and not of the grid: cut faces are tilted to each other, so that a body that lies
    beside the middle of its grid overlaps by another length than the grids do.
    """
    if volume not in _ENDS:
        _ENDS[volume] = np.stack([_face_center(volume, last) for last in (False, True)])
    return _ENDS[volume]


# Both are asked for with every pose.
_ENDS: WeakKeyDictionary[Volume, Matrix] = WeakKeyDictionary()


def _grid_centers(volume: Volume) -> Matrix:
    """Middles (2, 3) of the first and the last face of a grid along the body axis, LPS mm; index order."""
    axis = body_axis(volume)
    centers = np.tile((np.array(volume.size, dtype=np.float64) - 1) / 2, (2, 1))
    centers[:, axis.index] = -0.5, volume.size[axis.index] - 0.5
    return apply(volume.index_to_lps, centers)


def _face_center(volume: Volume, last: bool) -> Matrix:
    """Middle (3,) of the body in the face at which its real voxels begin, or end, along the body axis, LPS mm.

    Where padding or synthetic voxels share a slice with real ones the face is tilted: its median over the columns of
    the body in the fullest of the first slices counts. Columns that begin farther on tell of the shape of a body whose
    surroundings were masked, not of where it is cut.
    """
    axis = body_axis(volume)
    count, spacing_mm = volume.size[axis.index], volume.spacing[axis.index]
    inward = slice(None, None, -1 if last else 1)
    stack = coarse_slices(volume, volume.array)[inward]
    sources = None if volume.provenance is None else coarse_slices(volume, volume.provenance)[inward]
    real = np.ones(stack.shape, dtype=bool) if sources is None else sources == Provenance.REAL
    area = real.sum(axis=(1, 2))
    begin = int(np.flatnonzero(area)[0])
    fullest = begin + int(area[begin : begin + max(1, round(LONGEST_WEDGE_MM / spacing_mm))].argmax())
    near = slice(begin, fullest + max(1, round(FACE_MM / spacing_mm)))
    body = mask_of_slices(np.where(real[near], stack[near], AIR_HU), coarse_in_plane_mm(volume)).any(axis=0)
    columns = real[fullest] & body if (real[fullest] & body).any() else real[fullest]
    face = float(np.median(real[: fullest + 1, columns].argmax(axis=0))) - 0.5
    index = (np.argwhere(columns).mean(axis=0) * coarse_steps(volume)).tolist()
    index.insert(axis.numpy_axis, count - 1 - face if last else face)
    return apply(volume.index_to_lps, np.array(index[::-1])[None])[0]
