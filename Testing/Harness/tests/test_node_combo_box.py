"""The node selector follows the scene."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def selector(slicer_session: Any) -> Any:
    import slicer

    box = slicer.qMRMLNodeComboBox()
    box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    box.setMRMLScene(slicer.mrmlScene)
    return box


def _add(name: str, className: str = "vtkMRMLScalarVolumeNode") -> Any:
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass(className, name)


def test_without_none_the_first_node_is_chosen(selector: Any) -> None:
    import slicer

    assert selector.currentNode() is None
    first, second = _add("first"), _add("second")
    _add("table", "vtkMRMLTableNode")
    assert selector.currentNode() is first
    assert selector.nodeCount() == 2
    selector.setCurrentNode(second)
    slicer.mrmlScene.RemoveNode(second)
    assert selector.currentNode() is first


@pytest.mark.parametrize(("chosen", "next_one"), [(0, 1), (1, 2), (2, 1)])
def test_another_node_takes_the_place_of_a_removed_one_and_never_none(
    selector: Any, chosen: int, next_one: int
) -> None:
    import slicer

    selector.noneEnabled = True
    nodes = [_add(name) for name in ("first", "second", "third")]
    selector.setCurrentNode(nodes[chosen])
    seen: list[Any] = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    slicer.mrmlScene.RemoveNode(nodes[chosen])
    assert selector.currentNode() is nodes[next_one]
    assert seen == [nodes[next_one]]


def test_who_observes_the_removal_sees_the_node_before_the_selector_does(selector: Any) -> None:
    import slicer
    import vtk

    selector.noneEnabled = True
    first, second = _add("first"), _add("second")
    selector.setCurrentNode(first)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def let_go(_scene: Any, _event: str, node: Any) -> None:
        if node is selector.currentNode():
            selector.setCurrentNode(None)

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAboutToBeRemovedEvent, let_go)
    slicer.mrmlScene.RemoveNode(first)
    slicer.mrmlScene.RemoveObserver(tag)
    assert selector.currentNode() is None
    assert second in selector.nodes()


def test_signals_name_node_and_identifier(selector: Any) -> None:
    selector.noneEnabled = True
    seen: list[Any] = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: seen.append(node))
    selector.connect("currentNodeIDChanged(QString)", lambda identifier: seen.append(identifier))
    selector.connect("currentNodeChanged(bool)", lambda isSet: seen.append(isSet))
    node = _add("volume")
    assert seen == []
    selector.setCurrentNode(node)
    assert seen == [node, True, node.GetID()]
    selector.setCurrentNode(None)
    assert seen[3:] == [None, False, ""]


def test_label_maps_are_scalar_volumes_unless_child_types_are_left_out(selector: Any) -> None:
    _add("labels", "vtkMRMLLabelMapVolumeNode")
    assert selector.nodeCount() == 1
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 0


def test_attributes_filter_nodes(selector: Any) -> None:
    marked = _add("marked")
    _add("plain")
    marked.SetAttribute("Kind", "expanded")
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Kind", "expanded")
    assert selector.nodes() == [marked]


def test_a_renamed_node_shows_its_name(selector: Any) -> None:
    node = _add("before")
    node.SetName("after")
    assert selector._combo.currentText == "after"


def test_a_node_is_left_out_only_where_it_was_hidden_before_it_came(selector: Any) -> None:
    import slicer

    late = _add("hidden too late")
    late.SetHideFromEditors(True)
    early = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    early.UnRegister(None)
    early.SetHideFromEditors(True)
    slicer.mrmlScene.AddNode(early)
    assert selector.nodes() == [late]
    selector.showHidden = True
    assert selector.nodes() == [late, early]
    selector.showHidden = False  # all are listed anew
    assert selector.nodes() == []


def test_a_node_can_be_created_with_the_mouse(slicer_session: Any, selector: Any) -> None:
    import qt
    import slicer
    from PySide6.QtTest import QTest

    selector.noneEnabled = True
    selector.baseName = "Output"
    selector.show()
    combo = selector._combo
    combo.setFocus()
    QTest.keyClick(combo, qt.Qt.Key_End)  # the last entry deletes the node, the one above names it
    entries = [combo.itemText(index) for index in range(combo.count)]
    assert entries[0] == "None"
    combo.activated.emit(entries.index("Create new ScalarVolume"))
    assert selector.currentNode().GetName() == "Output"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1


def test_unknown_node_classes_raise(selector: Any) -> None:
    with pytest.raises(AttributeError, match="vtkMRMLVolumNode"):
        selector.nodeTypes = ["vtkMRMLVolumNode"]
