"""The self-test of what follows a registration: the same in 3D Slicer and in the project's CI."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.options import MergeOptions, RegisterOptions
from SSPELib.volume import Volume
from SSPESlicer.scene import geometry, marks, own_nodes, results, sources, straightening
from SSPESlicer.selftest import addNode, halves

from ..joined_nodes import isJoinedOf
from .bodies import knownMotion, moved

OVERLAP_MM, SPACING_MM = 80.0, 10.0
SHEAR = np.array([[1.0, 0, 0.1, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
UNDER_TABLE = np.array([[0.0, -1, 0, 10], [1, 0, 0, -30], [0, 0, 1, 200], [0, 0, 0, 1]])


class AfterRegistrationChecks:
    """Mixed into the self-test of SSPE Register, which gives `logic` and the assertions of unittest."""

    def registered(self: Any, reliable: bool = True) -> tuple[Any, Any, Any, Any]:
        """The logic, fixed and moving volume, and the transform between them, as after a registration."""
        fixed, moving = parts()
        nodes = addNode(fixed, "chest"), addNode(moved(moving, knownMotion()), "abdomen")
        logic = self.logic(transform=knownMotion(), verdict={"reliable": reliable})
        return logic, *nodes, logic.register(*nodes, RegisterOptions(backend="simpleitk")).transform

    def test_mergedVolumeHoldsTheFixedVoxelsAndSaysWhereTheOthersComeFrom(self: Any) -> None:
        logic, fixedNode, movingNode, _transform = self.registered()
        fixed = slicer.util.arrayFromVolume(fixedNode).copy()
        joined = logic.merge(fixedNode, movingNode, MergeOptions(seam_mm=40.0))
        merged = slicer.util.arrayFromVolume(joined.volume)
        offset = np.linalg.inv(geometry.ijkToWorld(joined.volume)) @ geometry.ijkToWorld(fixedNode)
        np.testing.assert_allclose(offset[:3, :3], np.eye(3), atol=1e-9)
        start = offset[:3, 3].round().astype(int)[::-1]
        inside = merged[tuple(slice(first, first + count) for first, count in zip(start, fixed.shape, strict=True))]
        upper = inside.shape[0] - round(OVERLAP_MM / SPACING_MM)
        np.testing.assert_array_equal(inside[-upper:], fixed[-upper:])
        self.assertGreaterEqual(merged.shape[0], 1.5 * fixed.shape[0])
        names = segmentNames(joined.sources)
        self.assertEqual(names, ["chest", "abdomen", "Both"])
        self.assertIs(joined.volume.GetNodeReference(marks.SOURCES_ROLE), joined.sources)
        self.assertTrue(isJoinedOf(joined.volume, fixedNode, movingNode))
        self.assertTrue(joined.reliable)

    def test_mergeThatIsNotReliableNeedsAYesAndSaysSo(self: Any) -> None:
        logic, fixedNode, movingNode, _transform = self.registered(reliable=False)
        with self.assertRaisesRegex(InputError, "abdomen to chest is not reliable"):
            logic.merge(fixedNode, movingNode)
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")), 2)
        joined = logic.merge(fixedNode, movingNode, MergeOptions(accept_unreliable=True))
        self.assertIs(joined.reliable, False)
        self.assertIn("NOT RELIABLE", joined.volume.GetDescription())
        self.assertIn("is not reliable", joined.warnings[0])

    def test_mergedVolumeIsWrittenOverOnlyByTheSamePair(self: Any) -> None:
        logic, fixedNode, movingNode, _transform = self.registered()
        mine = addNode(parts()[0], "mine")
        for output in (fixedNode, movingNode):
            with self.assertRaisesRegex(InputError, "needs a node of its own"):
                logic.merge(fixedNode, movingNode, outputVolume=output)
        with self.assertRaisesRegex(InputError, "mine was not made by SSPE"):
            logic.merge(fixedNode, movingNode, outputVolume=mine)
        first = logic.merge(fixedNode, movingNode).volume
        self.assertEqual(results.lossesOf([(first, movingNode)]), [])
        self.assertIs(logic.merge(fixedNode, movingNode, outputVolume=first).volume, first)
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")), 1)

    def test_filledGapIsMarkedAndStaysSyntheticInTheNextRun(self: Any) -> None:
        part = parts()[0]
        node = addNode(part, "joined")
        origin = np.ones(part.array.shape, dtype=np.uint8)
        origin[:4] = 4
        sources.markSources(node, origin, sources.originsOfTwo("chest", "abdomen"))
        np.testing.assert_array_equal(sources.syntheticArray(node), origin == 4)

    def test_nodesMoveAlongAndUndoTakesAllBack(self: Any) -> None:
        logic, fixedNode, movingNode, transform = self.registered()
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "table")
        table.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(UNDER_TABLE))
        nodes = companions()
        nodes[0].SetAndObserveTransformNodeID(table.GetID())
        before = [geometry.parentToWorld(node) for node in nodes]
        moved = slicer.util.arrayFromTransformMatrix(transform)
        logic.moveAlong(nodes, transform)
        for node, earlier in zip(nodes, before, strict=True):
            np.testing.assert_allclose(geometry.parentToWorld(node), moved @ earlier, atol=1e-9)
        logic.takeBack(nodes[1:2])
        self.assertIsNone(nodes[1].GetParentTransformNode())
        logic.moveAlong(nodes[1:2], transform)
        logic.register(fixedNode, movingNode, RegisterOptions(backend="simpleitk"), outputTransform=transform)
        self.assertIs(geometry.placedBy(nodes[2]), transform)
        logic.undo(movingNode)
        self.assertIs(nodes[0].GetParentTransformNode(), table)
        for node in (movingNode, *nodes[1:]):
            self.assertIsNone(node.GetParentTransformNode())
        self.assertEqual(slicer.util.getNodes("*before registration*"), {})

    def test_whatCannotMoveAlongMovesNothing(self: Any) -> None:
        logic, fixedNode, _movingNode, transform = self.registered()
        nodes = companions()
        bending = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bending")
        nodes[1].SetAndObserveTransformNodeID(bending.GetID())
        for wrong, reason in ((nodes[1], "which is not linear"), (fixedNode, "belongs to the fixed volume")):
            with self.assertRaisesRegex(InputError, reason):
                logic.moveAlong([nodes[0], wrong], transform)
            self.assertIsNone(nodes[0].GetParentTransformNode())

    def test_hardenedCopiesLieWhereTheirOriginalsMovedAndTheseStay(self: Any) -> None:
        logic, _fixedNode, movingNode, transform = self.registered()
        nodes = [movingNode, *companions()]
        logic.moveAlong(nodes[1:], transform)
        copies = logic.hardenCopies(nodes)
        for node, copy in zip(nodes, copies, strict=True):
            self.assertEqual(copy.GetName(), f"{node.GetName()} registered")
            self.assertIsNone(copy.GetParentTransformNode())
            np.testing.assert_allclose(pointsOf(copy), pointsOf(node), atol=1e-3)
            self.assertIs(geometry.placedBy(node), transform)
        self.assertFalse(results.isResult(copies[0]))
        logic.undo(movingNode)
        self.assertGreater(np.abs(pointsOf(copies[0]) - pointsOf(movingNode)).max(), 5.0)

    def test_copyOfAShearedVolumeHasItsAxesAtRightAngles(self: Any) -> None:
        logic, _fixedNode, movingNode, transform = self.registered()
        matrix = slicer.util.arrayFromTransformMatrix(transform) @ SHEAR
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        self.assertFalse(straightening.isStraight(movingNode))
        (copy,) = logic.hardenCopies([movingNode])
        self.assertTrue(straightening.isStraight(copy))
        self.assertEqual((copy.GetName(), copy.GetParentTransformNode()), ("abdomen registered", None))
        centers = [geometry.worldBounds(node).mean(axis=1) for node in (copy, movingNode)]
        np.testing.assert_allclose(*centers, atol=SPACING_MM)

    def test_whatBelongsToTheMovingScanIsExpectedToMoveAlong(self: Any) -> None:
        logic, fixedNode, movingNode, _transform = self.registered()
        spine, points, surface = companions()
        dose = addNode(parts()[1], "plan")
        dose.SetAttribute("DicomRtImport.DoseVolume", "1")
        spine.SetReferenceImageGeometryParameterFromVolumeNode(movingNode)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "somebody")
        studies = [hierarchy.CreateStudyItem(patient, name) for name in ("first", "second")]
        for node, study in ((fixedNode, studies[0]), (movingNode, studies[1]), (dose, studies[1])):
            hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)
        frame = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMFrameOfReferenceUIDAttributeName()
        for node, uid in ((fixedNode, "1.1"), (movingNode, "1.2"), (points, "1.2"), (surface, "1.1")):
            hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(node), frame, uid)
        found = {one.node.GetName(): (one.toolTip, one.isExpected) for one in logic.belongingsOf(movingNode, fixedNode)}
        self.assertEqual(
            found,
            {
                "plan": ("plan (dose): study of abdomen", True),
                "points": ("points (markups): frame of reference of abdomen", True),
                "spine": ("spine (segmentation): made on abdomen", True),
                "surface": ("surface (model): frame of reference of chest", False),
            },
        )
        hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(fixedNode), frame, "1.2")
        found = {one.node.GetName(): one for one in logic.belongingsOf(movingNode, fixedNode)}
        self.assertEqual(found["points"].reason, "frame of reference of both volumes")
        self.assertFalse(found["points"].isExpected)

    def test_transformAndMergedVolumeSayWhatDicomExportAsks(self: Any) -> None:
        logic, fixedNode, movingNode, _transform = self.registered()
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "somebody")
        study = hierarchy.CreateStudyItem(patient, "planning")
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(fixedNode), study)
        fixedNode.SetAttribute("DICOM.instanceUIDs", "1.1 1.2")
        movingNode.SetAttribute("DICOM.instanceUIDs", "2.1")
        transform = logic.register(fixedNode, movingNode, RegisterOptions(backend="simpleitk")).transform
        self.assertIs(transform.GetNodeReference(transform.GetFixedNodeReferenceRole()), fixedNode)
        self.assertIs(transform.GetNodeReference(transform.GetMovingNodeReferenceRole()), movingNode)
        item = hierarchy.GetItemByDataNode(transform)
        self.assertEqual(hierarchy.GetItemAttribute(item, "DICOM.ReferencedInstanceUIDs"), "1.1 1.2 2.1")
        for node in (transform, logic.merge(fixedNode, movingNode).volume):
            self.assertEqual(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)), study)


def companions() -> list[Any]:
    """A segmentation, a point list and a surface, where the lower half of the body is."""
    volume = addNode(parts()[1], "drawn on")
    spine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "spine")
    spine.CreateDefaultDisplayNodes()
    identifier = spine.GetSegmentation().AddEmptySegment("spine", "spine")
    bone = (slicer.util.arrayFromVolume(volume) > 500).astype(np.uint8)
    with own_nodes.leavingNoDisplayNodes():
        slicer.util.updateSegmentBinaryLabelmapFromArray(bone, spine, identifier, volume)
    own_nodes.removeNode(volume)
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    slicer.util.updateMarkupsControlPointsFromArray(points, np.array([[0.0, 0, 0], [40, 10, -60], [-30, 20, -90]]))

    ball = vtk.vtkSphereSource()
    ball.SetRadius(30.0)
    ball.Update()
    surface = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    surface.SetAndObservePolyData(ball.GetOutput())
    surface.CreateDefaultDisplayNodes()
    return [spine, points, surface]


def parts() -> tuple[Volume, Volume]:
    """An upper and a lower part of one body, coarse."""
    return halves(OVERLAP_MM, spacing=(SPACING_MM, SPACING_MM, SPACING_MM))


def pointsOf(node: Any) -> NDArray[np.float64]:
    """Points (n, 3) of a node in world coordinates, RAS mm."""
    if node.IsA("vtkMRMLMarkupsNode"):
        return np.array(slicer.util.arrayFromMarkupsControlPoints(node, world=True))
    if node.IsA("vtkMRMLSegmentationNode"):
        return np.array([node.GetSegmentCenterRAS(node.GetSegmentation().GetNthSegmentID(0))])
    if node.IsA("vtkMRMLModelNode"):
        points, toWorld = slicer.util.arrayFromModelPoints(node), geometry.parentToWorld(node)
    else:
        points, toWorld = np.array([[0.0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]]), geometry.ijkToWorld(node)
    return points @ toWorld[:3, :3].T + toWorld[:3, 3]


def segmentNames(segmentationNode: Any) -> list[str]:
    segmentation = segmentationNode.GetSegmentation()
    return [segmentation.GetNthSegment(index).GetName() for index in range(segmentation.GetNumberOfSegments())]
