"""The working grid: the coarse, upright grid on which the network sees a body, and the way to it and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume import AIR_HU, End, Volume, body_axis, index_to_lps_of
from ..volume.axis import in_plane_mm
from ..volume.body import mask_of_slices, outside_to_air
from ..volume.resampling import resample_averaged

DETAIL_FADES_MM = 8.0
BACKGROUND_BELOW_HU = -950.0
# The working body is a little thin, as voxels on the skin are part air and fall below the threshold: brought back at
# one half its outline would lie inside the skin. Held-out patients have the smallest error at 0.2, air included.
BODY_FROM_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class WorkingVolume:
    """A volume on the working grid, its outside set to air.

    The grid is aligned with the volume's own slices, isotropic, and upright: x to the left, y to the back, z to the
    head of the patient. Its outermost slice at the anchored end touches the outer face of the volume's last slice
    there: a grid that reached past it would make the network continue air.

    Attributes:
        array: (z, y, x) float32, HU, air outside the body.
        mask: (z, y, x) bool, the body.
        reference: an image without meaning of its own that carries the geometry.
        end: the anchored end.
    """

    array: NDArray[np.float32]
    mask: NDArray[np.bool_]
    reference: sitk.Image
    end: End

    @property
    def spacing_mm(self) -> float:
        """Voxel size, mm."""
        return float(self.reference.GetSpacing()[0])

    def outward(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array (z, y, x) of this grid with z toward the anchored end."""
        return array[::-1] if self.end == "inferior" else array


def to_working(volume: Volume, spacing_mm: float, end: End) -> WorkingVolume:
    """Resample a volume to the working grid anchored at one end of the body; finer voxels are averaged."""
    upright = sitk.DICOMOrient(volume.to_image(), "LPS")
    reference = _reference(upright, spacing_mm, end)
    array = sitk.GetArrayFromImage(resample_averaged(upright, reference, AIR_HU))
    mask = mask_of_slices(array, [spacing_mm, spacing_mm])
    return WorkingVolume(outside_to_air(array, mask), mask, reference, end)


def _reference(upright: sitk.Image, spacing_mm: float, end: End) -> sitk.Image:
    spacing = np.array(upright.GetSpacing())
    extent = spacing * upright.GetSize()
    counts = np.ceil(extent / spacing_mm - 1e-6).astype(int)
    counts[2] = max(1, int(extent[2] / spacing_mm + 1e-6))
    # Offsets of the first working voxel's center from the outer corner of the upright image, mm.
    offset = (extent - (counts - 1) * spacing_mm) / 2
    spare = extent[2] - counts[2] * spacing_mm
    offset[2] = spacing_mm / 2 if end == "inferior" else spare + spacing_mm / 2
    index = (offset / spacing - 0.5).tolist()
    reference = sitk.Image([int(count) for count in counts], sitk.sitkUInt8)
    reference.SetSpacing([spacing_mm] * 3)
    reference.SetDirection(upright.GetDirection())
    reference.SetOrigin(upright.TransformContinuousIndexToPhysicalPoint(index))
    return reference


def append_to_own_grid(volume: Volume, working: WorkingVolume, grown: NDArray[np.float32], count: int) -> NDArray[Any]:
    """Bring slices grown on the working grid to the own grid of the volume, beyond its anchored end.

    Body and air are not mixed on the way, so that the skin stays sharp. The fine detail of the volume's last slice,
    which the working grid cannot hold, fades out over the first slices, so that no step shows at the border.

    Args:
        volume: the volume that grows.
        working: the same on the working grid.
        grown: (z, y, x) HU, z away from the volume, on the working grid beyond its anchored end.
        count: number of own slices wanted.

    Returns:
        The new slices (z, y, x) in the axis order and data type of the volume.
    """
    axis = body_axis(volume)
    at_last_index = axis.at_last(working.end)
    border = volume.size[axis.index] - 1 if at_last_index else 0
    own = np.moveaxis(volume.array, axis.numpy_axis, 0)[border].astype(np.float32)
    inside = mask_of_slices(own[None], in_plane_mm(volume))[0]
    background = _background(own, inside)
    # The own border slice and the new slices outward.
    steps = np.arange(count + 1)
    coarse = _body_on(volume, working, grown, border + (steps if at_last_index else -steps))
    detail = np.where(inside, own - next(coarse), 0.0)
    distance = steps[1:].astype(np.float32) * volume.spacing[axis.index]
    result = np.empty((count, *own.shape), dtype=volume.array.dtype)
    outward = result if at_last_index else result[::-1]
    # One slice at a time stays in the cache.
    for target, new, share in zip(outward, coarse, np.exp(-distance / DETAIL_FADES_MM), strict=True):
        new = new + share * detail
        target[:] = as_type(np.where(new < BACKGROUND_BELOW_HU, background, new), target.dtype)
    return np.moveaxis(result, 0, axis.numpy_axis)


