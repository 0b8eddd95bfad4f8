"""The body mask: what belongs to the patient, without table, clothes and the air outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axis import body_axis, in_plane_mm
from .volume import AIR_HU, Volume

BODY_THRESHOLD_HU = -350
MASK_SPACING_MM = 4.0
OPENING_RADIUS_MM = 8.0
SMALLEST_BODY_PART = 0.05


@dataclass(frozen=True, eq=False)
class BodyMask:
    """What belongs to the body, air inside it (lungs, bowel) included, of a volume or of any box of it.

    The mask is found on a coarse grid in the plane of each slice and brought back by nearest neighbors. All
    morphology is done within slices, so the first and the last slice are treated like any other: a mask that erodes
    them would make the expansion continue air.

    Attributes:
        coarse: (z, y, x) bool, one for every few voxels.
        steps: how many voxels (z, y, x) each stands for.
    """

    coarse: NDArray[np.bool_]
    steps: tuple[int, ...]

    @classmethod
    def of(cls, volume: Volume) -> BodyMask:
        """Find the body of a CT."""
        along = body_axis(volume).numpy_axis
        mask = mask_of_slices(coarse_slices(volume, volume.array), coarse_in_plane_mm(volume))
        steps = list(coarse_steps(volume))
        steps.insert(along, 1)
        return cls(np.moveaxis(mask, 0, along), tuple(steps))

    def within(self, box: Sequence[slice]) -> NDArray[np.bool_]:
        """The voxels (z, y, x) of a box of the volume that belong to the body."""
        part = self.coarse
        for axis, (span, step) in enumerate(zip(box, self.steps, strict=True)):
            first = span.start // step
            part = np.moveaxis(np.moveaxis(part, axis, 0)[first : -(-span.stop // step)], 0, axis)
            if step > 1:
                part = part.repeat(step, axis=axis)
                start = span.start - first * step
                part = np.moveaxis(np.moveaxis(part, axis, 0)[start : start + span.stop - span.start], 0, axis)
        return part


def body_mask(volume: Volume) -> NDArray[np.bool_]:
    """Return the voxels (z, y, x) that belong to the body; see `BodyMask`."""
    return np.ascontiguousarray(BodyMask.of(volume).within([slice(0, count) for count in volume.array.shape]))


def coarse_steps(volume: Volume) -> tuple[int, int]:
    """Every how many rows and columns of the slices of a volume body masks are made of."""
    rows, columns = (max(1, round(MASK_SPACING_MM / spacing)) for spacing in in_plane_mm(volume))
    return rows, columns


def coarse_slices(volume: Volume, array: NDArray[Any]) -> NDArray[Any]:
    """Those rows and columns (slice, row, column) of an array (z, y, x) on the grid of a volume."""
    rows, columns = coarse_steps(volume)
    return np.moveaxis(array, body_axis(volume).numpy_axis, 0)[:, ::rows, ::columns]


def coarse_in_plane_mm(volume: Volume) -> list[float]:
    """Their spacing, mm."""
    return [spacing * step for spacing, step in zip(in_plane_mm(volume), coarse_steps(volume), strict=True)]


def mask_of_slices(stack: NDArray[Any], in_plane_mm: list[float]) -> NDArray[np.bool_]:
    """Body mask of a stack of slices (slice, row, column) in HU, rows and columns spaced by in_plane_mm."""
    from scipy import ndimage

    labels, _ = ndimage.label(_opened(stack > BODY_THRESHOLD_HU, in_plane_mm))
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    if not counts.any():
        return np.zeros(stack.shape, dtype=bool)
    return _filled_slices((counts >= max(1.0, SMALLEST_BODY_PART * counts.max()))[labels])


def outside_to_air(array: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Set voxels (z, y, x) outside the mask to air, as the volumes were that the network learned from."""
    return np.where(mask, array, np.asarray(AIR_HU, dtype=array.dtype))


def _opened(tissue: NDArray[np.bool_], in_plane_mm: list[float]) -> NDArray[np.bool_]:
    """Opened within slices by a disk, so that the table and clothes come off the body."""
    from scipy import ndimage

    radius = [max(1, round(OPENING_RADIUS_MM / spacing / 2)) for spacing in in_plane_mm]
    y, x = np.ogrid[-radius[0] : radius[0] + 1, -radius[1] : radius[1] + 1]
    disk = ((y / (radius[0] + 0.5)) ** 2 + (x / (radius[1] + 0.5)) ** 2 <= 1)[None]
    # Where the field of view cuts the body, its border must not count as the body's edge.
    padded = np.pad(tissue, ((0, 0), (radius[0],) * 2, (radius[1],) * 2), mode="edge")
    opened = ndimage.binary_dilation(ndimage.binary_erosion(padded, disk, border_value=1), disk)
    inner: NDArray[np.bool_] = opened[:, radius[0] : -radius[0], radius[1] : -radius[1]]
    return inner


def _filled_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill, slice by slice, what the outside cannot reach (lungs, bowel gas, windpipe)."""
    from scipy import ndimage

    within_slices = np.zeros((3, 3, 3), dtype=bool)
    within_slices[1] = ndimage.generate_binary_structure(2, 1)
    around = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    labels, _ = ndimage.label(~around, within_slices)
    outside = labels == labels[:, :1, :1]
    return np.ascontiguousarray(~outside[:, 1:-1, 1:-1])
