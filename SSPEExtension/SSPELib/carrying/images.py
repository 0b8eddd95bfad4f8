"""Images, label maps and doses onto the grid of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume import AIR_HU
from ..volume.kernel import resample_sharp


def carried_image(image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, outside: float) -> sitk.Image:
    """Resample a scalar image once by the sharp kernel, in its own data type (whole values are rounded).

    Args:
        image: what is carried.
        grid: carries the wanted geometry.
        transform: maps points of the grid to points of the image, LPS mm.
        outside: value beyond the image.
    """
    return as_type(resample_sharp(image, grid, transform, outside), image.GetPixelID())


def carried_labels(labels: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    """Resample labels, of one layer or several, by nearest neighbors; 0 beyond them."""
    return sitk.Resample(labels, grid, transform, sitk.sitkNearestNeighbor, 0.0, labels.GetPixelID())


def carried_dose(dose: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    """Resample a dose linearly, in its own unit; 0 beyond it."""
    return as_type(sitk.Resample(dose, grid, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat64), dose.GetPixelID())


def as_type(image: sitk.Image, pixel_id: int) -> sitk.Image:
    """Cast to a data type; whole types are rounded and held in their range, where SimpleITK would cut fractions off."""
    dtype = sitk.GetArrayViewFromImage(sitk.Image([1, 1, 1], pixel_id)).dtype
    if not np.issubdtype(dtype, np.integer):
        return sitk.Cast(image, pixel_id)
    limits = np.iinfo(dtype)
    array = np.clip(np.rint(sitk.GetArrayViewFromImage(image)), limits.min, limits.max).astype(dtype)
    whole = sitk.GetImageFromArray(array)
    whole.CopyInformation(image)
    return whole


def outside_value(image: sitk.Image) -> float:
    """What an image holds where nothing is: air where it has air, else 0 (PET, MR, parametric maps)."""
    lowest = float(sitk.GetArrayViewFromImage(image).min())
    return float(AIR_HU) if lowest <= AIR_HU / 2 else 0.0


def grid_like(volume: Any, size: Sequence[int] | None = None, first: NDArray[np.float64] | None = None) -> sitk.Image:
    """An empty image with the geometry of a volume, or of its lattice from another first index (x, y, z) on."""
    grid = sitk.Image([int(count) for count in (size if size is not None else volume.size)], sitk.sitkUInt8)
    grid.SetSpacing(volume.spacing)
    grid.SetDirection(volume.direction.ravel().tolist())
    start = np.zeros(3) if first is None else first
    grid.SetOrigin((volume.index_to_lps @ [*start, 1.0])[:3].tolist())
    return grid


def share_inside(content: NDArray[np.bool_], image: sitk.Image, grid: sitk.Image, transform: sitk.Transform) -> float:
    """Share of some voxels (z, y, x) of an image that a grid holds, 0 to 1; transform maps grid to image points."""
    chosen = np.argwhere(content)
    if not len(chosen):
        return 0.0
    chosen = chosen[:: max(1, len(chosen) // 2000), ::-1]
    indices = to_grid(chosen.astype(np.float64), image, grid, transform)
    return float(np.mean(np.all((indices >= -0.5) & (indices <= np.array(grid.GetSize()) - 0.5), axis=1)))


def extended(content: NDArray[np.bool_], image: sitk.Image, volume: Any, transform: sitk.Transform) -> sitk.Image:
    """The lattice of a volume, made as large as some voxels (z, y, x) of an image need."""
    axes = [np.flatnonzero(content.any(axis=tuple(i for i in range(3) if i != axis))) for axis in (2, 1, 0)]
    box = np.array(np.meshgrid(*[[float(hit[0]) - 0.5, float(hit[-1]) + 0.5] for hit in axes])).reshape(3, -1).T
    indices = to_grid(box, image, grid_like(volume), transform)
    low = np.minimum(np.floor(indices.min(axis=0)), 0)
    high = np.maximum(np.ceil(indices.max(axis=0)), np.array(volume.size) - 1)
    return grid_like(volume, (high - low + 1).astype(int).tolist(), low)


def to_grid(
    indices: NDArray[np.float64], image: sitk.Image, grid: sitk.Image, transform: sitk.Transform
) -> NDArray[np.float64]:
    """Indices (n, 3) in a grid of indices (n, 3) in an image, x, y, z; transform maps grid to image points."""
    back = transform.GetInverse()
    return np.array(
        [
            grid.TransformPhysicalPointToContinuousIndex(
                back.TransformPoint(image.TransformContinuousIndexToPhysicalPoint(one))
            )
            for one in indices.tolist()
        ]
    )