def _body_on(
    volume: Volume, working: WorkingVolume, grown: NDArray[np.float32], indices: NDArray[np.int_]
) -> Iterator[NDArray[np.float32]]:
    """Slices of a volume made of the last real working slice and the grown ones: the mean HU of the body nearby.

    Where there is none, air. The axes of both grids are the same but for order and direction, so that linear
    interpolation goes axis by axis.

    Args:
        volume: whose rows and columns are wanted.
        working: the same on the working grid.
        grown: (z, y, x) HU, z away from the volume, on the working grid beyond its anchored end.
        indices: of the slices along the body axis of the volume.
    """
    body = np.concatenate([working.outward(working.mask)[-1:], mask_of_slices(grown, [working.spacing_mm] * 2)])
    weight = body.astype(np.float32)
    hu = weight * np.concatenate([working.outward(working.array)[-1:], grown])
    matrix = np.linalg.inv(index_to_lps_of(working.reference)) @ volume.index_to_lps
    along = body_axis(volume).index
    # Outward from the last real slice; the far end is held for one more.
    forward, last = (1, working.array.shape[0] - 1) if working.end == "superior" else (-1, 0)
    layers = _Between.of(forward * (matrix[2, along] * indices + matrix[2, 3] - last), len(weight) + 1)
    parts = [layers.taken(np.concatenate([part, part[-1:]]), 0) for part in (weight, hu)]
    own_rows, own_columns = (index for index in (2, 1, 0) if index != along)
    row_axis, column_axis = (1, 0) if abs(matrix[1, own_rows]) > abs(matrix[0, own_rows]) else (0, 1)
    rows, columns = (
        _Between.of(matrix[axis, own] * np.arange(volume.size[own]) + matrix[axis, 3], working.array.shape[2 - axis])
        for axis, own in ((row_axis, own_rows), (column_axis, own_columns))
    )
    for planes in zip(*parts, strict=True):
        share, total = (
            rows.taken(columns.taken(plane if row_axis == 1 else plane.T, 1), 0).astype(np.float32) for plane in planes
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            yield np.where(share > BODY_FROM_SHARE, total / share, np.float32(AIR_HU))


@dataclass(frozen=True, eq=False)
class _Between:
    """Places (n,) between values along an axis, and what the values to both sides count there.

    Attributes:
        before, after: (n,) indices of the values.
        shares: what they count; 0 half a step beyond the ends of the axis.
    """

    before: NDArray[np.int_]
    after: NDArray[np.int_]
    shares: tuple[NDArray[np.float64], NDArray[np.float64]]

    @classmethod
    def of(cls, places: NDArray[np.float64], count: int) -> _Between:
        """Places in steps from the first of count values."""
        inner = places.clip(0, count - 1)
        before = inner.astype(int)
        within = (places >= -0.5) & (places < count - 0.5)
        share = (inner - before) * within
        return cls(before, np.minimum(before + 1, count - 1), (within - share, share))

    def taken(self, array: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
        """An array interpolated linearly along an axis."""
        shape = [-1 if number == axis else 1 for number in range(array.ndim)]
        before, after = (share.reshape(shape) for share in self.shares)
        return array.take(self.before, axis) * before + array.take(self.after, axis) * after


def _background(own: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """What the volume holds outside the body (-1000, -1024, -3024 ...), for its new slices."""
    outside = own[~inside]
    middle = float(np.median(outside)) if outside.size else float(AIR_HU)
    return middle if middle < BACKGROUND_BELOW_HU else float(AIR_HU)


def as_type(array: NDArray[np.floating], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return HU in the data type of a volume, rounded and clipped to what it holds."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return np.clip(np.rint(array), limits.min, limits.max).astype(dtype)
    return array.astype(dtype)
