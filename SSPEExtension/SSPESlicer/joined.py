"""Two volumes in one, on one grid: the fixed one continued by the moving one, or both in alternating squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import vtk
from numpy.typing import NDArray

from SSPELib.volume import AIR_HU, Volume

from .volumes import RAS_TO_LPS, volumeFromNode, worldBounds

FINEST_SPACING_MM = 1.0
MOST_VOXELS = 16e6
SQUARE_MM = 16.0
OUTSIDE = AIR_HU - 10000

Array = NDArray[np.float32]


def continued(fixedNode: Any, movingNode: Any) -> Volume:
    """Return the fixed volume, continued by the moving one where it has no voxels.

    As the background of a blend it keeps the moving volume at full brightness beyond the fixed one.
    """
    grid, fixed, _moving = _filledUp(fixedNode, movingNode)
    return grid.like(_visible(fixed))


def checkerboard(fixedNode: Any, movingNode: Any) -> Volume:
    """Return alternating squares of two volumes; where only one of them has voxels it stands without squares."""
    grid, fixed, moving = _filledUp(fixedNode, movingNode)
    board = vtk.vtkImageCheckerboard()
    board.SetInput1Data(_vtkImage(fixed))
    board.SetInput2Data(_vtkImage(moving))
    board.SetNumberOfDivisions(*(max(1, round(count * grid.spacing[0] / SQUARE_MM)) for count in grid.size))
    board.Update()
    voxels = vtk.util.numpy_support.vtk_to_numpy(board.GetOutput().GetPointData().GetScalars())
    return grid.like(_visible(voxels.reshape(fixed.shape).astype(np.float32)))


def _filledUp(fixedNode: Any, movingNode: Any) -> tuple[Volume, Array, Array]:
    """One grid that holds both volumes, and each of them on it, filled up by the other where it has no voxels."""
    grid = _commonGrid(fixedNode, movingNode)
    fixed, moving = (_onGrid(volumeFromNode(node), grid) for node in (fixedNode, movingNode))
    return grid, np.where(fixed == OUTSIDE, moving, fixed), np.where(moving == OUTSIDE, fixed, moving)


def _visible(array: Array) -> Array:
    """What neither volume covers becomes as dark as the scanner's own padding."""
    outside = array == OUTSIDE
    array[outside] = array[~outside].min(initial=AIR_HU)
    return array


def _commonGrid(fixedNode: Any, movingNode: Any) -> Volume:
    boxes = np.array([worldBounds(node) for node in (fixedNode, movingNode)])
    low, high = boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0)
    spacing = max(FINEST_SPACING_MM, float(np.prod(high - low) / MOST_VOXELS) ** (1 / 3))
    size = np.ceil((high - low) / spacing).astype(int)
    origin = RAS_TO_LPS[:3, :3] @ (low + spacing / 2)
    return Volume(
        array=np.zeros(size[::-1], dtype=np.uint8),
        spacing=(spacing,) * 3,
        origin=tuple(origin),
        direction=RAS_TO_LPS[:3, :3],
        name="joined",
    )


def _onGrid(volume: Volume, grid: Volume) -> Array:
    image, same = volume.to_image(), sitk.Transform()
    resampled = sitk.Resample(image, grid.to_image(), same, sitk.sitkLinear, float(OUTSIDE), sitk.sitkFloat32)
    array: Array = sitk.GetArrayFromImage(resampled)
    return array


def _vtkImage(array: Array) -> Any:
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    scalars = vtk.util.numpy_support.numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True)
    image.GetPointData().SetScalars(scalars)
    return image
