"""Where an expansion begins, and how new slices join: real voxels stay, wedges without data are filled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..volume import (
    AIR_HU,
    BodyAxis,
    End,
    Provenance,
    Volume,
    body_axis,
    body_length_mm,
    slices,
    with_slices,
)
from ..volume.body import coarse_in_plane_mm, coarse_slices, mask_of_slices
from ..volume.checks import SHORTEST_MM
from .tilted_border import parallel_to_border

# Of the body's cross-section in a slice that counts as whole.
MISSING_AT_MOST = 0.02
# How far from the end wedges may begin: a body of 500 mm turned by 15 degrees.
WEDGES_REACH_MM = 130.0


@dataclass(frozen=True, eq=False)
class Beginning:
    """Where an expansion begins.

    Attributes:
        whole: the volume up to its last whole slice, or what lies near a tilted border on slices parallel to it.
        incomplete: number of the volume's own slices in which part of the body beyond that has no data.
        tilted: whether the slices are parallel to a tilted border, and not those of the volume.
    """

    whole: Volume
    incomplete: int
    tilted: bool = False


def beginning(volume: Volume, end: End, length_mm: float) -> Beginning:
    """Find the last slices at one end that show all of the body.

    Args:
        volume: the CT, its padding marked.
        end: which end.
        length_mm: that the expansion looks at; no more need be brought onto slices parallel to a tilted border.

    Raises:
        InputError: fewer whole slices than 30 mm are left.
    """
    if not volume.holds(Provenance.NO_DATA):
        return Beginning(volume, 0)
    found = _up_to_whole(volume, end)
    if found.incomplete:
        tilted = parallel_to_border(volume, end, length_mm)
        other = None if tilted is None else _up_to_whole(tilted, end)
        # Where the grid crops the wedge, slices of neither kind are whole; those of the volume need no resampling.
        if other is not None and 2 * other.incomplete < found.incomplete:
            found = Beginning(other.whole, found.incomplete, tilted=True)
    left_mm = body_length_mm(found.whole)
    if found.incomplete and left_mm < SHORTEST_MM:
        raise InputError(
            f"{volume.name} has only {left_mm:.0f} mm of slices without gaps in the body at its {end} end, and "
            f"{SHORTEST_MM:.0f} mm are needed to expand it; choose the scan as it was before it was resampled."
        )
    return found


def _up_to_whole(volume: Volume, end: End) -> Beginning:
    axis = body_axis(volume)
    count, incomplete = volume.size[axis.index], _incomplete(volume, axis, end)
    first, stop = (0, count - incomplete) if axis.at_last(end) else (incomplete, count)
    return Beginning(slices(volume, first, stop), incomplete)


def continued(volume: Volume, end: End, new: NDArray[Any], incomplete: int) -> Volume:
    """Join new slices to a volume.

    Args:
        volume: the volume, its incomplete slices included.
        end: where it grows.
        new: (z, y, x) slices beyond the last whole one, in the axis order and data type of the volume.
        incomplete: how many of them lie in incomplete slices of the volume.
    """
    axis = body_axis(volume)
    stack = np.moveaxis(new, axis.numpy_axis, 0)
    if axis.at_last(end):
        own, inner, beyond = slice(-incomplete, None), stack[:incomplete], stack[incomplete:]
    else:
        own, inner, beyond = slice(0, incomplete), stack[len(stack) - incomplete :], stack[: len(stack) - incomplete]
    if incomplete:
        volume = _filled(volume, axis, own, inner)
    return joined(volume, end, np.moveaxis(beyond, 0, axis.numpy_axis))


def joined(volume: Volume, end: End, new: NDArray[Any]) -> Volume:
    """A volume with synthetic slices (z, y, x) beyond one end."""
    before, after = (None, new) if body_axis(volume).at_last(end) else (new, None)
    return with_slices(volume, before, after, Provenance.SYNTHETIC)


def _filled(volume: Volume, axis: BodyAxis, where: slice, new: NDArray[Any]) -> Volume:
    """The volume with voxels without data in some slices taken from new slices (slice, row, column)."""
    array, provenance = volume.array.copy(), np.array(volume.provenance)
    own = np.moveaxis(array, axis.numpy_axis, 0)[where]
    sources = np.moveaxis(provenance, axis.numpy_axis, 0)[where]
    missing = sources == Provenance.NO_DATA
    own[missing] = new[missing]
    sources[missing] = Provenance.SYNTHETIC
    return replace(volume, array=array, provenance=provenance)


def _incomplete(volume: Volume, axis: BodyAxis, end: End) -> int:
    """Number of slices at the end in which more than a little of the body is missing.

    The body's cross-section is what any slice near the end shows of it, so that padding outside the scanner's circle,
    where no slice shows a body, is no loss.
    """
    near = min(volume.size[axis.index] // 2, round(WEDGES_REACH_MM / volume.spacing[axis.index]))
    outward = 1 if axis.at_last(end) else -1
    missing, stack = (
        coarse_slices(volume, array)[::outward][-near:] for array in (volume.where(Provenance.NO_DATA), volume.array)
    )
    body = mask_of_slices(np.where(missing, AIR_HU, stack), coarse_in_plane_mm(volume)).any(axis=0)
    lost = (missing & body).sum(axis=(1, 2)) > MISSING_AT_MOST * body.sum()
    return near - int(np.argmax(lost)) if lost.any() else 0
