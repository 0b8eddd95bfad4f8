"""Real voxels on the CTs' own grids: what the last refinement compares, and the correlation that the report states."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .backends import RefinementImages
from .images import GridImage, ImagePyramid
from .poses import Matrix, apply, to_transform

FINEST_MM = 1.6
REACH_MM = 10.0
CENTER_GRID_MM = 8.0


def native_images(fixed: ImagePyramid, moving: ImagePyramid, pose: Matrix) -> RefinementImages:
    """Real voxels near the overlap under a pose, on their own grids (averaged down to about FINEST_MM)."""
    fixed_image, fixed_mask = fixed.masked_image(), fixed.real_mask()
    moving_image, moving_mask = moving.masked_image(), moving.real_mask()
    fixed_image, fixed_mask = _cropped(fixed_image, fixed_mask, moving_mask, pose)
    moving_image, moving_mask = _cropped(moving_image, moving_mask, fixed_mask, np.linalg.inv(pose))
    return RefinementImages(
        *(_averaged(fixed_image), _averaged(moving_image)),
        *(_averaged_mask(fixed_mask), _averaged_mask(moving_mask)),
    )


def overlap_center(fixed: ImagePyramid, moving: ImagePyramid, pose: Matrix) -> NDArray[np.float64]:
    """Center (3,) of the real overlap in the fixed frame, LPS mm; of the fixed body where there is none."""
    points = fixed.at(CENTER_GRID_MM).real_body_points()
    there = moving.at(CENTER_GRID_MM)
    index = np.rint((apply(pose, points) - there.origin) / there.spacing).astype(int)
    inside = ((index >= 0) & (index < np.array(there.hu.shape[::-1]))).all(axis=1)
    x, y, z = index[inside].T
    shared = points[inside][(there.valid & there.real)[z, y, x]]
    return np.asarray((shared if len(shared) else points).mean(axis=0))


def correlation(fixed: GridImage, moving: GridImage, pose: Matrix, real_only: bool) -> float:
    """Pearson correlation of HU inside both bodies under a pose, -1 to 1; 0 where they do not meet."""
    kept = fixed.valid & (fixed.body > 0.5)
    wanted = (moving.body > 0.5) & moving.valid
    if real_only:
        kept &= fixed.depth == 0
        wanted &= moving.depth == 0
    grid = (apply(pose, fixed.points(kept)) - moving.origin) / moving.spacing
    index = np.rint(grid).astype(int)
    inside = ((index >= 0) & (index < np.array(moving.hu.shape[::-1]))).all(axis=1)
    x, y, z = index[inside].T
    both = wanted[z, y, x]
    one = fixed.hu[kept][inside][both].astype(np.float64)
    other = moving.hu[z, y, x][both].astype(np.float64)
    if one.size < 2 or one.std() < 1e-6 or other.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _cropped(
    image: sitk.Image, mask: sitk.Image, other_mask: sitk.Image, pose: Matrix
) -> tuple[sitk.Image, sitk.Image]:
    """Crop to the mask's voxels that a pose takes near the other mask's field of view."""
    transform = to_transform(pose, "affine", np.zeros(3))
    margin = [int(np.ceil(REACH_MM / spacing)) for spacing in other_mask.GetSpacing()]
    wide = sitk.BinaryDilate(sitk.ConstantPad(other_mask > 0, margin, margin, 0), [1, 1, 1])
    near = sitk.Resample(_bounding_box(wide, margin), mask, transform, sitk.sitkNearestNeighbor, 0)
    box = _box(sitk.GetArrayViewFromImage(near & (mask > 0)) > 0)
    if box is None:
        return image, mask
    start, size = box
    return sitk.RegionOfInterest(image, size, start), sitk.RegionOfInterest(mask, size, start)


def _bounding_box(mask: sitk.Image, margin: list[int]) -> sitk.Image:
    """The mask's bounding box grown by a margin, filled."""
    filled = np.zeros(sitk.GetArrayViewFromImage(mask).shape, dtype=np.uint8)
    box = _box(sitk.GetArrayViewFromImage(mask) > 0)
    if box is not None:
        start, size = box
        low = [max(0, a - m) for a, m in zip(start, margin, strict=True)]
        high = [a + n + m for a, n, m in zip(start, size, margin, strict=True)]
        filled[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = 1
    image = sitk.GetImageFromArray(filled)
    image.CopyInformation(mask)
    return image


def _box(array: NDArray[np.bool_]) -> tuple[list[int], list[int]] | None:
    """Start and size (x, y, z) of the smallest box around the true voxels."""
    if not array.any():
        return None
    start, size = [], []
    for axis in (2, 1, 0):
        hit = np.flatnonzero(array.any(axis=tuple(i for i in range(3) if i != axis)))
        start.append(int(hit[0]))
        size.append(int(hit[-1] - hit[0] + 1))
    return start, size


def _averaged(image: sitk.Image) -> sitk.Image:
    factors = [max(1, int(FINEST_MM / spacing + 1e-6)) for spacing in image.GetSpacing()]
    return sitk.BinShrink(image, factors) if max(factors) > 1 else image


def _averaged_mask(mask: sitk.Image) -> sitk.Image:
    factors = [max(1, int(FINEST_MM / spacing + 1e-6)) for spacing in mask.GetSpacing()]
    if max(factors) == 1:
        return mask
    return sitk.Cast(sitk.BinShrink(sitk.Cast(mask, sitk.sitkFloat32), factors) > 0.5, sitk.sitkUInt8)
