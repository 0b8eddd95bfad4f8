"""What follows a registration, with the mouse: move along, merge, stitch, DICOM; screenshots where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicer
from gestures import click, toggle_item
from PySide6 import QtCore, QtTest, QtWidgets

NO, YES = QtWidgets.QMessageBox.No, QtWidgets.QMessageBox.Yes


class Register:
    """The panel of SSPE Register with two registered parts of a body; a process that answers at once does the work."""

    def __init__(self, session: Any, reliable: bool = True) -> None:
        from SSPERegisterLib.logic import SSPERegisterLogic
        from SSPERegisterLib.selftest import companions, knownMotion, moved, parts
        from SSPESlicer.selftest import AnsweringProcess, addNode

        self.session = session
        session.mainWindow.resize(1300, 1500)
        self.panel = session.openModule("SSPERegister")
        self.ui = self.panel.ui
        self.process: list[Any] = []

        def process() -> Any:
            self.process.append(AnsweringProcess(transform=knownMotion(), verdict={"reliable": reliable}))
            return self.process[-1]

        self.panel.logic = SSPERegisterLogic(process)
        upper, lower = parts()
        self.fixed, self.moving = addNode(upper, "chest"), addNode(moved(lower, knownMotion()), "abdomen")
        self.spine, self.points, self.surface = companions()
        self.spine.SetReferenceImageGeometryParameterFromVolumeNode(self.moving)
        self.panel.chooseVolumes(self.fixed, self.moving)
        session.processEvents(0.05)

    def run(self, button: Any, status: Any) -> str:
        click(button)
        self.session.waitUntil(lambda: self.panel.after.whyNotNow is None, 20.0, "the end of the run")
        self.session.processEvents(0.05)
        return str(status.text)

    def register(self) -> Any:
        self.run(self.ui.applyButton, self.ui.statusLabel)
        return self.ui.transformSelector.currentNode()

    def lines(self) -> dict[str, bool]:
        items = [self.ui.alongList.item(row) for row in range(self.ui.alongList.count)]
        return {item.text().split(": ")[0]: item.checkState() == QtCore.Qt.Checked for item in items}


@pytest.fixture
def register(sspe: Any) -> Register:
    return Register(sspe)


def test_what_is_checked_moves_along_and_undo_takes_all_back(register: Register) -> None:
    ui = register.ui
    assert ui.afterCollapsibleButton.collapsed
    assert register.lines() == {"spine": True, "points": False, "surface": False}
    ui.afterCollapsibleButton.collapsed = False
    register.session.processEvents(0.05)
    toggle_item(ui.alongList, "points")
    ui.afterCollapsibleButton.collapsed = True
    transform = register.register()
    assert not ui.afterCollapsibleButton.collapsed
    assert register.lines() == {"spine": True, "points": True, "surface": False}
    parents = [node.GetParentTransformNode() for node in (register.spine, register.points, register.surface)]
    assert parents == [transform, transform, None]
    toggle_item(ui.alongList, "surface")
    toggle_item(ui.alongList, "points")
    parents = [node.GetParentTransformNode() for node in (register.spine, register.points, register.surface)]
    assert parents == [transform, None, transform]
    register.session.screenshot("20-after-registration")
    click(ui.hardenButton)
    names = {node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode")}
    assert {"abdomen registered", "spine registered", "surface registered"} <= names
    assert "points registered" not in names
    click(ui.undoButton)
    assert not [node for node in (register.moving, register.spine, register.surface) if node.GetParentTransformNode()]
    assert not ui.hardenButton.enabled


def test_what_another_registration_moved_stays_under_it(register: Register) -> None:
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "pelvis to abdomen")
    register.panel.logic.moveAlong([register.points], other)
    transform = register.register()
    assert register.spine.GetParentTransformNode() is transform
    assert register.points.GetParentTransformNode() is other
    click(register.ui.undoButton)
    assert register.points.GetParentTransformNode() is other


def test_a_structure_that_comes_later_is_listed_and_one_that_goes_is_not(register: Register) -> None:
    slicer.mrmlScene.RemoveNode(register.surface)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "entry")
    register.session.processEvents(0.05)
    assert register.lines() == {"spine": True, "entry": False, "points": False}


def test_both_volumes_become_one_tinted_by_its_sources(register: Register) -> None:
    from SSPESlicer.scene import own_nodes

    ui = register.ui
    register.register()
    said = register.run(ui.mergeButton, ui.mergeStatusLabel)
    assert "Reliable" in said
    merged = ui.mergedSelector.currentNode()
    assert merged.GetName() == "chest and abdomen merged"
    assert_like_the_uncut_body(merged)
    shown = [node.GetBackgroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")]
    assert shown.count(merged.GetID()) >= 3
    tint = merged.GetNodeReference("SSPESources").GetDisplayNode()
    assert tint.GetVisibility()
    register.session.screenshot("21-merged-tinted")
    QtTest.QTest.mouseClick(ui.sourcesCheckBox, QtCore.Qt.LeftButton, pos=QtCore.QPoint(8, 8))
    assert not tint.GetVisibility()
    register.run(ui.mergeButton, ui.mergeStatusLabel)
    assert ui.mergedSelector.currentNode() is merged
    own_nodes.removeNode(merged)
    assert [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")] == ["spine"]
    assert register.session.orphans() == []


def assert_like_the_uncut_body(merged: Any) -> None:
    """The voxels of the body that was cut; the moving part comes back to where its voxels were, so that none blurs."""
    from SSPERegisterLib.selftest import parts
    from SSPESlicer.scene.volumes import volumeFromNode
    from SSPESlicer.selftest import body

    whole, found = body(spacing=parts()[0].spacing), volumeFromNode(merged)
    np.testing.assert_allclose(found.index_to_lps, whole.index_to_lps, atol=1e-6)
    np.testing.assert_allclose(found.array, whole.array, atol=1.0)
    alone = parts()[0].size[2] - 8  # slices of the fixed part beyond the overlap
    np.testing.assert_array_equal(found.array[-alone:], whole.array[-alone:])


def test_a_pair_that_is_not_reliable_is_merged_only_after_a_yes(sspe: Any) -> None:
    register = Register(sspe, reliable=False)
    register.register()
    with sspe.expectPopup("NOT RELIABLE", NO):
        click(register.ui.mergeButton)
    assert register.ui.mergedSelector.currentNode() is None
    with sspe.expectPopup("NOT RELIABLE", YES):
        said = register.run(register.ui.mergeButton, register.ui.mergeStatusLabel)
    assert "NOT RELIABLE" in said
    assert "NOT RELIABLE" in register.ui.mergedSelector.currentNode().GetDescription()
    click(register.ui.undoButton)
    with sspe.expectPopup("no verdict", NO):
        click(register.ui.mergeButton)


def test_a_merge_can_be_canceled_and_leaves_nothing(register: Register) -> None:
    from SSPESlicer.selftest import AnsweringProcess

    register.register()
    register.panel.logic._processFactory = lambda: AnsweringProcess(polls=10**6)
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(register.ui.mergeButton)
    assert register.ui.mergeButton.text == "Cancel"
    assert not register.ui.stitchButton.enabled
    assert not register.ui.applyButton.enabled
    click(register.ui.mergeButton)
    assert "Canceled" in register.ui.mergeStatusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert register.ui.applyButton.enabled


def test_parts_in_any_order_become_one_volume(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    from SSPELib import tasks
    from SSPERegisterLib.selftest import knownMotion, parts
    from SSPESlicer.selftest import addNode, registeredBy

    def known(fixed: Any, moving: Any, *_: Any, **__: Any) -> Any:
        motion = knownMotion() if moving.name == "abdomen" else knownMotion().GetInverse()
        return registeredBy(motion, reliable="stranger" not in fixed.name + moving.name)

    monkeypatch.setattr(tasks, "register", known)
    stranger = addNode(parts()[0], "stranger")
    register.session.processEvents(0.05)
    register.ui.afterCollapsibleButton.collapsed = False
    register.session.processEvents(0.05)
    assert not register.ui.stitchButton.enabled
    for name in ("abdomen", "stranger", "chest"):
        toggle_item(register.ui.partsList, name)
    register.session.screenshot("22-parts")
    said = register.run(register.ui.stitchButton, register.ui.stitchStatusLabel)
    assert "stranger: fits to no other part" in said
    stitched = register.ui.stitchedSelector.currentNode()
    assert stitched.GetName() == "2 parts stitched"
    transform = slicer.util.getNode("chest to abdomen")
    expected = np.diag([-1.0, -1, 1, 1]) @ _matrix(knownMotion()) @ np.diag([-1.0, -1, 1, 1])
    np.testing.assert_allclose(slicer.util.arrayFromTransformMatrix(transform), expected, atol=1e-6)
    assert [node.GetParentTransformNode() for node in (register.fixed, register.moving, stranger)] == [None] * 3


def test_registration_and_merged_volume_go_out_as_dicom(register: Register, tmp_path: Path) -> None:
    from SSPELib.dicom_objects.spatial_registration import read_spatial_registration
    from SSPERegisterLib.selftest import knownMotion

    ui = register.ui
    assert "Register the moving volume first" in ui.dicomButton.toolTip
    register.register()
    register.run(ui.mergeButton, ui.mergeStatusLabel)
    assert ui.patientIdEdit.isVisible()
    QtTest.QTest.keyClicks(ui.patientIdEdit, "P 17")
    with register.session.expectPopup("Choose the folder", str(tmp_path)):
        said = register.run(ui.dicomButton, ui.dicomStatusLabel)
    folder = tmp_path / "abdomen to chest DICOM"
    assert f"were written to {folder}" in said
    assert "names a new frame of reference" in said
    matrix, _fixed, _moving = read_spatial_registration(folder / "REG.dcm")
    np.testing.assert_allclose(matrix, _matrix(knownMotion()), atol=1e-6)
    slices = sorted(folder.glob("CT_*.dcm"))
    assert len(slices) == 24
    assert pydicom.dcmread(slices[0]).PatientID == "P 17"
    back = sitk.ReadImage(
        sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), pydicom.dcmread(slices[0]).SeriesInstanceUID)
    )
    merged = slicer.util.arrayFromVolume(ui.mergedSelector.currentNode())
    np.testing.assert_allclose(sitk.GetArrayFromImage(back), merged, atol=0.5)
    assert {path.name for path in tmp_path.iterdir()} == {folder.name}
    carried = highdicom.seg.segread(folder / "SEG_1.dcm")
    assert carried.SeriesDescription == "spine"
    assert carried.get_segment_description(1).SegmentLabel == "spine"


class Database:
    """Slicer's DICOM database, as far as it is asked."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}

    def load(self, node: Any, volume: Any, folder: Path, patient: str) -> None:
        """Write a volume as a DICOM series, and make its node one that was loaded from there."""
        from SSPELib.dicom_objects.ct_series import ct_series, save_series
        from SSPELib.dicom_objects.source import source_of_files

        slices = ct_series(
            volume, [source_of_files([], None, {"PatientID": patient})], series_description="", derivation=""
        )
        folder.mkdir()
        save_series(slices, folder)
        instances = [str(one.SOPInstanceUID) for one in slices]
        self.files |= {uid: folder / f"CT_{number:04d}.dcm" for number, uid in enumerate(instances, start=1)}
        node.SetAttribute("DICOM.instanceUIDs", " ".join(instances))

    def instanceValue(self, instance: str, tag: str) -> str:
        return str(pydicom.dcmread(self.files[instance], stop_before_pixels=True)[tuple(tag.split(","))].value)

    def fileForInstance(self, instance: str) -> str:
        return str(self.files.get(instance, ""))


