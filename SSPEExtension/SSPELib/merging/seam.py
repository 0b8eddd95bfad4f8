"""The soft seam within the overlap of two volumes."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

# Distances change slowly, so that they are computed on a grid about this coarse.
COARSE_MM = 2.0
FAR_MM = 1e6


def share_of_first(
    only_first: NDArray[np.bool_],
    only_second: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    seam_mm: float,
) -> NDArray[np.float32]:
    """How much the first of two volumes counts, 0 to 1, voxel by voxel (z, y, x).

    Between what only one and what only the other holds, the first counts fully up to the seam, which lies in the middle
    of the overlap and is seam_mm wide, or as wide as the overlap where that is narrower; within it the share falls
    smoothly. Where the second holds nothing alone, the first counts fully; where the first does, up to its border.

    Args:
        only_first, only_second: voxels that one volume holds alone.
        spacing: x, y, z, mm.
        seam_mm: full width of the seam; 0 for none.
    """
    to_first, to_second = (_distance(mask, spacing) for mask in (only_first, only_second))
    if not only_second.any():
        return np.ones(only_first.shape, dtype=np.float32)
    if seam_mm <= 0:
        position = (to_second >= to_first).astype(np.float32)
    elif only_first.any():
        width = np.minimum(seam_mm, np.maximum(to_first + to_second, 1e-3))
        position = np.clip(0.5 + (to_second - to_first) / 2 / width, 0.0, 1.0)
    else:
        # The first lies within the second, which takes over at its border.
        position = np.clip(to_second / min(seam_mm, FAR_MM), 0.0, 1.0)
    return np.asarray(position * position * (3.0 - 2.0 * position), dtype=np.float32)


def _distance(mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> NDArray[np.float32]:
    """Distance (z, y, x) to the nearest voxel of a mask, mm."""
    if not mask.any():
        return np.full(mask.shape, FAR_MM, dtype=np.float32)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing)
    factors = [max(1, int(COARSE_MM / step)) for step in spacing]
    coarse = sitk.Shrink(image, factors)
    if not sitk.GetArrayViewFromImage(coarse).any():
        coarse = image
    distance = sitk.SignedMaurerDistanceMap(coarse, False, False, True)
    fine = sitk.Resample(
        distance, image, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, 0.0, sitk.sitkFloat32, True
    )
    return np.maximum(sitk.GetArrayFromImage(fine), 0.0)
