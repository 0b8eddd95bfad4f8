"""Voxels that let slice views show two volumes as one: padded to cover both, continued by the other, or in squares.

Nothing is resampled at full resolution: the views do that, for the one slice that they show. All matrices are (4, 4),
from voxel indices (i, j, k) to world RAS mm; an affine registration may shear them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk

from SSPELib.volume import AIR_HU

from ..scene.geometry import ijkToWorld

SQUARE_MM = 16.0
COARSE_MM = 2.0
MOST_VOXELS = 120e6

Array = NDArray[Any]
Matrix = NDArray[np.float64]


def padded(node: Any, other: Any) -> tuple[Array, Matrix]:
    """Return the voxels (z, y, x) of a volume with air around them as far as another one reaches, and their matrix."""
    voxels = slicer.util.arrayFromVolume(node)
    shape, toVolume = _coveringGrid(node, other)
    array = np.full(shape, _dark(voxels), dtype=voxels.dtype)
    _putInto(array, voxels, toVolume)
    return array, ijkToWorld(node) @ toVolume


def continued(fixedNode: Any, movingNode: Any) -> tuple[Array, Matrix]:
    """Return the voxels (z, y, x) of the fixed volume, continued by the moving one, coarsely, where it has none.

    As the background of a blend they keep the moving volume at full brightness beyond the fixed one.
    """
    fixed, moving = (slicer.util.arrayFromVolume(node) for node in (fixedNode, movingNode))
    shape, toFixed = _coveringGrid(fixedNode, movingNode)
    matrix = ijkToWorld(fixedNode) @ toFixed
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    factor = np.maximum(np.floor(COARSE_MM / spacing), 1).astype(int)
    toCoarse = np.diag([*factor, 1.0])
    toCoarse[:3, 3] = (factor - 1) / 2
    size = np.ceil(np.array(shape[::-1]) / factor).astype(int)
    array = _resampled(moving, size, np.linalg.inv(ijkToWorld(movingNode)) @ matrix @ toCoarse, _dark(moving))
    for axis, times in reversed(list(enumerate(factor[::-1]))):
        array = np.repeat(array, times, axis=axis) if times > 1 else array
    wanted = np.result_type(fixed, moving, np.int16)
    array = array[: shape[0], : shape[1], : shape[2]].astype(wanted, copy=False)
    _putInto(array, fixed, toFixed)
    return array, matrix


def squares(node: Any) -> tuple[Array, float]:
    """Return the voxels (z, y, x) of a volume in every other square, and the least value that is one of them.

    What lies between the squares is below that value.
    """
    voxels = slicer.util.arrayFromVolume(node)
    least = float(voxels.min())
    array = voxels.astype(np.result_type(voxels, np.int16))
    spacing = np.linalg.norm(ijkToWorld(node)[:3, :3], axis=0)
    z, y, x = (
        (np.arange(count) * step // SQUARE_MM).astype(int) % 2 == 1
        for count, step in zip(voxels.shape, spacing[::-1], strict=True)
    )
    below = least - 10000 if array.dtype.kind == "f" else max(least - 10000, np.iinfo(array.dtype).min)
    np.copyto(array, array.dtype.type(below), where=~(z[:, None, None] ^ y[:, None] ^ x))
    return array, least


def imageOf(array: Array) -> Any:
    """Return a VTK image of voxels (z, y, x), which it shares."""
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).reshape(-1)))
    return image


def _dark(voxels: Array) -> float:
    """As dark as the scanner's own padding."""
    return min(float(voxels.min(initial=0)), float(AIR_HU)) if np.can_cast(np.int16, voxels.dtype) else 0.0


def _coveringGrid(node: Any, other: Any) -> tuple[tuple[int, ...], Matrix]:
    """The shape (z, y, x) of a grid on the axes of a volume that covers another one too, and its matrix to that volume.

    It is coarser where it would not fit into the memory, for volumes that lie far from each other.
    """
    sizes = [np.array(slicer.util.arrayFromVolume(each).shape[::-1]) for each in (node, other)]
    corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    corners[:, :3] = corners[:, :3] * sizes[1] - 0.5
    reach = (corners @ (np.linalg.inv(ijkToWorld(node)) @ ijkToWorld(other)).T)[:, :3]
    low = np.minimum(np.floor(reach.min(axis=0) + 0.5), 0).astype(int)
    high = np.maximum(np.ceil(reach.max(axis=0) + 0.5), sizes[0]).astype(int)
    step = 1
    while np.prod((high - low) / step) > MOST_VOXELS:
        step += 1
    toVolume = np.diag([step, step, step, 1.0])
    toVolume[:3, 3] = low - low % step  # so that the voxels of the volume are among those of the grid
    size = np.ceil((high - toVolume[:3, 3]) / step).astype(int)
    return tuple(size[::-1].tolist()), toVolume


def _putInto(array: Array, voxels: Array, toVolume: Matrix) -> None:
    step = int(toVolume[0, 0])
    start = (-toVolume[:3, 3] / step).astype(int)
    kept = voxels[::step, ::step, ::step]
    array[tuple(slice(begin, begin + count) for begin, count in zip(start[::-1], kept.shape, strict=True))] = kept


def _resampled(voxels: Array, size: NDArray[np.int_], toVoxels: Matrix, outside: float) -> Array:
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(toVoxels[:3, :3].ravel().tolist())
    transform.SetTranslation(toVoxels[:3, 3].tolist())
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    image = sitk.Resample(sitk.GetImageFromArray(voxels), grid, transform, sitk.sitkLinear, outside)
    array: Array = sitk.GetArrayFromImage(image)
    return array
