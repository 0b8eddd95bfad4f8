"""MRML volume nodes as SSPELib volumes and back; parent transforms are applied to the copy, never to the node."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.volume import Volume

ORIGINAL_ROLE = "SSPEOriginal"
PLACED_ROLE = "SSPEPlacedBy"
EARLIER_ROLE = "SSPEEarlierTransform"
INFERIOR_ATTRIBUTE = "SSPE.SyntheticInferiorMm"
SUPERIOR_ATTRIBUTE = "SSPE.SyntheticSuperiorMm"

CT_WINDOW_HU, CT_LEVEL_HU = 1400.0, 0.0
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHEAR_TOLERANCE = 1e-3


def ijkToWorld(volumeNode: Any, beforeRegistration: bool = False) -> NDArray[np.float64]:
    """Return the (4, 4) matrix from voxel indices to world RAS mm, the linear parent transforms included.

    Args:
        beforeRegistration: as the volume lay before SSPE Register moved it, if it did.

    Raises:
        InputError: a parent transform is not linear.
    """
    ijkToRas = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToRas)
    return parentToWorld(volumeNode, beforeRegistration) @ slicer.util.arrayFromVTKMatrix(ijkToRas)


def parentToWorld(node: Any, beforeRegistration: bool = False) -> NDArray[np.float64]:
    """Return the (4, 4) matrix that the parent transforms of a node amount to, RAS mm.

    Raises:
        InputError: a parent transform is not linear.
    """
    parent = node.GetParentTransformNode()
    if beforeRegistration and placedBy(node) is not None:
        parent = node.GetNodeReference(EARLIER_ROLE)
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        text = _(
            "{name} lies under the transform {transform}, which is not linear. "
            "Harden it on a copy of the volume (module Transforms) and choose that copy."
        )
        raise InputError(text.format(name=node.GetName(), transform=parent.GetName()))
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def isParent(transformNode: Any, node: Any) -> bool:
    """Tell whether a transform is among the parent transforms of a node."""
    parent = node.GetParentTransformNode()
    while parent is not None and parent is not transformNode:
        parent = parent.GetParentTransformNode()
    return parent is not None


def placedBy(node: Any) -> Any:
    """Return the transform under which SSPE Register put a node; None where it lies there no longer, or never did."""
    transformNode = node.GetNodeReference(PLACED_ROLE)
    return transformNode if transformNode is not None and isParent(transformNode, node) else None


def putUnderTransformsOf(node: Any, other: Any) -> None:
    """Put a node under the parent transforms of another one, a registration of that one included."""
    node.SetAndObserveTransformNodeID(other.GetTransformNodeID())
    for role in (PLACED_ROLE, EARLIER_ROLE):
        node.SetNodeReferenceID(role, other.GetNodeReferenceID(role))


def worldBounds(node: Any) -> NDArray[np.float64]:
    """Return the box (3, 2) around a volume in world coordinates, RAS mm: least and greatest of each axis."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return np.array(bounds).reshape(3, 2)


def volumeFromNode(volumeNode: Any, beforeRegistration: bool = False) -> Volume:
    """Return a copy of a volume node in world coordinates (see `ijkToWorld`); the node stays as it is.

    Raises:
        InputError: the node has no voxels, or its parent transform is not linear or shears the volume.
    """
    header = headerFromNode(volumeNode, beforeRegistration)
    return header.like(header.array.copy())


