"""What Slicer's C++ code relies on while it tells of a node: that the node is still in the scene afterwards."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from .failures import FailureRecorder

# Before and after every other observer.
_FIRST, _LAST = 1e30, -1e30


class NodeEventGuard:
    """Records a failure where a node is removed from the scene inside one of its own events.

    The code that invoked the event goes on with the node: seen in Slicer as an abort after a command-line node was
    removed in its ModifiedEvent.
    """

    def __init__(self, scene: Any, failures: FailureRecorder) -> None:
        self._failures = failures
        self._tags: dict[str, tuple[int, int]] = {}
        self._telling: list[str] = []
        for index in range(scene.GetNumberOfNodes()):
            self._watch(scene.GetNthNode(index))
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._onNodeAdded)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._onNodeAboutToBeRemoved, _FIRST)

    def _watch(self, node: Any) -> None:
        first = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._begin, _FIRST)
        last = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._end, _LAST)
        self._tags[node.GetID()] = first, last

    def _begin(self, node: Any, _event: str) -> None:
        self._telling.append(node.GetID())

    def _end(self, node: Any, _event: str) -> None:
        if node.GetID() in self._telling:
            self._telling.remove(node.GetID())

    def _onNodeAdded(self, _scene: Any, _event: str, node: Any) -> None:
        self._watch(node)

    def _onNodeAboutToBeRemoved(self, _scene: Any, _event: str, node: Any) -> None:
        if node.GetID() in self._telling:
            text = "{} is removed from the scene inside its own ModifiedEvent: Slicer goes on with it, and may abort"
            self._failures.record("removed node", text.format(node.GetName() or node.GetID()))
            self._telling.remove(node.GetID())
        for tag in self._tags.pop(node.GetID(), ()):
            node.RemoveObserver(tag)

    # VTK hands over the node only to functions that say so.
    _onNodeAdded.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
    _onNodeAboutToBeRemoved.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
