"""Marks of the synthetic slices of an expanded volume: a segmentation that tints them, or a label map."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib.errors import InputError

from .volumes import lieWith

SYNTHETIC_ROLE = "SSPESynthetic"
SYNTHETIC_COLOR = (1.0, 0.62, 0.1)
SYNTHETIC_OPACITY = 0.3


def mark(grownNode: Any, synthetic: NDArray[np.uint8], kind: str) -> Any:
    """Mark the synthetic slices (z, y, x) of a grown volume in a "segmentation" or "labelMap" node and return that.

    The node that marked them before is used again where it is of this kind, and removed where it is not.
    """
    nodeClass = {"segmentation": "vtkMRMLSegmentationNode", "labelMap": "vtkMRMLLabelMapVolumeNode"}[kind]
    marking = grownNode.GetNodeReference(SYNTHETIC_ROLE)
    if marking is not None and not marking.IsA(nodeClass):
        slicer.mrmlScene.RemoveNode(marking)
        marking = None
    name = _("{name} synthetic slices").format(name=grownNode.GetName())
    if marking is None:
        marking = slicer.mrmlScene.AddNewNodeByClass(nodeClass, name)
    if kind == "labelMap":
        _fillLabelMap(marking, grownNode, synthetic)
    else:
        _fillSegmentation(marking, grownNode, synthetic, name)
    return marking


def _fillLabelMap(labelNode: Any, grownNode: Any, synthetic: NDArray[np.uint8]) -> None:
    """Mark the synthetic slices (z, y, x), 1 where synthetic, in a label map on the grid of the grown volume."""
    slicer.util.updateVolumeFromArray(labelNode, synthetic)
    grid = vtk.vtkMatrix4x4()
    grownNode.GetIJKToRASMatrix(grid)
    labelNode.SetIJKToRASMatrix(grid)
    lieWith(labelNode, grownNode)
    if labelNode.GetDisplayNode() is None:
        labelNode.CreateDefaultDisplayNodes()
    grownNode.SetNodeReferenceID(SYNTHETIC_ROLE, labelNode.GetID())


def _fillSegmentation(segmentationNode: Any, grownNode: Any, synthetic: NDArray[np.uint8], name: str) -> None:
    """Mark the synthetic slices (z, y, x), 1 where synthetic, in a segmentation: a tint in the slice views."""
    segmentation = segmentationNode.GetSegmentation()
    segmentation.RemoveAllSegments()
    lieWith(segmentationNode, grownNode)
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(grownNode)
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    segmentId = segmentation.AddEmptySegment("", name, SYNTHETIC_COLOR)
    slicer.util.updateSegmentBinaryLabelmapFromArray(synthetic, segmentationNode, segmentId, grownNode)
    displayNode = segmentationNode.GetDisplayNode()
    displayNode.SetOpacity2DFill(SYNTHETIC_OPACITY)
    displayNode.SetOpacity2DOutline(0.0)
    displayNode.SetVisibility3D(False)
    grownNode.SetNodeReferenceID(SYNTHETIC_ROLE, segmentationNode.GetID())


def showMarks(shown: bool) -> None:
    """Show or hide every node that marks synthetic slices by a tint."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        displayNode = tintOf(node)
        if displayNode is not None:
            displayNode.SetVisibility(shown)


def tintOf(grownNode: Any) -> Any:
    """Return the display node of the segmentation that tints the synthetic slices of a volume, None without one."""
    marking = grownNode.GetNodeReference(SYNTHETIC_ROLE)
    return marking.GetDisplayNode() if marking is not None and marking.IsA("vtkMRMLSegmentationNode") else None


def syntheticArray(grownNode: Any) -> NDArray[np.uint8]:
    """Return which voxels (z, y, x) of an expanded volume are synthetic, from the node that marks them.

    Raises:
        InputError: the marking is gone or no longer fits the volume.
    """
    marking = grownNode.GetNodeReference(SYNTHETIC_ROLE)
    voxels = None
    if marking is not None and marking.IsA("vtkMRMLLabelMapVolumeNode"):
        voxels = slicer.util.arrayFromVolume(marking)
    elif marking is not None and marking.GetSegmentation().GetNumberOfSegments():
        segmentId = marking.GetSegmentation().GetNthSegmentID(0)
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(marking, segmentId, grownNode)
    if voxels is None or voxels.shape != slicer.util.arrayFromVolume(grownNode).shape:
        text = _(
            "The marking of the synthetic slices of {name} was deleted or changed. "
            "Expand the original volume again, or choose the original."
        )
        raise InputError(text.format(name=grownNode.GetName()))
    return (voxels > 0).astype(np.uint8)
