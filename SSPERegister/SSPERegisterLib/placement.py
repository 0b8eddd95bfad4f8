"""Placing volumes under a registration's transform, and putting them back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SSPELib.errors import InputError
from SSPELib.poses import landmark_transform
from SSPESlicer.scene import dicom, geometry, marks, provenance, volumes
from SSPESlicer.scene.own_nodes import addHiddenNode, removeNode
from SSPESlicer.scene.results import FIXED_ROLE, MOVING_ROLE

SAME_POSE = 1e-4
HERE = np.eye(4)


def family(volumeNode: Any) -> list[Any]:
    """Return a volume, its original, what was expanded from it, and the nodes that mark their voxels."""
    original = provenance.originalOf(volumeNode) or volumeNode
    scans = [original, *provenance.expandedFrom(original)]
    return [*scans, *(marking for node in scans for marking in marks.markingsOf(node))]


def sameBody(firstNode: Any, secondNode: Any) -> bool:
    """Tell whether two nodes are the same volume, or one was expanded from the other."""
    return (provenance.originalOf(firstNode) or firstNode) is (provenance.originalOf(secondNode) or secondNode)


def whyNotPair(fixedNode: Any, movingNode: Any) -> str | None:
    """Return why two nodes are no fixed and moving volume, None where they are."""
    if fixedNode is None or movingNode is None:
        return _("Choose a fixed and a moving volume.")
    if sameBody(fixedNode, movingNode):
        return _("Fixed and moving volume must not be the same.")
    return None


def isWhereItsOriginalIs(volumeNode: Any) -> bool:
    """Tell whether an expanded volume still lies where its original does; other volumes have none to part from."""
    original = provenance.originalOf(volumeNode)
    if original is None or volumes.problemOf(original) is not None:
        return original is None
    poses = [geometry.parentToWorld(node, beforeRegistration=True) for node in (volumeNode, original)]
    return np.allclose(*poses, atol=SAME_POSE)


def whyNotUnder(transformNode: Any, movingNode: Any) -> str | None:
    """Return why a transform cannot take the result for a moving volume: other things would move along with it."""
    isOwn = transformNode.GetNodeReference(MOVING_ROLE) in family(movingNode)
    for node in _transformedNodes():
        if _dependsOn(transformNode, node) and not (isOwn and geometry.placedBy(node) is transformNode):
            text = _("{name} itself lies under {transform}. Choose another output transform.")
            return text.format(name=node.GetName(), transform=transformNode.GetName())
    return None


def _transformedNodes() -> list[Any]:
    """What transforms move: volumes, segmentations, landmarks, models; not the transforms in between."""
    nodes = slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
    return [node for node in nodes if not node.IsA("vtkMRMLTransformNode")]


def _dependsOn(transformNode: Any, node: Any) -> bool:
    earlier = node.GetNodeReference(geometry.EARLIER_ROLE)
    return geometry.isParent(transformNode, node) or (
        earlier is not None and (earlier is transformNode or geometry.isParent(transformNode, earlier))
    )


def place(transformNode: Any, fixedNode: Any, movingNode: Any, landmarks: Any = None) -> None:
    """Put a moving volume, its family and the landmarks on it under a transform that moves nothing else.

    Parent transforms that they had stay in effect below it.
    """
    along = movedAlongWith(movingNode)
    undo(movingNode)
    transformNode.SetNodeReferenceID(FIXED_ROLE, fixedNode.GetID())
    transformNode.SetNodeReferenceID(MOVING_ROLE, movingNode.GetID())
    scans = [provenance.originalOf(node) or node for node in (fixedNode, movingNode)]
    dicom.describeRegistration(transformNode, *scans)
    own = [*family(movingNode), *([landmarks] if landmarks is not None else [])]
    _putUnder(transformNode, [*own, *(node for node in along if node not in own)])


def movedAlongWith(movingNode: Any) -> list[Any]:
    """Return what lies under the registration of a moving volume and is no volume of its own family."""
    transformNode = geometry.placedBy(movingNode)
    if transformNode is None:
        return []
    own = family(movingNode)
    return [node for node in _transformedNodes() if node not in own and geometry.placedBy(node) is transformNode]


def moveAlong(nodes: Iterable[Any], transformNode: Any) -> None:
    """Put nodes under the transform of a registration, as if they had been placed with its moving volume.

    What lies under another registration leaves that first. Parent transforms that nodes had stay in effect below.

    Raises:
        InputError: a node lies under a transform that is not linear, or belongs to the fixed volume; none is moved.
    """
    fixedNode = transformNode.GetNodeReference(FIXED_ROLE)
    stays = family(fixedNode) if fixedNode is not None else []
    moved = [node for node in nodes if geometry.placedBy(node) is not transformNode]
    for node in moved:
        geometry.parentToWorld(node, beforeRegistration=True)
        if node in stays:
            text = _("{name} belongs to the fixed volume, which stays where it is.")
            raise InputError(text.format(name=node.GetName()))
    takeBack(moved)
    _putUnder(transformNode, moved)


def _putUnder(transformNode: Any, nodes: Iterable[Any]) -> None:
    copies = {
        node.GetNodeReferenceID(geometry.EARLIER_ROLE): node.GetParentTransformNode()
        for node in _transformedNodes()
        if geometry.placedBy(node) is transformNode and node.GetNodeReference(geometry.EARLIER_ROLE) is not None
    }
    for node in nodes:
        earlier = node.GetParentTransformNode()
        node.SetNodeReferenceID(geometry.PLACED_ROLE, transformNode.GetID())
        node.SetNodeReferenceID(geometry.EARLIER_ROLE, earlier.GetID() if earlier is not None else None)
        if earlier is None:
            node.SetAndObserveTransformNodeID(transformNode.GetID())
            continue
        if earlier.GetID() not in copies:
            copies[earlier.GetID()] = _copyBelow(transformNode, node, earlier.GetName())
        node.SetAndObserveTransformNodeID(copies[earlier.GetID()].GetID())


def _copyBelow(transformNode: Any, node: Any, name: str) -> Any:
    label = _("{name} (before registration)").format(name=name)
    copy = addHiddenNode("vtkMRMLLinearTransformNode", label, isSaved=True)
    copy.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(geometry.parentToWorld(node)))
    copy.SetAndObserveTransformNodeID(transformNode.GetID())
    return copy


def isPlaced(volumeNode: Any) -> bool:
    """Tell whether a registration moved this volume and can be undone."""
    return volumeNode is not None and geometry.placedBy(volumeNode) is not None


def undo(movingNode: Any) -> None:
    """Put a volume, and all that was placed with it, back under the parent transforms of before the registration."""
    transformNode = geometry.placedBy(movingNode)
    if transformNode is not None:
        putBackFrom(transformNode)


def putBackFrom(transformNode: Any) -> None:
    """Put all that a registration placed under a transform back; other nodes, which place nothing, change nothing."""
    takeBack(node for node in _transformedNodes() if geometry.placedBy(node) is transformNode)


class Keeper(VTKObservationMixin):
    """Undoes a registration when its transform is deleted, and takes away the marks of volumes that are."""

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._onNodeAboutToBeRemoved)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAboutToBeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        if slicer.mrmlScene.IsClosing() or node is None:
            return
        if node.IsA("vtkMRMLTransformNode"):
            putBackFrom(node)
        for marking in marks.markingsOf(node):
            removeNode(marking)


def takeBack(nodes: Iterable[Any]) -> None:
    """Put nodes that a registration placed back under the transforms that they had; others stay where they are."""
    for node in nodes:
        if geometry.placedBy(node) is None:
            continue
        copy = node.GetParentTransformNode()
        earlier = node.GetNodeReference(geometry.EARLIER_ROLE)
        node.SetAndObserveTransformNodeID(earlier.GetID() if earlier is not None else None)
        if earlier is not None and not _isUsed(copy):
            removeNode(copy)
        node.SetNodeReferenceID(geometry.PLACED_ROLE, None)
        node.SetNodeReferenceID(geometry.EARLIER_ROLE, None)


def _isUsed(transformNode: Any) -> bool:
    nodes = slicer.util.getNodesByClass("vtkMRMLTransformableNode")
    return any(node.GetTransformNodeID() == transformNode.GetID() for node in nodes)


def whyNotLandmarks(fixedList: Any, movingList: Any) -> str | None:
    """Return why two lists of landmarks do not give a start, None where they do."""
    if fixedList is None or movingList is None:
        return _("Choose the landmarks on the fixed and on the moving volume.")
    if fixedList is movingList:
        return _("The landmarks on the fixed and on the moving volume need a list each.")
    try:
        _transformBetween(fixedList, movingList)
    except InputError as error:
        return str(error)
    return None


def landmarkTransform(fixedList: Any, movingList: Any, movingNode: Any) -> sitk.Transform:
    """Return the rigid transform, fixed points to moving points in LPS, that brings two lists of landmarks together.

    Raises:
        InputError: see `whyNotLandmarks`.
    """
    reason = whyNotLandmarks(fixedList, movingList)
    if reason is not None:
        raise InputError(reason)
    now, before = geometry.ijkToWorld(movingNode), geometry.ijkToWorld(movingNode, beforeRegistration=True)
    return _transformBetween(fixedList, movingList, before @ np.linalg.inv(now))


def _transformBetween(fixedList: Any, movingList: Any, movingBack: NDArray[np.float64] = HERE) -> sitk.Transform:
    """The transform between two lists; movingBack (4, 4), RAS, takes the moving one to where it lay before."""
    names = (fixedList.GetName(), movingList.GetName())
    return landmark_transform(_landmarks(fixedList), _landmarks(movingList, movingBack), names)


def _landmarks(listNode: Any, moved: NDArray[np.float64] = HERE) -> NDArray[np.float64]:
    """The points (n, 3) of a list, moved, LPS mm; a point that is still being placed does not count."""
    indices = range(listNode.GetNumberOfControlPoints())
    placed = [i for i in indices if listNode.GetNthControlPointPositionStatus(i) == listNode.PositionDefined]
    world = np.array([[*listNode.GetNthControlPointPositionWorld(i), 1.0] for i in placed]).reshape(-1, 4)
    points: NDArray[np.float64] = (world @ (geometry.RAS_TO_LPS @ moved).T)[:, :3]
    return points
