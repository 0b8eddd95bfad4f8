"""Resampling: to a coarser grid without aliasing, and the moving volume to the fixed one without cropping it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .axis import body_axis
from .points import STEP_MM, at_indices, body_points, indices_at, taken_back
from .volume import AIR_HU, Volume


def resample_moving(fixed: Volume, moving: Volume, transform: sitk.Transform) -> Volume:
    """Resample the moving volume onto the fixed volume's grid, made as large as both bodies need.

    The result has the fixed volume's spacing and direction, and its voxels lie on the fixed volume's (shifted by whole
    voxels). Along the body axis it covers both fields of view; across, the fixed field of view and the moving body. So
    nothing of the moving body is cropped, which resampling to the fixed volume alone would do. Interpolation is linear,
    the data type is that of the moving volume, and -1000 HU fills what it does not cover.

    Args:
        fixed: gives the grid.
        moving: the voxels.
        transform: maps fixed points to moving points, LPS mm.
    """
    low, high = covering(fixed, moving, transform)
    grid = sitk.Image([int(count) for count in high - low], sitk.sitkUInt8)
    grid.SetSpacing(fixed.spacing)
    grid.SetDirection(fixed.direction.ravel().tolist())
    grid.SetOrigin((fixed.index_to_lps @ [*low, 1.0])[:3].tolist())
    # SimpleITK cuts the fractions of integer voxels off, which would shift all values by half a HU.
    image = sitk.Resample(moving.to_image(), grid, transform, sitk.sitkLinear, float(AIR_HU), sitk.sitkFloat32)
    array = sitk.GetArrayFromImage(image)
    if np.issubdtype(moving.array.dtype, np.integer):
        np.rint(array, out=array)
    return replace(
        Volume.from_image(image, name=f"{moving.name}, registered", frame_of_reference=fixed.frame_of_reference),
        array=array.astype(moving.array.dtype),
    )


def covering(fixed: Volume, moving: Volume, transform: sitk.Transform) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First index and one past the last (x, y, z) of the fixed grid made as large as both bodies need."""
    along = body_axis(fixed).index
    across = [axis for axis in range(3) if axis != along]
    corners = np.array(np.meshgrid(*[[0.0, count - 1.0] for count in moving.size])).reshape(3, -1).T
    low, high = np.zeros(3), np.array(fixed.size) - 1.0
    for places, axes, margin_mm in (
        (at_indices(moving, corners), [along], 0.0),
        (body_points(moving), across, STEP_MM),
    ):
        if len(places):
            indices = indices_at(fixed, taken_back(places, transform))[:, axes]
            margin = margin_mm / np.array(fixed.spacing)[axes]
            low[axes] = np.minimum(low[axes], indices.min(axis=0) - margin)
            high[axes] = np.maximum(high[axes], indices.max(axis=0) + margin)
    return np.floor(low + 1e-6).astype(np.int64), np.ceil(high - 1e-6).astype(np.int64) + 1


def resample_averaged(
    image: sitk.Image, reference: sitk.Image, outside: float, transform: sitk.Transform | None = None
) -> sitk.Image:
    """Resample linearly to a coarser grid as float32; voxels finer than the grid's are averaged first.

    Args:
        image: what to resample.
        reference: carries the wanted geometry.
        outside: value beyond the image.
        transform: maps points of the reference to points of the image; identity where none is given.
    """
    identity = sitk.Transform(3, sitk.sitkIdentity)
    return sitk.Resample(
        averaged(image, reference.GetSpacing()), reference, transform or identity, sitk.sitkLinear, outside
    )


def averaged(image: sitk.Image, spacing: Sequence[float]) -> sitk.Image:
    """An image as float32 with as many whole voxels averaged along each axis as fit into a spacing (x, y, z), mm."""
    # sitk.BinShrink rounds integers, so that it needs a float copy of the whole CT, padded to whole bins: of 512 x 512
    # x 300 int16 voxels, to 4 mm, that takes 455 MiB and 0.23 s.
    factors = whole_factors(image.GetSpacing(), spacing)
    array = sitk.GetArrayViewFromImage(image)
    result = sitk.GetImageFromArray(averaged_layers(lambda at: array[at], array.shape, factors[::-1]))
    result.SetSpacing([own * factor for own, factor in zip(image.GetSpacing(), factors, strict=True)])
    result.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([(factor - 1) / 2 for factor in factors]))
    result.SetDirection(image.GetDirection())
    return result


def whole_factors(own: Sequence[float], wanted: Sequence[float]) -> list[int]:
    """How many voxels of a spacing fit into those of another one along each axis, at least 1."""
    return [max(1, int(coarse / fine + 1e-6)) for fine, coarse in zip(own, wanted, strict=True)]


def averaged_layers(
    layers: Callable[[slice], NDArray[Any]], shape: Sequence[int], factors: Sequence[int]
) -> NDArray[np.float32]:
    """An array (z, y, x) as float32, averaged by so many voxels along each axis; behind the last one it goes on.

    Args:
        layers: gives some layers along z, a few at a time, so that they stay in the cache.
        shape: of the whole array.
        factors: along z, y and x.
    """
    result = np.empty([-(-count // factor) for count, factor in zip(shape, factors, strict=True)], dtype=np.float32)
    for number in range(len(result)):
        part = layers(slice(number * factors[0], min((number + 1) * factors[0], shape[0])))
        for axis, factor in enumerate(factors):
            part = _binned(part, axis, factor)
        result[number] = part[0]
    return result


def _binned(array: NDArray[Any], axis: int, factor: int) -> NDArray[Any]:
    """An array as float32, averaged along an axis by so many voxels; behind the last one it goes on."""
    if factor == 1:
        return array
    shape = list(array.shape)
    shape[axis] = -(-shape[axis] // factor)
    total = np.zeros(shape, dtype=np.float32)
    summed, voxels = np.moveaxis(total, axis, 0), np.moveaxis(array, axis, 0)
    for first in range(factor):
        every = voxels[first::factor]
        summed[: len(every)] += every
        summed[len(every) :] += voxels[-1]
    total /= factor
    return total
