"""The subject hierarchy lists the nodes of the scene: in Slicer its plugins see to that, which slicer-core lacks."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

_LISTED = (
    "vtkMRMLVolumeNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
)


class SubjectHierarchyItems:
    """Gives every node of a listed class an item when it comes, and takes it away before the node goes.

    Nodes that are hidden from editors get none. What lay below an item that goes stays.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._onNodeAdded)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._onNodeAboutToBeRemoved)
        scene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._onEndImport)

    def _onNodeAdded(self, scene: Any, _event: str, node: Any) -> None:
        if not scene.IsImporting():
            self._list(node)

    _onNodeAdded.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]

    def _onNodeAboutToBeRemoved(self, scene: Any, _event: str, node: Any) -> None:
        if scene.IsClosing() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(node)
        if item != hierarchy.GetInvalidItemID():
            hierarchy.RemoveItem(item, False, False)

    _onNodeAboutToBeRemoved.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]

    def _onEndImport(self, scene: Any, _event: str) -> None:
        for node in [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]:
            self._list(node)

    def _list(self, node: Any) -> None:
        if node.GetHideFromEditors() or not any(node.IsA(name) for name in _LISTED):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if hierarchy.GetItemByDataNode(node) == hierarchy.GetInvalidItemID():
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
