"""Marks of the synthetic slices of an expanded volume: a segmentation that tints them, and on request a label map."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib import colors
from SSPELib.errors import InputError

from .geometry import putUnderTransformsOf
from .own_nodes import leavingNoDisplayNodes, removeNode

SYNTHETIC_ROLE = "SSPESynthetic"
LABELS_ROLE = "SSPESyntheticLabels"
SOURCES_ROLE = "SSPESources"
NO_DATA_ROLE = "SSPENoData"
TINT_OPACITY = 0.3


def mark(grownNode: Any, synthetic: NDArray[np.uint8], kind: str) -> Any:
    """Tint the synthetic slices (z, y, x) of a grown volume, and for the kind "labelMap" write a label map of them too.

    Nodes that marked them before are used again; a label map that is not wanted any more is removed. Returns the
    segmentation that tints them or the label map, as asked for by "segmentation" or "labelMap".
    """
    name = _("{name} synthetic slices").format(name=grownNode.GetName())
    segmentationNode = markingNode(grownNode, SYNTHETIC_ROLE, "vtkMRMLSegmentationNode", name)
    _fillSegmentation(segmentationNode, grownNode, synthetic, name, colors.SYNTHETIC)
    if kind == "labelMap":
        labelNode = markingNode(grownNode, LABELS_ROLE, "vtkMRMLLabelMapVolumeNode", name)
        _fillLabelMap(labelNode, grownNode, synthetic)
        return labelNode
    removeNode(grownNode.GetNodeReference(LABELS_ROLE))
    return segmentationNode


def markNoData(volumeNode: Any, noData: NDArray[np.bool_]) -> None:
    """Tint the padding (z, y, x) of a volume, which says nothing about the body; where there is none, nothing."""
    if not noData.any():
        removeNode(volumeNode.GetNodeReference(NO_DATA_ROLE))
        return
    name = _("{name} padding").format(name=volumeNode.GetName())
    segmentationNode = markingNode(volumeNode, NO_DATA_ROLE, "vtkMRMLSegmentationNode", name)
    _fillSegmentation(segmentationNode, volumeNode, noData.astype(np.uint8), name, colors.NO_DATA)


def markingsOf(grownNode: Any) -> list[Any]:
    """Return the nodes that mark where the voxels of a volume come from."""
    nodes = [grownNode.GetNodeReference(role) for role in (SYNTHETIC_ROLE, LABELS_ROLE, SOURCES_ROLE, NO_DATA_ROLE)]
    return [node for node in nodes if node is not None]


def markingNode(grownNode: Any, role: str, nodeClass: str, name: str) -> Any:
    """Return the node that marks a volume in a role, under the same transforms; a new one where there is none yet."""
    node = grownNode.GetNodeReference(role)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(nodeClass, name)
        grownNode.SetNodeReferenceID(role, node.GetID())
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    putUnderTransformsOf(node, grownNode)
    return node


def _fillLabelMap(labelNode: Any, grownNode: Any, synthetic: NDArray[np.uint8]) -> None:
    """Mark the synthetic slices (z, y, x), 1 where synthetic, in a label map on the grid of the grown volume."""
    slicer.util.updateVolumeFromArray(labelNode, synthetic)
    grid = vtk.vtkMatrix4x4()
    grownNode.GetIJKToRASMatrix(grid)
    labelNode.SetIJKToRASMatrix(grid)


def _fillSegmentation(segmentationNode: Any, grownNode: Any, marked: NDArray[np.uint8], name: str, color: str) -> None:
    """Mark voxels (z, y, x), 1 where marked, in a segmentation: a tint in the slice views."""
    segmentation = segmentationNode.GetSegmentation()
    segmentation.RemoveAllSegments()
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(grownNode)
    segmentId = segmentation.AddEmptySegment("", name, colors.rgb(color))
    with leavingNoDisplayNodes():
        slicer.util.updateSegmentBinaryLabelmapFromArray(marked, segmentationNode, segmentId, grownNode)
    showAsTint(segmentationNode)


def showAsTint(segmentationNode: Any) -> None:
    """Show segments as a tint of the slice views, without outlines and in no 3D view."""
    displayNode = segmentationNode.GetDisplayNode()
    displayNode.SetOpacity2DFill(TINT_OPACITY)
    displayNode.SetOpacity2DOutline(0.0)
    displayNode.SetVisibility3D(False)


def showMarks(shown: bool) -> None:
    """Show or hide every node that marks synthetic slices or padding by a tint."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        for displayNode in tintsOf(node):
            displayNode.SetVisibility(shown)


def tintsOf(volumeNode: Any) -> list[Any]:
    """Return the display nodes of the segmentations that tint the synthetic slices and the padding of a volume."""
    nodes = [volumeNode.GetNodeReference(role) for role in (SYNTHETIC_ROLE, NO_DATA_ROLE)]
    return [node.GetDisplayNode() for node in nodes if node is not None and node.GetDisplayNode() is not None]


def noDataArray(volumeNode: Any) -> NDArray[np.uint8] | None:
    """Return which voxels (z, y, x) of a volume are marked as padding; None where nobody has marked any."""
    return _markedArray(volumeNode, NO_DATA_ROLE)


def syntheticArray(grownNode: Any) -> NDArray[np.uint8]:
    """Return which voxels (z, y, x) of an expanded volume are synthetic, from the node that marks them.

    Raises:
        InputError: the marking is gone or no longer fits the volume.
    """
    voxels = _markedArray(grownNode, SYNTHETIC_ROLE)
    if voxels is None:
        text = _(
            "The marking of the synthetic slices of {name} was deleted or changed. "
            "Expand the original volume again, or choose the original."
        )
        raise InputError(text.format(name=grownNode.GetName()))
    return voxels


def _markedArray(volumeNode: Any, role: str) -> NDArray[np.uint8] | None:
    """Which voxels (z, y, x) the segmentation of a role marks; None where it is gone or no longer fits the volume."""
    segmentationNode = volumeNode.GetNodeReference(role)
    if segmentationNode is None or not segmentationNode.GetSegmentation().GetNumberOfSegments():
        return None
    segmentId = segmentationNode.GetSegmentation().GetNthSegmentID(0)
    with leavingNoDisplayNodes():
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentId, volumeNode)
    if voxels is None or voxels.shape != slicer.util.arrayFromVolume(volumeNode).shape:
        return None
    return (voxels > 0).astype(np.uint8)
