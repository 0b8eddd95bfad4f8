"""Copies of volumes whose axes are not straight in the patient: bent or sheared by transforms, or by a tilted gantry.

Slicer's DICOM reader puts tilted and unevenly spaced series under such a transform. Slicer can harden it, but fills
what nobody scanned by the median of the eight corners, which may be tissue, without a mark, cuts off what bends out
of the box of the corners, and leaves a sheared grid sheared. So the copy is resampled here, by the same filter of VTK.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from SSPELib.volume import AIR_HU

from . import dicom, geometry, marks
from .display import copyDisplay

STRAIGHTENED_ATTRIBUTE = "SSPE.Straightened"
SHEAR_TOLERANCE = 1e-3
PROBES_ALONG_A_SIDE = 5

Matrix = NDArray[np.float64]


def isStraight(volumeNode: Any, beforeRegistration: bool = False) -> bool:
    """Tell whether the axes of a volume are at right angles in the patient, as all that SSPE does needs them."""
    if not geometry.isLinear(volumeNode, beforeRegistration):
        return False
    axes = geometry.ijkToWorld(volumeNode, beforeRegistration)[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() <= SHEAR_TOLERANCE)


def assumptionOn(volumeNode: Any) -> str | None:
    """Return what was assumed when a straightened copy was made, None for other volumes."""
    return volumeNode.GetDescription() if volumeNode.GetAttribute(STRAIGHTENED_ATTRIBUTE) is not None else None


def straightenedCopy(volumeNode: Any, beforeRegistration: bool = False) -> Any:
    """Return a copy of a volume, "NAME straightened", on a grid at right angles, its padding marked as no data.

    The copy lies under no transform, where its voxels lie in the patient; its description says what was assumed. The
    volume and its transforms stay as they are.

    Args:
        volumeNode: a volume that is not straight, see `isStraight`.
        beforeRegistration: as the volume lay before SSPE Register moved it, if it did.
    """
    grid, toPatient = _straightGrid(volumeNode, beforeRegistration)
    array, scanned, start = _resampled(volumeNode.GetImageData(), grid, toPatient)
    name = slicer.mrmlScene.GenerateUniqueName(_("{name} straightened").format(name=volumeNode.GetName()))
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(copy, array)
    shift = np.eye(4)
    shift[:3, 3] = start
    copy.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(grid @ shift))
    copyDisplay(volumeNode, copy)
    copy.SetAttribute(STRAIGHTENED_ATTRIBUTE, volumeNode.GetName())
    dicom.putBeside(copy, volumeNode)
    dicom.shareFrameOfReference(copy, volumeNode)
    marks.markNoData(copy, ~scanned)
    copy.SetDescription(_description(volumeNode, copy, beforeRegistration, float(np.mean(~scanned))))
    return copy


def _straightGrid(volumeNode: Any, beforeRegistration: bool) -> tuple[Matrix, Any]:
    """A grid at right angles (voxels to RAS) near to the volume's, and the transform of the volume's voxels to RAS.

    Rows and slices stay the volume's own: a sheared volume is moved within its slices only.
    """
    toPatient = vtk.vtkGeneralTransform()
    if geometry.isLinear(volumeNode, beforeRegistration):
        own = geometry.ijkToWorld(volumeNode, beforeRegistration)
    else:
        toWorld = vtk.vtkGeneralTransform()
        geometry.parentOf(volumeNode, beforeRegistration).GetTransformToWorld(toWorld)
        toPatient.Concatenate(toWorld)
        ijkToRas = vtk.vtkMatrix4x4()
        volumeNode.GetIJKToRASMatrix(ijkToRas)
        own = slicer.util.arrayFromVTKMatrix(ijkToRas)
    toPatient.Concatenate(slicer.util.vtkMatrixFromArray(own))
    orthogonal, steps = np.linalg.qr(own[:3, :3])
    grid = own.copy()
    grid[:3, :3] = orthogonal * np.diag(steps)
    return grid, toPatient


def _resampled(image: Any, grid: Matrix, toPatient: Any) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.int_]]:
    """Voxels (z, y, x) on a grid, which of them were scanned, and the place of the first on the grid (i, j, k).

    What was not scanned is air. The least box that holds all that was scanned is returned.
    """
    toGrid = vtk.vtkGeneralTransform()
    toGrid.Concatenate(slicer.util.vtkMatrixFromArray(np.linalg.inv(grid)))
    toGrid.Concatenate(toPatient)
    low, high = _reach(image, toGrid)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetResliceTransform(toGrid.GetInverse())
    reslice.SetInterpolationModeToLinear()
    reslice.SetBackgroundLevel(max(float(AIR_HU), image.GetScalarTypeMin()))
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputExtent(*(int(value) for pair in zip(low, high, strict=True) for value in pair))
    reslice.GenerateStencilOutputOn()
    inside = vtk.vtkImageStencilToImage()
    inside.SetInputConnection(reslice.GetOutputPort(1))
    inside.SetOutputScalarTypeToUnsignedChar()
    inside.Update()
    array, scanned = _arrayOf(reslice.GetOutput()), _arrayOf(inside.GetOutput()) > 0
    window = []
    for axis in range(3):
        found = np.flatnonzero(scanned.any(axis=tuple(other for other in range(3) if other != axis)))
        window.append(slice(int(found[0]), int(found[-1]) + 1))
    start = low + [part.start for part in reversed(window)]
    return array[tuple(window)].copy(), scanned[tuple(window)], start


def _reach(image: Any, toGrid: Any) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """The first and last voxels (i, j, k) of a grid that an image may reach: probed across all of its slices."""
    columns, rows, count = image.GetDimensions()
    x, y = (np.linspace(-0.5, size - 0.5, PROBES_ALONG_A_SIDE) for size in (columns, rows))
    heights = [-0.5, *range(count), count - 0.5]
    reached = np.array([toGrid.TransformPoint(i, j, k) for k in heights for j in y for i in x])
    return np.floor(reached.min(axis=0)).astype(int), np.ceil(reached.max(axis=0)).astype(int)


def _arrayOf(image: Any) -> NDArray[Any]:
    array: NDArray[Any] = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    return array


def _description(volumeNode: Any, copy: Any, beforeRegistration: bool, padding: float) -> str:
    names = {"copy": copy.GetName(), "name": volumeNode.GetName(), "percent": f"{100 * padding:.0f}"}
    parent = geometry.parentOf(volumeNode, beforeRegistration)
    if parent is None:
        text = _(
            "{copy} was resampled at right angles (slices of {name} are sheared); {percent} % of it is marked as no "
            "data."
        )
        return text.format(**names)
    text = _(
        "{copy} was resampled at right angles ({transform} bends or shears {name}); {percent} % of it is marked as no "
        "data."
    )
    return text.format(transform=parent.GetName(), **names)
