"""Placing volumes under a registration's transform, and putting them back."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPESlicer import volumes

FIXED_ROLE = "SSPEFixed"
MOVING_ROLE = "SSPEMoving"
FEWEST_LANDMARKS = 3


def family(volumeNode: Any) -> list[Any]:
    """Return a volume, its original, what was expanded from it, and the nodes that mark synthetic slices."""
    original = volumes.originalOf(volumeNode) or volumeNode
    grown = [
        node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if volumes.originalOf(node) is original
    ]
    marks = [node.GetNodeReference(volumes.SYNTHETIC_ROLE) for node in grown]
    return [original, *grown, *(node for node in marks if node is not None)]


def sameBody(firstNode: Any, secondNode: Any) -> bool:
    """Tell whether two nodes are the same volume, or one was expanded from the other."""
    return (volumes.originalOf(firstNode) or firstNode) is (volumes.originalOf(secondNode) or secondNode)


def isParent(transformNode: Any, node: Any) -> bool:
    """Tell whether a transform is among the parent transforms of a node."""
    parent = node.GetParentTransformNode()
    while parent is not None and parent is not transformNode:
        parent = parent.GetParentTransformNode()
    return parent is not None


def place(transformNode: Any, fixedNode: Any, movingNode: Any) -> None:
    """Put a moving volume and its family under a transform; parent transforms that they had stay in effect below it."""
    undo(movingNode)
    transformNode.SetNodeReferenceID(FIXED_ROLE, fixedNode.GetID())
    transformNode.SetNodeReferenceID(MOVING_ROLE, movingNode.GetID())
    copies: dict[str, Any] = {}
    for node in family(movingNode):
        earlier = node.GetParentTransformNode()
        node.SetNodeReferenceID(volumes.PLACED_ROLE, transformNode.GetID())
        if earlier is None:
            node.SetAndObserveTransformNodeID(transformNode.GetID())
            continue
        node.SetNodeReferenceID(volumes.EARLIER_ROLE, earlier.GetID())
        if earlier.GetID() not in copies:
            copies[earlier.GetID()] = _copyBelow(transformNode, node, earlier.GetName())
        node.SetAndObserveTransformNodeID(copies[earlier.GetID()].GetID())


def _copyBelow(transformNode: Any, node: Any, name: str) -> Any:
    label = _("{name} (before registration)").format(name=name)
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", label)
    copy.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(volumes.parentToWorld(node)))
    copy.SetAndObserveTransformNodeID(transformNode.GetID())
    copy.SetHideFromEditors(True)
    return copy


def isPlaced(volumeNode: Any) -> bool:
    """Tell whether a registration moved this volume and can be undone."""
    return volumeNode is not None and volumeNode.GetNodeReference(volumes.PLACED_ROLE) is not None


def undo(movingNode: Any) -> None:
    """Put a volume and its family back under the parent transforms that they had before the registration."""
    for node in family(movingNode):
        if not isPlaced(node):
            continue
        copy = node.GetParentTransformNode()
        earlier = node.GetNodeReference(volumes.EARLIER_ROLE)
        node.SetAndObserveTransformNodeID(earlier.GetID() if earlier is not None else None)
        if earlier is not None and not _isUsed(copy):
            slicer.mrmlScene.RemoveNode(copy)
        node.SetNodeReferenceID(volumes.PLACED_ROLE, None)
        node.SetNodeReferenceID(volumes.EARLIER_ROLE, None)


def _isUsed(transformNode: Any) -> bool:
    nodes = slicer.util.getNodesByClass("vtkMRMLTransformableNode")
    return any(node.GetTransformNodeID() == transformNode.GetID() for node in nodes)


def landmarkTransform(fixedList: Any, movingList: Any, movingNode: Any) -> sitk.Transform:
    """Return the rigid transform, fixed points to moving points in LPS, that brings two lists of landmarks together.

    Raises:
        InputError: fewer than three landmarks, or lists of different length.
    """
    lists = [slicer.util.arrayFromMarkupsControlPoints(node, world=True) for node in (fixedList, movingList)]
    if len(lists[0]) != len(lists[1]) or len(lists[0]) < FEWEST_LANDMARKS:
        text = _(
            "{fixed} has {ofFixed} landmarks and {moving} {ofMoving}; both need the same {fewest} or more, in the same "
            "order."
        )
        names = {"fixed": fixedList.GetName(), "moving": movingList.GetName()}
        counts = {"ofFixed": len(lists[0]), "ofMoving": len(lists[1]), "fewest": FEWEST_LANDMARKS}
        raise InputError(text.format(**names, **counts))
    now, before = volumes.ijkToWorld(movingNode), volumes.ijkToWorld(movingNode, beforeRegistration=True)
    moved = (before @ np.linalg.inv(now) @ np.c_[lists[1], np.ones(len(lists[1]))].T).T[:, :3]
    fixed, moving = (_flatLps(points) for points in (lists[0], moved))
    return sitk.LandmarkBasedTransformInitializer(sitk.VersorRigid3DTransform(), fixed, moving)


def _flatLps(points: NDArray[np.float64]) -> list[float]:
    flat: list[float] = (points @ volumes.RAS_TO_LPS[:3, :3]).ravel().tolist()
    return flat
