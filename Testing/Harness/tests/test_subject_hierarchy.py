"""Nodes have items in the subject hierarchy, as in Slicer, and copies can be made through it."""

from __future__ import annotations

from typing import Any

import numpy as np


def test_nodes_come_and_go_with_their_items(slicer_session: Any) -> None:
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    node = slicer.util.addVolumeFromArray(np.zeros((4, 3, 2)), name="scan")
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)
    assert hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(node), "Study") == study
    hidden = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    hidden.UnRegister(None)
    hidden.SetHideFromEditors(True)
    slicer.mrmlScene.AddNode(hidden)
    assert hierarchy.GetItemByDataNode(hidden) == hierarchy.GetInvalidItemID()
    slicer.mrmlScene.RemoveNode(node)
    assert hierarchy.GetNumberOfItemChildren(study) == 0


def test_a_copy_has_an_item_and_parts_of_its_own(slicer_session: Any) -> None:
    import slicer

    for _round in range(3):  # a node that was removed may leave its address to the next one
        slicer.mrmlScene.RemoveNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode"))
        node = slicer.util.addVolumeFromArray(np.arange(24.0).reshape(4, 3, 2), name="scan")
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        clone = slicer.vtkSlicerSubjectHierarchyModuleLogic.CloneSubjectHierarchyItem
        copy = hierarchy.GetItemDataNode(clone(hierarchy, hierarchy.GetItemByDataNode(node), "copy"))
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(copy), slicer.util.arrayFromVolume(node))
        assert copy.GetDisplayNode() is not node.GetDisplayNode()
    assert slicer_session.orphans() == []
