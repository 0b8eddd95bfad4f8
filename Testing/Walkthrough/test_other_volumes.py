"""The way through SSPE with volumes as they come: oblique, under a transform, from paths with letters of all kinds;
inputs deleted and scenes closed while the work runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from gestures import choose, click
from measure_responsiveness import choose_phantoms, processes_of, workers

OVERLAP_MM = 80.0
LARGEST_ERROR_MM = 5.0
RUN_S = 800.0
TILT_DEGREES = 12.0


def tilt() -> np.ndarray:
    """RAS (4, 4): a head holder, tilted and shifted."""
    angle = np.radians(TILT_DEGREES)
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = (25.0, -60.0, 310.0)
    return matrix


def oblique(volume: Any) -> Any:
    """The same body, its voxels sampled on a grid that is turned about two axes."""
    from SSPELib.volume import Volume

    turn = sitk.Euler3DTransform()
    turn.SetRotation(np.radians(5), np.radians(-4), 0.0)
    image = volume.to_image()
    direction = np.array(turn.GetMatrix()).reshape(3, 3)
    center = np.array(image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()]))
    extent = (np.array(image.GetSize()) - 1) / 2 * image.GetSpacing()
    reference = sitk.Image(image.GetSize(), sitk.sitkInt16)
    reference.SetSpacing(image.GetSpacing())
    reference.SetDirection(direction.ravel().tolist())
    reference.SetOrigin((center - direction @ extent).tolist())
    return Volume.from_image(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, -1000), "oblique")


@pytest.fixture
def loaded(sspe: Any, tmp_path: Path) -> tuple[Any, Any, Any]:
    """An oblique upper part, a moved lower part under a transform, and the lower part as it belongs."""
    from SSPERegisterLib.selftest import knownMotion, moved
    from SSPESlicer.scene.geometry import RAS_TO_LPS
    from SSPESlicer.selftest import halves

    upper, lower = halves(OVERLAP_MM)
    folder = tmp_path / "Büro Ω 検査"
    folder.mkdir()
    nodes = []
    for name, volume in (("Kopf ä", oblique(upper)), ("Rumpf ß", moved(lower, knownMotion()))):
        image = volume.to_image()
        if name.startswith("Rumpf"):  # its file undoes the transform under which it will lie
            undone = np.linalg.inv(RAS_TO_LPS @ tilt() @ RAS_TO_LPS)
            image.SetDirection((undone[:3, :3] @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
            image.SetOrigin((undone[:3, :3] @ image.GetOrigin() + undone[:3, 3]).tolist())
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
        nodes.append(slicer.util.loadVolume(str(folder / f"{name}.nrrd")))
    holder = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Kopfhalter")
    holder.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(tilt()))
    nodes[1].SetAndObserveTransformNodeID(holder.GetID())
    return nodes[0], nodes[1], lower


def test_expanded_registered_saved_and_undone(sspe: Any, loaded: tuple[Any, Any, Any], tmp_path: Path) -> None:
    from SSPEExpandLib.selftest import SSPEExpandTest, smallModel
    from SSPERegisterLib.selftest import meanErrorMm
    from SSPESlicer.scene import geometry

    upper, lower, truth = loaded
    holder = lower.GetParentTransformNode()
    voxels = [slicer.util.arrayFromVolume(node).copy() for node in (upper, lower)]
    expand = sspe.openModule("SSPEExpand")
    choose(expand.ui.upperSelector, "Kopf ä")
    choose(expand.ui.lowerSelector, "Rumpf ß")
    expand._parameterNode.model = smallModel(str(tmp_path / "model é"))
    click(expand.ui.applyButton)
    sspe.waitUntil(lambda: not expand.controls.isRunning, RUN_S, "the end of the expansion")
    grown = expand.ui.upperOutputSelector.currentNode(), expand.ui.lowerOutputSelector.currentNode()
    check = SSPEExpandTest()
    for node, original, end in zip(grown, (upper, lower), ("inferior", "superior"), strict=True):
        assert node is not None, expand.ui.statusLabel.text
        check.assertGrown(node, original, end)
        assert node.GetParentTransformNode() is original.GetParentTransformNode()

    register = sspe.openModule("SSPERegister")
    choose(register.ui.fixedSelector, "Kopf ä")
    choose(register.ui.movingSelector, "Rumpf ß")
    register.ui.expandCheckBox.checked = False
    choose(register.ui.backendComboBox, "SimpleITK")
    before = geometry.ijkToWorld(lower)
    click(register.ui.applyButton)
    sspe.waitUntil(lambda: not register.controls.isRunning, RUN_S, "the end of the registration")
    assert register.logic.resultOf(lower) is not None, register.ui.statusLabel.text
    error = meanErrorMm(lower, truth)
    print(f"error {error:.2f} mm")
    assert error < LARGEST_ERROR_MM
    placed = geometry.ijkToWorld(lower)
    np.testing.assert_allclose(geometry.ijkToWorld(grown[1])[:3, :3], placed[:3, :3], atol=1e-9)
    for node, array in zip((upper, lower), voxels, strict=True):
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array)

    scene = str(tmp_path / "Sitzung Ω.mrb")
    assert slicer.util.saveScene(scene)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(scene)
    sspe.processEvents(0.2)
    again = register.ui.movingSelector.currentNode()
    np.testing.assert_allclose(geometry.ijkToWorld(again), placed, atol=1e-6)
    choose(register.ui.comparisonComboBox, "Blend")
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = {node.GetBackgroundVolumeID() for node in composites if node.GetForegroundVolumeID() == again.GetID()}
    (background,) = (slicer.mrmlScene.GetNodeByID(identifier) for identifier in shown)
    assert background.GetName() == "Kopf ä, continued by Rumpf ß"
    click(register.ui.undoButton)
    np.testing.assert_allclose(geometry.ijkToWorld(again), before, atol=1e-6)
    assert again.GetParentTransformNode().GetName() == holder.GetName()


@pytest.mark.parametrize("module", ["SSPEExpand", "SSPERegister"])
def test_an_input_deleted_while_the_work_runs_is_said(sspe: Any, module: str) -> None:
    widget = sspe.openModule(module)
    choose_phantoms(module, widget, spacing_mm=5.0)
    click(widget.ui.applyButton)
    sspe.waitUntil(lambda: bool(workers()), 10.0, "the process")
    (group,) = workers()
    sspe.processEvents(0.3)
    with sspe.expectPopup("lower was deleted while SSPE worked on it"):
        slicer.mrmlScene.RemoveNode(slicer.util.getNode("lower"))
        sspe.processEvents(0.2)
    assert processes_of(group) == []
    assert not widget.controls.isRunning
    assert [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")] == ["upper"]
    assert not widget.ui.progressBar.visible


@pytest.mark.parametrize("module", ["SSPEExpand", "SSPERegister"])
def test_a_scene_closed_while_the_work_runs_cancels_it(sspe: Any, module: str) -> None:
    widget = sspe.openModule(module)
    choose_phantoms(module, widget, spacing_mm=5.0)
    text = widget.ui.applyButton.text
    click(widget.ui.applyButton)
    sspe.waitUntil(lambda: bool(workers()), 10.0, "the process")
    (group,) = workers()
    sspe.processEvents(0.3)
    slicer.mrmlScene.Clear(0)
    sspe.processEvents(0.2)
    assert processes_of(group) == []
    assert widget.ui.applyButton.text == text
    assert not widget.ui.applyButton.enabled  # the volumes are gone
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    choose_phantoms(module, widget, spacing_mm=5.0)
    assert widget.ui.applyButton.enabled
