"""Where each voxel of a joined volume comes from: a segmentation that tints the views, one color for each source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib import colors
from SSPELib.merging import MergedFrom
from SSPELib.stitching.joining import SEVERAL, SYNTHETIC

from . import marks
from .own_nodes import addHiddenNode, leavingNoDisplayNodes, removeNode

SYNTHETIC_TAG = "SSPE.Synthetic"


@dataclass(frozen=True)
class Origin:
    """One source of voxels: what it is called, its color, and whether a network made it."""

    name: str
    color: str
    isSynthetic: bool = False


def originsOfTwo(fixedName: str, movingName: str) -> dict[int, Origin]:
    """Return the sources of a merged volume by their numbers in the map of SSPELib."""
    return {
        MergedFrom.FIXED: Origin(fixedName, colors.FIXED),
        MergedFrom.MOVING: Origin(movingName, colors.MOVING),
        MergedFrom.BOTH: Origin(_("Both"), colors.BOTH),
        MergedFrom.SYNTHETIC: Origin(_("Synthetic"), colors.SYNTHETIC, isSynthetic=True),
    }


def originsOfParts(names: list[str]) -> dict[int, Origin]:
    """Return the sources of a stitched volume by their numbers in the map of SSPELib."""
    parts = {number: Origin(name, colors.PARTS[number - 1]) for number, name in enumerate(names, start=1)}
    several = {SEVERAL: Origin(_("Several parts"), colors.BOTH)}
    return parts | several | {SYNTHETIC: Origin(_("Synthetic"), colors.SYNTHETIC, isSynthetic=True)}


def markSources(volumeNode: Any, sources: NDArray[np.uint8], origins: Mapping[int, Origin]) -> Any:
    """Tint a volume by the sources (z, y, x) of its voxels; 0 means no data. Returns the segmentation."""
    name = _("{name} sources").format(name=volumeNode.GetName())
    segmentationNode = marks.markingNode(volumeNode, marks.SOURCES_ROLE, "vtkMRMLSegmentationNode", name)
    segmentationNode.SetName(name)
    segmentation = segmentationNode.GetSegmentation()
    segmentation.RemoveAllSegments()
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    labels = addHiddenNode("vtkMRMLLabelMapVolumeNode", name)
    labels.SetIJKToRASMatrix(_gridOf(volumeNode))
    slicer.util.updateVolumeFromArray(labels, sources)
    with leavingNoDisplayNodes():
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, segmentationNode)
    removeNode(labels)
    for segment in _segmentsOf(segmentationNode):
        origin = origins[segment.GetLabelValue()]
        segment.SetName(origin.name)
        segment.SetColor(*colors.rgb(origin.color))
        if origin.isSynthetic:
            segment.SetTag(SYNTHETIC_TAG, "1")
    marks.showAsTint(segmentationNode)
    return segmentationNode


def syntheticArray(volumeNode: Any) -> NDArray[np.bool_] | None:
    """Return which voxels (z, y, x) of a joined volume a network made; None for other volumes, or where none are."""
    segmentationNode = volumeNode.GetNodeReference(marks.SOURCES_ROLE)
    if segmentationNode is None:
        return None
    segmentation = segmentationNode.GetSegmentation()
    for index, segment in enumerate(_segmentsOf(segmentationNode)):
        if segment.HasTag(SYNTHETIC_TAG):
            identifier = segmentation.GetNthSegmentID(index)
            with leavingNoDisplayNodes():
                voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, identifier, volumeNode)
            return np.asarray(voxels > 0)
    return None


def showSources(volumeNode: Any, shown: bool) -> None:
    """Tint a joined volume by its sources, or not."""
    segmentationNode = volumeNode.GetNodeReference(marks.SOURCES_ROLE)
    if segmentationNode is not None and segmentationNode.GetDisplayNode() is not None:
        segmentationNode.GetDisplayNode().SetVisibility(shown)


def _segmentsOf(segmentationNode: Any) -> list[Any]:
    segmentation = segmentationNode.GetSegmentation()
    return [segmentation.GetNthSegment(index) for index in range(segmentation.GetNumberOfSegments())]


def _gridOf(volumeNode: Any) -> Any:
    grid = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(grid)
    return grid