def headerFromNode(volumeNode: Any, beforeRegistration: bool = False) -> Volume:
    """Return a volume node in world coordinates without copying its voxels: valid as long as the node does not change.

    Raises:
        InputError: as `volumeFromNode`.
    """
    name = volumeNode.GetName()
    if volumeNode.GetImageData() is None or volumeNode.GetImageData().GetPointData().GetScalars() is None:
        raise InputError(_("{name} has no voxels. Load it again, or choose another volume.").format(name=name))
    if volumeNode.GetImageData().GetNumberOfScalarComponents() != 1:
        raise InputError(_("{name} has several values a voxel; a CT has one. Choose a CT volume.").format(name=name))
    matrix = RAS_TO_LPS @ ijkToWorld(volumeNode, beforeRegistration)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    direction = matrix[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > SHEAR_TOLERANCE:
        text = _(
            "The axes of {name} are not at right angles (a parent transform shears it, or the gantry was tilted). "
            "Resample it (module Resample Scalar/Vector/DWI Volume) and choose the result."
        )
        raise InputError(text.format(name=name))
    return Volume(
        array=slicer.util.arrayFromVolume(volumeNode),
        spacing=tuple(spacing),
        origin=tuple(matrix[:3, 3]),
        direction=direction,
        name=name,
        frame_of_reference=frameOfReference(volumeNode),
    )


def problemOf(volumeNode: Any) -> str | None:
    """Return why SSPE cannot work on a volume node, None where it can."""
    try:
        headerFromNode(volumeNode)
    except InputError as error:
        return str(error)
    return None


def frameOfReference(volumeNode: Any) -> str | None:
    """Return the DICOM frame of reference of a volume that was loaded through Slicer's DICOM database."""
    instances = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None:
        return None
    return database.instanceValue(instances[0], "0020,0052") or None


def fillGrownNode(grownNode: Any, inputNode: Any, array: NDArray[np.generic], offset: NDArray[np.int_]) -> None:
    """Fill a volume node with a grown volume (z, y, x) that starts at voxel `offset` (i, j, k) of the input.

    Display, parent transform and the local geometry are the input's: no number goes through world coordinates and back.
    """
    with slicer.util.NodeModify(grownNode):
        slicer.util.updateVolumeFromArray(grownNode, array)
        grownNode.SetIJKToRASMatrix(_movedGrid(inputNode, offset))
        putUnderTransformsOf(grownNode, inputNode)
        copyDisplay(inputNode, grownNode)
        grownNode.SetNodeReferenceID(ORIGINAL_ROLE, inputNode.GetID())


def _movedGrid(inputNode: Any, offset: NDArray[np.int_]) -> Any:
    ijkToRas = vtk.vtkMatrix4x4()
    inputNode.GetIJKToRASMatrix(ijkToRas)
    shift = np.eye(4)
    shift[:3, 3] = offset
    return slicer.util.vtkMatrixFromArray(slicer.util.arrayFromVTKMatrix(ijkToRas) @ shift)


def copyDisplay(source: Any, target: Any) -> None:
    """Give a scalar volume the window, level, color table and threshold of another."""
    if target.GetDisplayNode() is None:
        target.CreateDefaultDisplayNodes()
    if source.GetDisplayNode() is not None and target.GetDisplayNode() is not None:
        target.GetDisplayNode().CopyContent(source.GetDisplayNode())


def shareWindowLevel(nodes: list[Any]) -> None:
    """Give CTs whose window and level Slicer chose by itself one common window, so that equal HU look alike.

    A window that the user has set stays; the others take it over.
    """
    displays = [node.GetDisplayNode() for node in nodes if node.GetDisplayNode() is not None]
    chosen = [(display.GetWindow(), display.GetLevel()) for display in displays if not display.GetAutoWindowLevel()]
    for display in displays:
        if display.GetAutoWindowLevel():
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(*(chosen[0] if chosen else (CT_WINDOW_HU, CT_LEVEL_HU)))


def originalOf(volumeNode: Any) -> Any:
    """Return the node that a volume was expanded from, None where it is not an expanded one."""
    return volumeNode.GetNodeReference(ORIGINAL_ROLE) if volumeNode is not None else None


def expandedFrom(originalNode: Any) -> list[Any]:
    """Return the volumes that were expanded from a node, the newest last."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if originalOf(node) is originalNode]


def expandedOrSelf(volumeNode: Any) -> Any:
    """Return the newest volume that was expanded from a node; the node itself where it is one, or has none."""
    grown = expandedFrom(volumeNode)
    return grown[-1] if grown and originalOf(volumeNode) is None else volumeNode
