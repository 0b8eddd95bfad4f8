"""Where an expansion begins, and how new slices join: real voxels stay, wedges without data are filled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..volume import AIR_HU, BodyAxis, End, Provenance, Volume, body_axis, slices, with_slices
from ..volume.body import coarse_in_plane_mm, coarse_slices, mask_of_slices
from ..volume.checks import SHORTEST_MM

# Of the body's cross-section in a slice that counts as whole.
MISSING_AT_MOST = 0.02
# How far from the end wedges may begin: a body of 500 mm turned by 15 degrees.
WEDGES_REACH_MM = 130.0


def whole_slices(volume: Volume, end: End) -> tuple[Volume, int]:
    """Cut off the slices at one end in which part of the body has no data.

    Returns:
        The volume up to its last whole slice, and the number of slices beyond that.

    Raises:
        InputError: fewer whole slices than 30 mm are left.
    """
    if volume.provenance is None:
        return volume, 0
    if not volume.where(Provenance.NO_DATA).any():
        return volume, 0
    axis = body_axis(volume)
    count = volume.size[axis.index]
    incomplete = _incomplete(volume, axis, end)
    left_mm = (count - incomplete) * volume.spacing[axis.index]
    if incomplete and left_mm < SHORTEST_MM:
        raise InputError(
            f"{volume.name} has only {left_mm:.0f} mm of slices without gaps in the body at its {end} end, and "
            f"{SHORTEST_MM:.0f} mm are needed to expand it; choose the scan as it was before it was resampled."
        )
    if _at_first_index(axis, end):
        return slices(volume, incomplete, count), incomplete
    return slices(volume, 0, count - incomplete), incomplete


def continued(volume: Volume, end: End, new: NDArray[Any], incomplete: int) -> Volume:
    """Join new slices to a volume.

    Args:
        volume: the volume, its incomplete slices included.
        end: where it grows.
        new: (z, y, x) slices beyond the last whole one, in the axis order and data type of the volume.
        incomplete: how many of them lie in incomplete slices of the volume.
    """
    axis = body_axis(volume)
    at_first = _at_first_index(axis, end)
    stack = np.moveaxis(new, axis.numpy_axis, 0)
    inner, beyond = (
        (stack[len(stack) - incomplete :], stack[: len(stack) - incomplete])
        if at_first
        else (
            stack[:incomplete],
            stack[incomplete:],
        )
    )
    if incomplete:
        volume = _filled(volume, axis, slice(0, incomplete) if at_first else slice(-incomplete, None), inner)
    added = np.moveaxis(beyond, 0, axis.numpy_axis)
    return with_slices(volume, added if at_first else None, None if at_first else added, Provenance.SYNTHETIC)


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
    outward = -1 if _at_first_index(axis, end) else 1
    missing, stack = (
        coarse_slices(volume, array)[::outward][-near:] for array in (volume.where(Provenance.NO_DATA), volume.array)
    )
    body = mask_of_slices(np.where(missing, AIR_HU, stack), coarse_in_plane_mm(volume)).any(axis=0)
    lost = (missing & body).sum(axis=(1, 2)) > MISSING_AT_MOST * body.sum()
    return near - int(np.argmax(lost)) if lost.any() else 0


def _at_first_index(axis: BodyAxis, end: End) -> bool:
    return (end == "inferior") == (axis.superior > 0)
