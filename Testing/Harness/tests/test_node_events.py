"""Nodes that go: inside one of their own events, which aborts Slicer, or leaving their parts behind."""

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


def test_the_display_node_of_a_removed_volume_is_an_orphan(slicer_session: Any) -> None:
    import slicer

    assert slicer_session.orphans() == []
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "volume")
    volume.CreateDefaultDisplayNodes()
    assert slicer_session.orphans() == []
    display = volume.GetDisplayNode()
    slicer.mrmlScene.RemoveNode(volume)
    assert slicer_session.orphans() == [display.GetID()]
