"""The self-test of SSPE Register: the same in 3D Slicer and in the project's CI."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from numpy.typing import NDArray

from SSPELib import colors
from SSPELib.errors import Cancelled, InputError, SSPEError
from SSPELib.options import RegisterOptions
from SSPELib.volume import real_part, synthetic_mm
from SSPESlicer.scene import display, geometry, marks, results
from SSPESlicer.selftest import VERDICT, AnsweringProcess, SelfTest, addNode, halves, torchIsInstalled, waitFor
from SSPESlicer.views import comparison, joined, layouts

from .. import outcome, placement
from .after import AfterRegistrationChecks
from .bodies import expandedBy, knownMotion, meanErrorMm, moved, pointList

OVERLAP_MM = 80.0
LARGEST_ERROR_MM = 5.0
SIMPLEITK = RegisterOptions(backend="simpleitk")
EXACT_MM = 1e-3
LANDMARKS = np.array([[0.0, 0, 0], [80, 10, 5], [-20, 60, 30], [15, -40, 50]])


class SSPERegisterTest(AfterRegistrationChecks, SelfTest):
    """A known transform is recovered; placement, undo, landmarks, comparison; cancel, failure and deleted inputs."""

    def logic(self, **options: Any) -> Any:
        from ..logic import SSPERegisterLogic

        self.process = AnsweringProcess(**options)
        return SSPERegisterLogic(lambda: self.process)

    def test_placesTheMovingVolumeByTheTransform(self) -> None:
        fixed, moving = halves(OVERLAP_MM)
        fixedNode, movingNode = addNode(fixed, "chest"), addNode(moved(moving, knownMotion()), "abdomen")
        nodes = self.logic(transform=knownMotion()).register(fixedNode, movingNode, SIMPLEITK)
        self.assertLess(meanErrorMm(movingNode, moving), EXACT_MM)
        self.assertIs(movingNode.GetParentTransformNode(), nodes.transform)
        self.assertIs(nodes.transform.GetNodeReference(results.FIXED_ROLE), fixedNode)
        self.assertIs(nodes.transform.GetNodeReference(results.MOVING_ROLE), movingNode)
        self.assertEqual(self.logic().resultOf(movingNode)["overlap_mm"], 60.0)

    def test_parentTransformsOfBothVolumes(self) -> None:
        fixed, moving = halves(OVERLAP_MM)
        toWorld = np.array([[0.0, -1, 0, 10], [1, 0, 0, -30], [0, 0, 1, 200], [0, 0, 0, 1]])
        fixedNode = addNode(fixed, "chest", toWorld)
        movingNode = addNode(moved(moving, knownMotion()), "abdomen", np.linalg.inv(toWorld))
        parent, before = movingNode.GetParentTransformNode(), geometry.ijkToWorld(movingNode)
        self.logic(transform=knownMotion()).register(fixedNode, movingNode, SIMPLEITK)
        self.assertLess(meanErrorMm(movingNode, moving), EXACT_MM)
        placement.undo(movingNode)
        self.assertIs(movingNode.GetParentTransformNode(), parent)
        np.testing.assert_allclose(geometry.ijkToWorld(movingNode), before, atol=1e-9)

    def test_secondRunBeginsWhereTheFirstBeganAndUndoGoesBackThere(self) -> None:
        fixed, moving = halves(OVERLAP_MM)
        fixedNode, movingNode = addNode(fixed, "chest"), addNode(moved(moving, knownMotion()), "abdomen")
        before = geometry.ijkToWorld(movingNode)
        wrong = sitk.VersorRigid3DTransform()
        wrong.SetTranslation((40.0, 0.0, 0.0))
        first = self.logic(transform=wrong).register(fixedNode, movingNode, SIMPLEITK)
        again = self.logic(transform=knownMotion())
        again.register(fixedNode, movingNode, SIMPLEITK, outputTransform=first.transform)
        np.testing.assert_allclose(self.process.job["moving"]["origin"], moved(moving, knownMotion()).origin, atol=1e-6)
        self.assertLess(meanErrorMm(movingNode, moving), EXACT_MM)
        placement.undo(movingNode)
        self.assertIsNone(movingNode.GetParentTransformNode())
        np.testing.assert_allclose(geometry.ijkToWorld(movingNode), before, atol=1e-9)
        self.assertFalse(placement.isPlaced(movingNode))

    def test_expandedVolumesBringTheirOriginalsAndMarks(self) -> None:
        fixed, moving = halves(OVERLAP_MM)
        fixedNode = addNode(fixed, "chest")
        original = addNode(moved(moving, knownMotion()), "abdomen")
        grown = expandedBy(original, 10)
        options = RegisterOptions(expand=False, backend="simpleitk")
        self.logic(transform=knownMotion()).register(fixedNode, grown, options)
        given = self.process.volumes["moving"]
        self.assertEqual(synthetic_mm(given), {"inferior": 0.0, "superior": 50.0})
        np.testing.assert_array_equal(real_part(given).array, slicer.util.arrayFromVolume(original))
        self.assertLess(meanErrorMm(original, moving), EXACT_MM)
        for node in (grown, grown.GetNodeReference(marks.SYNTHETIC_ROLE)):
            self.assertIs(node.GetParentTransformNode(), original.GetParentTransformNode())
        placement.undo(grown)
        self.assertIsNone(original.GetParentTransformNode())

    def test_landmarksGiveTheStartAndMoveAlong(self) -> None:
        motion = knownMotion()
        toMoving = np.array([motion.TransformPoint(point) for point in (LANDMARKS * (-1, -1, 1)).tolist()])
        fixed, moving = halves(OVERLAP_MM)
        fixedNode, movingNode = addNode(fixed, "chest"), addNode(moved(moving, motion), "abdomen")
        lists = [pointList("on chest", LANDMARKS), pointList("on abdomen", toMoving * (-1, -1, 1))]
        further: dict[str, Any] = {"landmarks": (lists[0], lists[1])}
        for _run in range(2):  # the second begins where the first began
            logic = self.logic(transform=motion)
            found = placement.landmarkTransform(*lists, movingNode)
            np.testing.assert_allclose(found.GetMatrix(), motion.GetMatrix(), atol=1e-6)
            np.testing.assert_allclose(found.TransformPoint((5.0, 6, 7)), motion.TransformPoint((5.0, 6, 7)), atol=1e-6)
            nodes = logic.register(fixedNode, movingNode, SIMPLEITK, **further)
            self.assertEqual(self.process.job["start_transform"], "start.tfm")
            now = slicer.util.arrayFromMarkupsControlPoints(lists[1], world=True)
            np.testing.assert_allclose(now, LANDMARKS, atol=EXACT_MM)
            further["outputTransform"] = nodes.transform
        placement.undo(movingNode)
        self.assertIsNone(lists[1].GetParentTransformNode())

    def test_landmarksThatGiveNoStart(self) -> None:
        lists = [pointList(name, LANDMARKS) for name in ("on chest", "on abdomen")]
        self.assertIsNone(placement.whyNotLandmarks(*lists))
        self.assertIn("Choose the landmarks", placement.whyNotLandmarks(lists[0], None))
        self.assertIn("a list each", placement.whyNotLandmarks(lists[0], lists[0]))
        lists[1].UnsetNthControlPointPosition(0)  # as a point that still hangs on the mouse
        self.assertIn("has 4 landmarks and on abdomen 3", placement.whyNotLandmarks(*lists))
        line = pointList("in a row", np.outer(np.arange(4.0), (10, 20, 30)))
        self.assertIn("in a row lie on one line", placement.whyNotLandmarks(lists[0], line))
        with self.assertRaisesRegex(InputError, "lie on one line"):
            placement.landmarkTransform(lists[0], line, addNode(halves(OVERLAP_MM)[1], "abdomen"))

    def test_outputTransformThatMovesSomethingElseIsRefused(self) -> None:
        fixed, moving = halves(OVERLAP_MM)
        fixedNode, movingNode = addNode(fixed, "chest"), addNode(moving, "abdomen", np.diag([1.0, -1, -1, 1]))
        holder = movingNode.GetParentTransformNode()
        logic = self.logic(transform=knownMotion())
        self.assertIn("abdomen itself lies under", logic.whyNot(fixedNode, movingNode, outputTransform=holder))
        nodes = logic.register(fixedNode, movingNode, SIMPLEITK)
        self.assertIsNone(logic.whyNot(fixedNode, movingNode, outputTransform=nodes.transform))
        self.assertIn("abdomen itself lies under", logic.whyNot(fixedNode, movingNode, outputTransform=holder))
        pelvis = addNode(moving, "pelvis")
        self.assertIn("abdomen itself lies under", logic.whyNot(fixedNode, pelvis, outputTransform=nodes.transform))
        self.assertIn("abdomen itself lies under", logic.whyNot(movingNode, fixedNode, outputTransform=nodes.transform))

    def test_transformThatSSPEDidNotMakeIsOverwrittenOnlyWhereTheCallerSaysSo(self) -> None:
        fixedNode, movingNode = (addNode(part, "part") for part in halves(OVERLAP_MM))
        planned = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "surgical plan")
        matrix = np.diag([1.0, -1, -1, 1])
        planned.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        with self.assertRaisesRegex(InputError, "surgical plan was not made by SSPE"):
            self.logic().register(fixedNode, movingNode, SIMPLEITK, outputTransform=planned)
        np.testing.assert_array_equal(slicer.util.arrayFromTransformMatrix(planned), matrix)
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "empty")
        for output, options in ((empty, {}), (planned, {"overwrite": True}), (planned, {})):
            logic = self.logic(transform=knownMotion())
            nodes = logic.register(fixedNode, movingNode, SIMPLEITK, outputTransform=output, **options)
            self.assertIs(nodes.transform, output)
            self.assertEqual(results.lossesOf([(output, movingNode)]), [])

    def test_volumeThatIsMovedDuringTheWorkIsNotPlaced(self) -> None:
        fixedNode, movingNode = (addNode(part, "part") for part in halves(OVERLAP_MM))
        holder = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved meanwhile")
        holder.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([1.0, -1, -1, 1])))
        endings: list[Exception | None] = []
        logic = self.logic(transform=knownMotion())
        logic.register(
            fixedNode, movingNode, SIMPLEITK, waitForCompletion=False,
            onEnd=lambda nodes, error: endings.append(error),
        )  # fmt: skip
        movingNode.SetAndObserveTransformNodeID(holder.GetID())
        self.assertRegex(str(waitFor(endings)), "was moved while SSPE worked on it")
        self.assertFalse(placement.isPlaced(movingNode))
        self.assertIs(movingNode.GetParentTransformNode(), holder)

    def test_outputTransformThatIsDeletedDuringTheWorkIsMadeAnew(self) -> None:
        fixedNode, movingNode = (addNode(part, "part") for part in halves(OVERLAP_MM))
        output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "output")
        endings: list[Any] = []
        self.logic(transform=knownMotion()).register(
            fixedNode, movingNode, SIMPLEITK, outputTransform=output, waitForCompletion=False,
            onEnd=lambda nodes, error: endings.append(nodes),
        )  # fmt: skip
        slicer.mrmlScene.RemoveNode(output)
        self.assertIs(waitFor(endings).transform, movingNode.GetParentTransformNode())
        self.assertTrue(slicer.mrmlScene.IsNodePresent(endings[0].transform))

    def test_verdictHoldsOnlyForTheTransformThatWasFound(self) -> None:
        fixedNode, movingNode = (addNode(part, "part") for part in halves(OVERLAP_MM))
        logic = self.logic(transform=knownMotion())
        nodes = logic.register(fixedNode, movingNode, SIMPLEITK)
        self.assertIsNotNone(logic.resultOf(movingNode))
        nodes.transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.eye(4)))
        self.assertIsNone(logic.resultOf(movingNode))
        self.assertTrue(placement.isPlaced(movingNode))
        movingNode.SetAndObserveTransformNodeID(None)
        self.assertFalse(placement.isPlaced(movingNode))
        self.assertIsNone(logic.resultOf(movingNode))

    def test_volumeExpandedAfterARegistrationGoesBackWithIt(self) -> None:
        fixedNode, original = (addNode(part, "part") for part in halves(OVERLAP_MM))
        nodes = self.logic(transform=knownMotion()).register(fixedNode, original, SIMPLEITK)
        grown = expandedBy(original, 10)
        self.assertIs(grown.GetParentTransformNode(), nodes.transform)
        placement.undo(grown)
        for node in (original, grown, grown.GetNodeReference(marks.SYNTHETIC_ROLE)):
            self.assertIsNone(node.GetParentTransformNode())
        grown.SetAndObserveTransformNodeID(nodes.transform.GetID())
        self.assertIn("lie under different transforms", self.logic().whyNot(fixedNode, grown))

    def test_whatIsDeletedTakesAlongWhatMeansNothingWithoutItNoPanelNeeded(self) -> None:
        fixedNode, original = (addNode(part, "part") for part in halves(OVERLAP_MM))
        grown = expandedBy(original, 10)
        nodes = self.logic(transform=knownMotion()).register(fixedNode, grown, SIMPLEITK)
        slicer.mrmlScene.RemoveNode(nodes.transform)
        for node in (original, grown):
            self.assertIsNone(node.GetParentTransformNode())
            self.assertFalse(placement.isPlaced(node))
        marking = grown.GetNodeReference(marks.SYNTHETIC_ROLE)
        slicer.mrmlScene.RemoveNode(grown)
        self.assertFalse(slicer.mrmlScene.IsNodePresent(marking))

    def test_whyNot(self) -> None:
        fixedNode, movingNode = (addNode(volume, "part") for volume in halves(OVERLAP_MM))
        logic = self.logic()
        self.assertIn("Choose a fixed and a moving", logic.whyNot(fixedNode, None))
        self.assertIn("must not be the same", logic.whyNot(fixedNode, fixedNode))
        self.assertIn("must not be the same", logic.whyNot(expandedBy(fixedNode, 4), fixedNode))
        self.assertIn("Choose the landmarks", logic.whyNot(fixedNode, movingNode, landmarks=(None, None)))
        self.assertIsNone(logic.whyNot(fixedNode, movingNode))

    def test_resultThatCannotBeReliedOnIsSaidInWordsAndRed(self) -> None:
        judged = {**VERDICT, "tolerance_mm": 10.0}
        good = outcome.describe(judged)
        self.assertIn("✓ Reliable within 10 mm", good)
        self.assertIn(colors.RELIABLE, good)
        bad = outcome.describe({**judged, "reliable": False, "overlap_mm": -12.0})
        self.assertIn("⚠ NOT RELIABLE", bad)
        self.assertIn(f'bgcolor="{colors.UNRELIABLE}"', bad)
        self.assertNotIn("✓", bad)
        self.assertIn("gap of 12 mm", bad)
        for text in (good, bad):
            self.assertIn("Expected error 1.2 mm; 9 of 10 such results are within 3 mm.", text)
        fixedNode, movingNode = (addNode(part, "part") for part in halves(OVERLAP_MM))
        logic = self.logic(transform=knownMotion(), verdict={"reliable": False})
        with self.assertLogs(level="WARNING") as log:
            nodes = logic.register(fixedNode, movingNode, SIMPLEITK)
        self.assertIn("NOT RELIABLE", log.output[0])
        self.assertIn("NOT RELIABLE", nodes.transform.GetDescription())

    def test_aResultIsJudgedAnewByAnotherToleranceWithoutARun(self) -> None:
        fixedNode, movingNode = (addNode(part, "part") for part in halves(OVERLAP_MM))
        logic = self.logic(transform=knownMotion())
        nodes = logic.register(fixedNode, movingNode, SIMPLEITK)
        self.assertEqual(self.process.job["options"]["tolerance_mm"], 10.0)
        self.assertTrue(nodes.result["reliable"])
        strict = logic.judgeAgain(movingNode, 2.0)
        self.assertFalse(strict["reliable"])
        self.assertIn("Errors above 2 mm cannot be ruled out", strict["reasons"][-1])
        self.assertEqual(logic.resultOf(movingNode), strict)
        self.assertIn("NOT RELIABLE", nodes.transform.GetDescription())
        lenient = logic.judgeAgain(movingNode, 3.0)
        self.assertEqual(lenient, {**nodes.result, "tolerance_mm": 3.0})
        self.assertIn("Reliable within 3 mm", nodes.transform.GetDescription())
        byChance = {**lenient, "reliable_from_mm": float("inf"), "reasons": ["It fits no better than by chance."]}
        self.assertFalse(outcome.judgedBy(byChance, 50.0)["reliable"])
        self.assertEqual(outcome.judgedBy(byChance, 50.0)["reasons"], byChance["reasons"])

    def test_bothVolumesAreShownInOneWindow(self) -> None:
        nodes = [addNode(part, "part") for part in halves(OVERLAP_MM)]
        display.shareWindowLevel(nodes)
        windows = [(node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()) for node in nodes]
        self.assertEqual(windows, [(display.CT_WINDOW_HU, display.CT_LEVEL_HU)] * 2)
        nodes[1].GetDisplayNode().SetWindowLevel(350, 40)
        nodes[0].GetDisplayNode().SetAutoWindowLevel(True)
        display.shareWindowLevel(nodes)
        self.assertEqual((nodes[0].GetDisplayNode().GetWindow(), nodes[0].GetDisplayNode().GetLevel()), (350, 40))

    def constantParts(self) -> tuple[Any, Any]:
        fixed, moving = halves(OVERLAP_MM)
        fixedNode = addNode(fixed.like(np.full_like(fixed.array, 100)), "one")
        return fixedNode, addNode(moving.like(np.full_like(moving.array, 200)), "two")

    def test_checkerboardLeavesOutEveryOtherSquareOfTheMovingVolume(self) -> None:
        fixedNode, movingNode = self.constantParts()
        array, least = joined.squares(movingNode)
        self.assertEqual(least, 200)
        self.assertAlmostEqual(float((array == 200).mean()), 0.5, delta=0.05)
        self.assertTrue((array[array != 200] < least).all())
        x, y, z = (int(np.ceil(joined.SQUARE_MM / step)) for step in movingNode.GetSpacing())
        self.assertEqual([array[0, 0, x] == 200, array[0, y, x] == 200, array[z, y, x] == 200], [True, False, True])
        point, _extent = comparison.junction(fixedNode, movingNode)
        self.assertAlmostEqual(point[2], 0.0, delta=5.0)

    def test_blendContinuesTheFixedVolumeByTheMovingOneAndLeavesTheFixedOneBehind(self) -> None:
        fixedNode, movingNode = self.constantParts()
        array, toWorld = joined.continued(fixedNode, movingNode)
        self.assertEqual((set(np.unique(array[2])), set(np.unique(array[-3]))), ({200.0}, {100.0}))
        self.assertEqual(int((array == 100).sum()), slicer.util.arrayFromVolume(fixedNode).size)
        np.testing.assert_allclose(toWorld[:2], geometry.ijkToWorld(fixedNode)[:2], atol=1e-9)
        shown = comparison.Comparison()
        shown.show(fixedNode, movingNode, mode="blend")
        composites = [
            node
            for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
            if node.GetForegroundVolumeID() == movingNode.GetID()
        ]
        self.assertNotIn(fixedNode.GetID(), [node.GetBackgroundVolumeID() for node in composites])
        shown.stop()
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")), 2)
        self.assertTrue(all(node.GetBackgroundVolumeID() == fixedNode.GetID() for node in composites))

    def test_paddedVolumesLieWhereTheirOriginalsDoAndReachAsFarAsTheOther(self) -> None:
        fixed, moving = halves(-40.0)
        turned = moved(moving, knownMotion())
        fixedNode, movingNode = addNode(fixed, "chest"), addNode(turned, "abdomen", np.diag([1.0, -1, -1, 1]))
        for node, other in ((fixedNode, movingNode), (movingNode, fixedNode)):
            padded, toWorld = joined.padded(node, other)
            offset = np.linalg.inv(toWorld) @ geometry.ijkToWorld(node)
            np.testing.assert_allclose(offset[:3, :3], np.eye(3), atol=1e-9)
            array = slicer.util.arrayFromVolume(node)
            starts = offset[:3, 3].round().astype(int)[::-1]
            place = tuple(slice(begin, begin + count) for begin, count in zip(starts, array.shape, strict=True))
            np.testing.assert_array_equal(padded[place], array)
            size = np.array(slicer.util.arrayFromVolume(other).shape[::-1])
            corners = np.array([[i, j, k, 1.0] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
            corners[:, :3] *= size - 1
            reached = (corners @ (np.linalg.inv(toWorld) @ geometry.ijkToWorld(other)).T)[:, :3]
            self.assertGreater(reached.min(), -0.5)
            self.assertLess((reached - np.array(padded.shape[::-1])).max(), 0.5)

    def test_aShearedVolumeIsShownToo(self) -> None:
        fixedNode, movingNode = self.constantParts()
        shear = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "affine result")
        matrix = np.eye(4)
        matrix[0, 2] = 0.1
        shear.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        movingNode.SetAndObserveTransformNodeID(shear.GetID())
        shown = comparison.Comparison()
        for mode in comparison.MODES:
            shown.show(fixedNode, movingNode, mode=mode)
        shown.stop()

    def test_veryDistantVolumesDoNotFillTheMemory(self) -> None:
        fixedNode, movingNode = self.constantParts()
        movingNode.SetOrigin(4000.0, 0.0, 9000.0)
        array, _toWorld = joined.padded(fixedNode, movingNode)
        self.assertLess(array.size, 1.1 * joined.MOST_VOXELS)
        self.assertIn(100, array)

    def test_colorsOfBothVolumesAddUpToGray(self) -> None:
        added = [one + two for one, two in zip(colors.rgb(colors.FIXED), colors.rgb(colors.MOVING), strict=True)]
        np.testing.assert_allclose(added, 1.0, atol=0.01)
        nodes = self.constantParts()
        display = nodes[0].GetDisplayNode().GetColorNodeID()
        before = slicer.mrmlScene.GetNumberOfNodes()
        shown = comparison.Comparison()
        shown.show(*nodes)
        self.assertGreater(slicer.mrmlScene.GetNumberOfNodes(), before)
        self.assertEqual(nodes[0].GetDisplayNode().GetColorNodeID(), display)
        for mode in comparison.MODES:
            shown.show(*nodes, mode=mode)
        shown.stop()
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")), 2)

    def test_viewsShowThePlanesOfTheFixedVolumeAndGoBack(self) -> None:
        if slicer.app.layoutManager() is None:
            self.skipTest("There are no views without a main window.")
        fixed, moving = halves(OVERLAP_MM)
        fixedNode = addNode(moved(fixed, knownMotion()), "oblique")
        movingNode = addNode(moving, "straight")
        axes = geometry.ijkToWorld(fixedNode)[:3, :3] / fixedNode.GetSpacing()
        shown = comparison.Comparison()
        layouts.showThreeSlices()
        before = planes(("Red", "Green", "Yellow"))
        for mode in comparison.MODES:
            shown.show(fixedNode, movingNode, mode=mode)
            names = shown._views
            for plane in planes(names).values():
                inside = np.abs(axes.T @ plane)
                np.testing.assert_allclose(np.sort(inside.ravel()), [0] * 6 + [1] * 3, atol=1e-6)
            if mode == "sideBySide":
                for left, right in zip(layouts.LEFT_VIEWS, layouts.RIGHT_VIEWS, strict=True):
                    np.testing.assert_allclose(planes(names)[left], planes(names)[right], atol=1e-9)
        shown.stop()
        for name, plane in planes(("Red", "Green", "Yellow")).items():
            np.testing.assert_allclose(plane, before[name], atol=1e-9)

    def test_failureDeletionAndClosedScene(self) -> None:
        with self.assertRaisesRegex(SSPEError, "No overlap"):
            self.logic(error="No overlap.").register(*(addNode(part, "part") for part in halves(OVERLAP_MM)))
        endings: list[Exception | None] = []
        for stop, expected in (
            (slicer.mrmlScene.RemoveNode, SSPEError),
            (lambda _: slicer.mrmlScene.Clear(0), Cancelled),
        ):
            slicer.mrmlScene.Clear(0)
            nodes = [addNode(part, "part") for part in halves(OVERLAP_MM)]
            logic = self.logic(polls=10**6)
            logic.register(*nodes, waitForCompletion=False, onEnd=lambda nodes, error: endings.append(error))
            stop(nodes[1])
            self.assertIsInstance(endings[-1], expected)
            self.assertTrue(self.process.killed)
        self.assertEqual(len(endings), 2)

    def test_realWorkerRecoversAKnownTransform(self) -> None:
        if not torchIsInstalled():
            self.skipTest("PyTorch is not installed; install it in the module SSPE.")
        from ..logic import SSPERegisterLogic

        fixed, moving = halves(OVERLAP_MM)
        fixedNode, movingNode = addNode(fixed, "chest"), addNode(moved(moving, knownMotion()), "abdomen")
        self.assertGreater(meanErrorMm(movingNode, moving), 3 * LARGEST_ERROR_MM)
        nodes = SSPERegisterLogic().register(
            fixedNode, movingNode, RegisterOptions(expand=False, backend="simpleitk", device="cpu")
        )
        self.assertLess(meanErrorMm(movingNode, moving), LARGEST_ERROR_MM)
        self.assertGreater(nodes.result["overlap_mm"], OVERLAP_MM - 15)


def planes(names: Any) -> dict[str, NDArray[np.float64]]:
    """The axes (3, 3) of slice views by their names."""
    nodes = {name: layouts.sliceLogic(name).GetSliceNode() for name in names}
    return {name: slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, :3].copy() for name, node in nodes.items()}
