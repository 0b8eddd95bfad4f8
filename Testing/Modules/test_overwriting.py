"""What is deleted, chosen again or chosen by mistake never costs a node that SSPE did not make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from PySide6 import QtCore, QtTest, QtWidgets

CANCEL = QtWidgets.QMessageBox.Cancel


def click(widget: Any) -> None:
    QtTest.QTest.mouseClick(widget, QtCore.Qt.LeftButton)


@pytest.fixture
def nodes(sspe: Any) -> list[Any]:
    """Two parts of a body, and a volume that has nothing to do with them."""
    from SSPESlicer.selftest import addNode, halves

    parts = [*halves(80.0), halves(80.0)[1]]
    return [addNode(part, name) for part, name in zip(parts, ("chest", "abdomen", "pelvis"), strict=True)]


@pytest.fixture
def expand(sspe: Any, nodes: list[Any]) -> Any:
    """The panel of SSPE Expand with the upper volume chosen; a process that answers at once does the work."""
    from SSPEExpandLib.logic import SSPEExpandLogic
    from SSPESlicer.selftest import AnsweringProcess

    panel = sspe.openModule("SSPEExpand")
    panel.logic = SSPEExpandLogic(AnsweringProcess)
    panel.ui.upperSelector.setCurrentNode(nodes[0])
    panel.ui.lowerSelector.setCurrentNode(None)
    return panel


@pytest.fixture
def register(sspe: Any, nodes: list[Any]) -> Any:
    """The panel of SSPE Register with two volumes chosen; a process that answers at once does the work."""
    from SSPERegisterLib.logic import SSPERegisterLogic
    from SSPERegisterLib.selftest import knownMotion
    from SSPESlicer.selftest import AnsweringProcess

    panel = sspe.openModule("SSPERegister")
    panel.logic = SSPERegisterLogic(lambda: AnsweringProcess(transform=knownMotion()))
    panel.chooseVolumes(nodes[0], nodes[1])
    return panel


def run(session: Any, panel: Any) -> None:
    click(panel.ui.applyButton)
    session.waitUntil(lambda: not panel.controls.isRunning, 20.0, "the end of the run")


def test_another_volume_is_overwritten_only_after_a_question(sspe: Any, expand: Any, nodes: list[Any]) -> None:
    pelvis = nodes[2]
    before = slicer.util.arrayFromVolume(pelvis).copy()
    expand.ui.upperOutputSelector.setCurrentNode(pelvis)
    with sspe.expectPopup("pelvis was not made by SSPE", CANCEL):
        run(sspe, expand)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(pelvis), before)
    with sspe.expectPopup("pelvis was not made by SSPE"):
        run(sspe, expand)
    assert slicer.util.arrayFromVolume(pelvis).shape[0] > before.shape[0]
    run(sspe, expand)  # an earlier result of the same input: no question
    expand.ui.upperSelector.setCurrentNode(nodes[1])
    with sspe.expectPopup("pelvis is a result of another volume, not of abdomen", CANCEL):
        run(sspe, expand)


def test_after_the_transform_is_deleted_no_other_one_is_overwritten(sspe: Any, register: Any) -> None:
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "surgical plan")
    run(sspe, register)
    slicer.mrmlScene.RemoveNode(register.ui.transformSelector.currentNode())
    assert register.ui.transformSelector.currentNode() is None
    run(sspe, register)
    assert register.ui.transformSelector.currentNode().GetName() == "abdomen to chest"
    np.testing.assert_array_equal(slicer.util.arrayFromTransformMatrix(other), np.eye(4))


def test_another_transform_is_overwritten_only_after_a_question(sspe: Any, register: Any) -> None:
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "surgical plan")
    plan = np.diag([-1.0, -1.0, 1.0, 1.0])
    other.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(plan))
    register.ui.transformSelector.setCurrentNode(other)
    with sspe.expectPopup("surgical plan was not made by SSPE", CANCEL):
        run(sspe, register)
    np.testing.assert_array_equal(slicer.util.arrayFromTransformMatrix(other), plan)
    with sspe.expectPopup("surgical plan was not made by SSPE"):
        run(sspe, register)
    run(sspe, register)


def test_the_deletion_of_the_transform_undoes_the_registration(sspe: Any, register: Any, nodes: list[Any]) -> None:
    holder = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "table")
    nodes[1].SetAndObserveTransformNodeID(holder.GetID())
    run(sspe, register)
    assert slicer.util.getNodes("*before registration*")
    assert register.ui.undoButton.enabled
    assert nodes[1].GetParentTransformNode() is not holder
    slicer.mrmlScene.RemoveNode(register.ui.transformSelector.currentNode())
    assert nodes[1].GetParentTransformNode() is holder
    assert not slicer.util.getNodes("*before registration*")
    assert not register.ui.undoButton.enabled
    assert register.ui.resultCollapsibleButton.isHidden()
    assert register.ui.transformSelector.currentNode() is None


def test_no_selector_lists_what_sspe_makes_for_itself(sspe: Any, register: Any, nodes: list[Any]) -> None:
    holder = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "table")
    nodes[1].SetAndObserveTransformNodeID(holder.GetID())
    run(sspe, register)
    ui = register.ui
    for mode in range(ui.comparisonComboBox.count):
        ui.comparisonComboBox.currentIndex = mode
        assert [node.GetName() for node in ui.fixedSelector.nodes()] == ["chest", "abdomen", "pelvis"]
    assert [node.GetName() for node in ui.transformSelector.nodes()] == ["table", "abdomen to chest"]
    sspe.openModule("SSPEExtension")
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 3
    assert sspe.orphans() == []


@pytest.mark.parametrize("name", ["chest", "abdomen"])
def test_the_deletion_of_a_compared_volume_ends_the_comparison(
    sspe: Any, register: Any, nodes: list[Any], name: str
) -> None:
    for mode in range(register.ui.comparisonComboBox.count):
        register.ui.comparisonComboBox.currentIndex = mode
    register.ui.comparisonComboBox.currentIndex = 1
    slicer.mrmlScene.RemoveNode(slicer.util.getNode(name))
    assert not register.comparison.isShown
    left = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    assert left == [other for other in ("chest", "abdomen", "pelvis") if other != name]
    sspe.processEvents(0.1)


def test_the_deletion_of_an_expanded_volume_takes_its_marks_and_the_way_on_along(
    sspe: Any, expand: Any, nodes: list[Any]
) -> None:
    expand.ui.lowerSelector.setCurrentNode(nodes[1])
    expand.ui.markingComboBox.currentIndex = 1
    run(sspe, expand)
    assert not expand.ui.registerButton.isHidden()
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 2
    slicer.mrmlScene.RemoveNode(expand.ui.upperOutputSelector.currentNode())
    assert expand.ui.registerButton.isHidden()
    (left,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert left.GetName() == "abdomen expanded synthetic slices"
    assert len(slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")) == 1