def test_patient_study_and_frames_come_from_the_series_of_the_volumes(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from SSPELib.dicom_objects.spatial_registration import read_spatial_registration
    from SSPESlicer.scene.volumes import volumeFromNode

    database = Database()
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    for node in (register.fixed, register.moving):
        database.load(node, volumeFromNode(node), tmp_path / node.GetName(), "P1")
    transform = register.register()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    referenced = hierarchy.GetItemAttribute(hierarchy.GetItemByDataNode(transform), "DICOM.ReferencedInstanceUIDs")
    assert set(referenced.split()) == set(database.files)
    assert not register.ui.patientIdEdit.isVisible()
    (tmp_path / "out").mkdir()
    with register.session.expectPopup("Choose the folder", str(tmp_path / "out")):
        said = register.run(register.ui.dicomButton, register.ui.dicomStatusLabel)
    assert "there is no merged volume of these two" in said
    (folder,) = (tmp_path / "out").iterdir()
    assert [path.name for path in folder.iterdir()] == ["REG.dcm"]
    first = [node.GetAttribute("DICOM.instanceUIDs").split()[0] for node in (register.fixed, register.moving)]
    _found, *frames = read_spatial_registration(folder / "REG.dcm")
    assert frames == [database.instanceValue(instance, "0020,0052") for instance in first]
    assert pydicom.dcmread(folder / "REG.dcm").PatientID == "P1"


def _matrix(motion: sitk.VersorRigid3DTransform) -> Any:
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(motion.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = motion.TransformPoint((0.0, 0.0, 0.0))
    return matrix
