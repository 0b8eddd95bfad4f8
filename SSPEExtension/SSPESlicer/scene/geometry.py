"""Where nodes lie: matrices from voxels to the world, parent transforms, and those that registrations put there."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib.errors import InputError

PLACED_ROLE = "SSPEPlacedBy"
EARLIER_ROLE = "SSPEEarlierTransform"
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


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
    parent = parentOf(node, beforeRegistration)
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        text = _("{name} lies under the transform {transform}, which is not linear. Use a hardened copy of it.")
        raise InputError(text.format(name=node.GetName(), transform=parent.GetName()))
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def parentOf(node: Any, beforeRegistration: bool = False) -> Any:
    """Return the parent transform of a node, or the one that it had before SSPE Register moved it."""
    if beforeRegistration and placedBy(node) is not None:
        return node.GetNodeReference(EARLIER_ROLE)
    return node.GetParentTransformNode()


def isLinear(node: Any, beforeRegistration: bool = False) -> bool:
    """Tell whether the parent transforms of a node are linear, or it has none."""
    parent = parentOf(node, beforeRegistration)
    return parent is None or bool(parent.IsTransformToWorldLinear())


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
