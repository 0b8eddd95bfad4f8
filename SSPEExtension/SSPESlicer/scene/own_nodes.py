"""Nodes that SSPE makes for its own use: no selector lists them, and they go with everything that belongs to them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import slicer


def addHiddenNode(nodeClass: str, name: str, isSaved: bool = False) -> Any:
    """Add a node that no selector offers. Selectors decide that when it comes, so it is hidden before it does."""
    node = slicer.mrmlScene.CreateNodeByClass(nodeClass)
    node.UnRegister(None)  # the scene and the Python variable own it
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(isSaved)
    return slicer.mrmlScene.AddNode(node)


def removeNode(node: Any) -> None:
    """Remove a node, where the scene still has it, with its display and storage nodes, which Slicer leaves behind."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        return
    parts = [*_partsOf(node, "DisplayNode"), *_partsOf(node, "StorageNode")]
    for each in (node, *parts):
        if slicer.mrmlScene.IsNodePresent(each):
            slicer.mrmlScene.RemoveNode(each)


@contextlib.contextmanager
def leavingNoDisplayNodes() -> Iterator[None]:
    """Remove the display node of the temporary label map that functions of slicer.util on segments leave behind."""
    displayClass = "vtkMRMLLabelMapVolumeDisplayNode"
    before = slicer.util.getNodesByClass(displayClass)
    yield
    for node in slicer.util.getNodesByClass(displayClass):
        if node not in before:
            slicer.mrmlScene.RemoveNode(node)


def _partsOf(node: Any, kind: str) -> Sequence[Any]:
    if not hasattr(node, f"GetNth{kind}"):
        return ()
    parts = (getattr(node, f"GetNth{kind}")(index) for index in range(getattr(node, f"GetNumberOf{kind}s")()))
    return [part for part in parts if part is not None]
