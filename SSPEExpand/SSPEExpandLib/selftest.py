"""The self-test of SSPE Expand: the same in 3D Slicer and in the project's CI."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from SSPELib.errors import Cancelled, InputError, SSPEError
from SSPELib.options import ExpandOptions
from SSPELib.volume import Volume
from SSPESlicer.scene import geometry, marks, provenance, results
from SSPESlicer.selftest import AnsweringProcess, SelfTest, addNode, halves, torchIsInstalled

GEOMETRY_TOLERANCE_MM = 1e-4
DISTANCE_MM = 64.0
OPTIONS = ExpandOptions(distance_mm=DISTANCE_MM)


class SSPEExpandTest(SelfTest):
    """Geometry, real voxels, marks, display and transforms of expanded nodes; cancel, failure and deleted inputs."""

    def logic(self, **options: Any) -> Any:
        from .logic import SSPEExpandLogic

        self.process = AnsweringProcess(**options)
        return SSPEExpandLogic(lambda: self.process)

    def test_bothVolumesGrowTowardEachOther(self) -> None:
        upperNode, lowerNode = (
            addNode(volume, name) for volume, name in zip(halves(20.0), ("head", "feet"), strict=True)
        )
        nodes = self.logic().expand(upperNode, lowerNode, OPTIONS)
        self.assertGrown(nodes.upper, upperNode, "inferior")
        self.assertGrown(nodes.lower, lowerNode, "superior")
        self.assertEqual([node.GetClassName() for node in nodes.marks], ["vtkMRMLSegmentationNode"] * 2)

    def test_flippedObliqueAndAnisotropicInput(self) -> None:
        upper, _lower = halves(20.0)
        angle = np.radians(20)
        turned = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        for direction in (np.diag([1.0, 1.0, -1.0]), turned, turned @ np.diag([-1.0, 1.0, -1.0])):
            node = addNode(Volume(upper.array, (3.0, 4.0, 2.5), upper.origin, direction), "turned")
            nodes = self.logic().expand(node, None, OPTIONS, marking="labelMap")
            self.assertGrown(nodes.upper, node, "inferior")
            self.assertTrue(nodes.marks[0].IsA("vtkMRMLLabelMapVolumeNode"))
            labels = slicer.util.arrayFromVolume(nodes.marks[0])
            np.testing.assert_array_equal(labels, marks.syntheticArray(nodes.upper))
            # Whatever else marks them, the views tint them.
            self.assertTrue(marks.tintsOf(nodes.upper)[0].GetVisibility())

    def test_parentTransformIsKeptAndItsInputUntouched(self) -> None:
        lower = halves(20.0)[1]
        toWorld = np.diag([1.0, -1.0, -1.0, 1.0])
        toWorld[:3, 3] = (30.0, -20.0, 400.0)
        node = addNode(lower, "on a table", toWorld)
        before = slicer.util.arrayFromVolume(node).copy()
        grown = self.logic().expand(None, node, OPTIONS).lower
        self.assertIs(grown.GetParentTransformNode(), node.GetParentTransformNode())
        self.assertGrown(grown, node, "superior")
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), before)

    def test_parentTransformsThatCannotBeUsedAreRefused(self) -> None:
        node = addNode(halves(20.0)[0], "head")
        bending = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bending")
        shearing = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shearing")
        matrix = np.eye(4)
        matrix[0, 1] = 0.3
        shearing.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        for transformNode in (bending, shearing):
            node.SetAndObserveTransformNodeID(transformNode.GetID())
            words = f"head lies under the transform {transformNode.GetName()}, which bends or shears it"
            with self.assertRaisesRegex(InputError, words):
                self.logic().expand(node)

    def test_windowLevelIsCopiedAndOutputsAreUsedAgain(self) -> None:
        node = addNode(halves(20.0)[0], "head")
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevel(1500, -300)
        first = self.logic().expand(node)
        again = self.logic().expand(node, upperOutput=first.upper, marking="labelMap")
        self.assertIs(again.upper, first.upper)
        self.assertEqual(len(marks.markingsOf(again.upper)), 2)
        last = self.logic().expand(node, upperOutput=first.upper)
        self.assertIs(last.marks[0], first.marks[0])
        self.assertEqual(
            (first.upper.GetDisplayNode().GetWindow(), first.upper.GetDisplayNode().GetLevel()), (1500, -300)
        )
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 1)
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")), 0)

    def test_whyNot(self) -> None:
        node = addNode(halves(20.0)[0], "head")
        grown = self.logic().expand(node).upper
        logic = self.logic()
        self.assertIn("Choose an upper or a lower", logic.whyNot(None, None))
        self.assertIn("must not be the same", logic.whyNot(node, node))
        self.assertIn("expanded already", logic.whyNot(grown, None))
        self.assertIn("never overwritten", logic.whyNot(node, None, node))
        with self.assertRaisesRegex(InputError, "must not be the same"):
            logic.expand(node, node)

    def test_whatSSPEDidNotMakeIsOverwrittenOnlyWhereTheCallerSaysSo(self) -> None:
        node, pelvis = (addNode(part, name) for part, name in zip(halves(20.0), ("head", "pelvis"), strict=True))
        before = slicer.util.arrayFromVolume(pelvis).copy()
        with self.assertRaisesRegex(InputError, "pelvis was not made by SSPE"):
            self.logic().expand(node, upperOutput=pelvis)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(pelvis), before)
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        for output, options in ((empty, {}), (pelvis, {"overwrite": True}), (pelvis, {})):
            grown = self.logic().expand(node, upperOutput=output, **options).upper
            self.assertIs(grown, output)
            self.assertIs(provenance.originalOf(grown), node)
        self.assertEqual(results.lossesOf([(pelvis, node), (None, node), (pelvis, None)]), [])
        neck = addNode(halves(20.0)[1], "neck")
        self.assertIn("result of another volume, not of neck", results.lossesOf([(pelvis, neck)])[0])
        self.assertIn("neck was not made by SSPE", results.lossesOf([(neck, node)])[0])

    def test_failureOfTheWorkerReachesTheScript(self) -> None:
        node = addNode(halves(20.0)[0], "head")
        before = slicer.mrmlScene.GetNumberOfNodes()
        with self.assertRaisesRegex(SSPEError, "weights are missing"):
            self.logic(error="The weights are missing.").expand(node)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

    def test_deletedInputAndClosedSceneStopTheRun(self) -> None:
        endings: list[Exception | None] = []
        for stop, expected in (
            (lambda node: slicer.mrmlScene.RemoveNode(node), SSPEError),
            (self.closeScene, Cancelled),
        ):
            node = addNode(halves(20.0)[0], "head")
            logic = self.logic(polls=10**6)
            logic.expand(node, waitForCompletion=False, onEnd=lambda nodes, error: endings.append(error))
            stop(node)
            self.assertIsInstance(endings[-1], expected)
            self.assertTrue(self.process.killed)
        self.assertEqual(len(endings), 2)

    def closeScene(self, _node: Any) -> None:
        slicer.mrmlScene.Clear(0)

    def test_realWorker(self) -> None:
        if not torchIsInstalled():
            self.skipTest("PyTorch is not installed; install it in the module SSPE.")
        import tempfile

        from .logic import SSPEExpandLogic

        node = addNode(halves(20.0)[0], "head")
        seen: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            model = smallModel(folder)
            options = ExpandOptions(distance_mm=DISTANCE_MM, model=model, device="cpu")
            nodes = SSPEExpandLogic().expand(node, options=options, onProgress=lambda part, *_: seen.append(part))
        self.assertGrown(nodes.upper, node, "inferior")
        self.assertEqual(seen, sorted(seen))
        self.assertGreater(seen[-1], 0.5)

    def assertGrown(self, grown: Any, original: Any, end: str) -> None:
        """The grid is the input's, longer at one end; its voxels are there bit by bit; all else is marked."""
        new, old = (slicer.util.arrayFromVolume(node) for node in (grown, original))
        self.assertEqual(new.dtype, old.dtype)
        toOriginal = np.linalg.inv(geometry.ijkToWorld(original)) @ geometry.ijkToWorld(grown)
        np.testing.assert_allclose(toOriginal[:3, :3], np.eye(3), atol=1e-9)
        offset = toOriginal[:3, 3]
        spacing = np.linalg.norm(geometry.ijkToWorld(original)[:3, :3], axis=0)
        self.assertLess(np.abs((offset - offset.round()) * spacing).max(), GEOMETRY_TOLERANCE_MM)
        start = -offset.round().astype(int)[::-1]
        real = tuple(slice(begin, begin + count) for begin, count in zip(start, old.shape, strict=True))
        synthetic = marks.syntheticArray(grown)
        filled = synthetic[real] > 0
        np.testing.assert_array_equal(new[real][~filled], old[~filled])
        # Nothing but a wedge of one padding value, where no scanner has measured, may have been filled.
        self.assertLessEqual(len(np.unique(old[filled])), 1)
        self.assertEqual(int(synthetic.sum()), new.size - old.size + int(filled.sum()))
        added = (np.array(new.shape) - old.shape)[::-1] * spacing
        self.assertGreaterEqual(added.max(), DISTANCE_MM)
        self.assertLess(added.max(), DISTANCE_MM + spacing.max())
        self.assertEqual(np.count_nonzero(added), 1)
        self.assertGrownToward(grown, original, end)
        self.assertIs(provenance.originalOf(grown), original)

    def assertGrownToward(self, grown: Any, original: Any, end: str) -> None:
        heights = []
        for node in (grown, original):
            bounds = [0.0] * 6
            node.GetRASBounds(bounds)
            heights.append((bounds[4] + bounds[5]) / 2)
        self.assertEqual(heights[0] < heights[1], end == "inferior")
        attribute = {"inferior": provenance.INFERIOR_ATTRIBUTE, "superior": provenance.SUPERIOR_ATTRIBUTE}[end]
        self.assertGreaterEqual(float(grown.GetAttribute(attribute)), DISTANCE_MM)


def smallModel(folder: str) -> str:
    """Write a tiny model with seeded random weights, for tests of everything but the anatomy."""
    from pathlib import Path

    import torch

    from SSPELib.model.bundle import ModelCard, build_generator, save_bundle

    torch.manual_seed(1)
    arguments = {"base": 4, "depth": 2, "bottom_blocks": 1}
    card = ModelCard(
        name="small", architecture="ResUNet", arguments=arguments, spacing_mm=8.0, scope=(8, 16, 16), step=4,
        window_hu=(-1000.0, 3000.0), weights_sha256="", error_by_distance=((64.0, 200.0),), training={}, held_out={},
        limits="Random weights.", license="Apache-2.0", research_use="Tests only.",
    )  # fmt: skip
    save_bundle(Path(folder), card, build_generator(card.architecture, card.step, arguments).state_dict())
    return folder
