"""Which volume was expanded from which, and by how much, as the nodes of the scene remember it."""

from __future__ import annotations

from typing import Any

import slicer

ORIGINAL_ROLE = "SSPEOriginal"
INFERIOR_ATTRIBUTE = "SSPE.SyntheticInferiorMm"
SUPERIOR_ATTRIBUTE = "SSPE.SyntheticSuperiorMm"


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
