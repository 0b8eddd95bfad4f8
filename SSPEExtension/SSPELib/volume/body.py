"""The body mask: what belongs to the patient, without table, clothes and the air outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .axis import body_axis
from .volume import AIR_HU, Volume

BODY_THRESHOLD_HU = -350
MASK_SPACING_MM = 4.0
OPENING_RADIUS_MM = 8.0
SMALLEST_BODY_PART = 0.05


def body_mask(volume: Volume) -> NDArray[np.bool_]:
    """Return the voxels (z, y, x) that belong to the body, air inside it (lungs, bowel) included.

    The mask is found on a coarse grid in the plane of each slice and brought back by nearest neighbors. All
    morphology is done within slices, so the first and the last slice are treated like any other: a mask that erodes
    them would make the expansion continue air.
    """
    axis = body_axis(volume)
    stack = np.moveaxis(volume.array, axis.numpy_axis, 0)
    in_plane = [volume.spacing[index] for index in (2, 1, 0) if index != axis.index]
    factors = [max(1, round(MASK_SPACING_MM / spacing)) for spacing in in_plane]
    coarse = stack[:, :: factors[0], :: factors[1]]
    mask = mask_of_slices(coarse, [s * f for s, f in zip(in_plane, factors, strict=True)])
    fine = mask.repeat(factors[0], axis=1).repeat(factors[1], axis=2)[:, : stack.shape[1], : stack.shape[2]]
    return np.ascontiguousarray(np.moveaxis(fine, 0, axis.numpy_axis))


def mask_of_slices(stack: NDArray[Any], in_plane_mm: list[float]) -> NDArray[np.bool_]:
    """Body mask of a stack of slices (slice, row, column) in HU, rows and columns spaced by in_plane_mm."""
    image = sitk.GetImageFromArray((stack > BODY_THRESHOLD_HU).astype(np.uint8))
    radius = [max(1, round(OPENING_RADIUS_MM / spacing / 2)) for spacing in in_plane_mm]
    opened = sitk.BinaryMorphologicalOpening(_padded(image, radius), [radius[1], radius[0], 0], sitk.sitkBall)
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(_cropped(opened, radius, image)))
    labels = sitk.GetArrayFromImage(parts)
    counts = np.bincount(labels.ravel())[1:]
    if counts.size == 0:
        return np.zeros(stack.shape, dtype=bool)
    kept = labels > 0
    kept &= labels <= np.count_nonzero(counts >= SMALLEST_BODY_PART * counts[0])
    return _filled_slices(kept)


def outside_to_air(array: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Set voxels (z, y, x) outside the mask to air, as the volumes were that the network learned from."""
    return np.where(mask, array, np.asarray(AIR_HU, dtype=array.dtype))


def _padded(image: sitk.Image, radius: list[int]) -> sitk.Image:
    # Where the field of view cuts the body, its border must not count as the body's edge.
    width = [radius[1], radius[0], 0]
    return sitk.ZeroFluxNeumannPad(image, width, width)


def _cropped(image: sitk.Image, radius: list[int], like: sitk.Image) -> sitk.Image:
    return sitk.RegionOfInterest(image, like.GetSize(), [radius[1], radius[0], 0])


def _filled_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill, slice by slice, what the outside cannot reach (lungs, bowel gas, windpipe)."""
    filled = np.empty_like(mask)
    for index, plane in enumerate(mask):
        image = sitk.GetImageFromArray(np.pad(plane, 1).astype(np.uint8))
        filled[index] = sitk.GetArrayFromImage(sitk.BinaryFillhole(image))[1:-1, 1:-1] > 0
    return filled
