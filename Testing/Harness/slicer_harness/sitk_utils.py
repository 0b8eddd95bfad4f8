"""`sitkUtils`: volumes between MRML and SimpleITK, in LPS, by way of arrays and matrices."""

from __future__ import annotations

from typing import Any

import numpy
import SimpleITK as sitk
import slicer
import vtk


def PullVolumeFromSlicer(nodeObjectOrName: Any) -> sitk.Image:
    """Returns a copy of the volume as an image; the parent transform is not applied."""
    node = slicer.util.getNode(nodeObjectOrName) if isinstance(nodeObjectOrName, str) else nodeObjectOrName
    if node is None or node.GetImageData() is None:
        raise RuntimeError(f"The volume node {nodeObjectOrName} has no image")
    components = node.GetImageData().GetNumberOfScalarComponents()
    image = sitk.GetImageFromArray(slicer.util.arrayFromVolume(node), isVector=components > 1)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ijkToLps = numpy.diag([-1.0, -1.0, 1.0, 1.0]) @ slicer.util.arrayFromVTKMatrix(matrix)
    spacing = numpy.linalg.norm(ijkToLps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(ijkToLps[:3, 3].tolist())
    image.SetDirection((ijkToLps[:3, :3] / spacing).ravel().tolist())
    return image


def PushVolumeToSlicer(
    sitkimage: sitk.Image, targetNode: Any = None, name: str | None = None, className: str = "vtkMRMLScalarVolumeNode"
) -> Any:
    """Writes the image into the node, or into a new one; returns the node."""
    if isinstance(targetNode, str):
        targetNode = slicer.util.getNode(targetNode)
    if targetNode is None:
        targetNode = slicer.mrmlScene.AddNewNodeByClass(
            className, slicer.mrmlScene.GetUniqueNameByString(name or className)
        )
    slicer.util.updateVolumeFromArray(targetNode, sitk.GetArrayFromImage(sitkimage))
    direction = numpy.array(sitkimage.GetDirection()).reshape(3, 3)
    ijkToLps = numpy.eye(4)
    ijkToLps[:3, :3] = direction * numpy.array(sitkimage.GetSpacing())
    ijkToLps[:3, 3] = sitkimage.GetOrigin()
    ijkToRas = numpy.diag([-1.0, -1.0, 1.0, 1.0]) @ ijkToLps
    targetNode.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    targetNode.CreateDefaultDisplayNodes()
    return targetNode
