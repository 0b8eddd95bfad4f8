"""A node that is removed inside one of its own events aborts Slicer: here it fails the test."""

from __future__ import annotations

from typing import Any


def test_a_node_must_not_be_removed_in_its_own_event(slicer_session: Any) -> None:
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "gone too early")
    node.AddObserver("ModifiedEvent", lambda *_: slicer.mrmlScene.RemoveNode(node))
    with slicer_session.expectFailure("gone too early is removed from the scene inside its own ModifiedEvent"):
        node.SetAttribute("any", "thing")


def test_a_node_may_be_removed_after_its_event_and_in_one_of_another(slicer_session: Any) -> None:
    import slicer

    first, second = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name) for name in ("first", "second"))
    tag = first.AddObserver("ModifiedEvent", lambda *_: slicer.mrmlScene.RemoveNode(second))
    first.SetAttribute("any", "thing")
    first.RemoveObserver(tag)
    slicer.mrmlScene.RemoveNode(first)
    slicer_session.raiseFailures()
