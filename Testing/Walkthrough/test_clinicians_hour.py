"""An hour of a clinician in a minute: fifty things in random order, and after each nothing is lost, left or broken."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
import slicer
from gestures import click, toggle_item
from PySide6 import QtWidgets

from SSPELib import tasks

STEPS = 50
MODULES = ("SSPEExtension", "SSPEExpand", "SSPERegister")
OF_COMPARISONS = ("in color", "continued by", "in squares")
DELETED = "was deleted while SSPE worked on it"


class Hour:
    """The session, the volumes that the clinician has loaded, and what can be done with them."""

    def __init__(self, session: Any, seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from SSPESlicer.selftest import registeredBy

        self.session, self.folder = session, folder
        self.chance = random.Random(seed)
        self.loaded: dict[str, int] = {}
        self.count = 0
        self.errors: list[str] = []
        self.panel: Any = None
        # Whoever is asked whether a volume may be overwritten says no; the rest of what is said is looked at below.
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_, **__: False)
        monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda *_, **__: self.chance.random() < 0.5)
        monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", lambda *_, **__: str(folder))
        lying_right = registeredBy(sitk.Transform(3, sitk.sitkIdentity))
        monkeypatch.setattr(tasks, "register", lambda *_, **__: lying_right)
        monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: self.errors.append(text))
        self.actions: list[Callable[[], None]] = [
            self.load, self.open, self.open, self.choose, self.choose, self.choose, self.run, self.run, self.run,
            self.run, self.cancel, self.deleteWhileItRuns, self.delete, self.delete, self.undo, self.undo, self.compare,
            self.compare, self.draw, self.moveAlong, self.moveAlong, self.after, self.after, self.after,
            self.saveAndLoad, self.close,
        ]  # fmt: skip
        self.open()
        self.load()

    # What a clinician does

    def open(self, name: str = "") -> None:
        from SSPEExpandLib.logic import SSPEExpandLogic
        from SSPERegisterLib.logic import SSPERegisterLogic
        from SSPERegisterLib.selftest import knownMotion
        from SSPESlicer.selftest import AnsweringProcess

        name = name or self.chance.choice(MODULES)
        self.panel = self.session.openModule(name)
        logics = {"SSPEExpand": SSPEExpandLogic, "SSPERegister": SSPERegisterLogic}
        if name in logics:
            self.panel.logic._processFactory = lambda: AnsweringProcess(transform=knownMotion(), polls=2)

    def load(self) -> None:
        from SSPESlicer.selftest import addNode, halves

        for part in halves(60.0, spacing=(10.0, 10.0, 10.0)):
            self.count += 1
            node = addNode(part, f"volume {self.count}")
            self.loaded[node.GetName()] = fingerprint(node)

    def choose(self) -> None:
        selectors = self.selectors()
        if selectors:
            selector = self.chance.choice(selectors)
            selector.setCurrentNode(self.chance.choice([None, *selector.nodes()]))

    def run(self) -> None:
        self.start()
        self.wait()

    def cancel(self) -> None:
        self.start()
        if self.isRunning():
            click(self.panel.ui.applyButton)

    def deleteWhileItRuns(self) -> None:
        self.start()
        self.delete()
        self.wait()

    def delete(self) -> None:
        kinds = ("vtkMRMLScalarVolumeNode", "vtkMRMLLinearTransformNode", "vtkMRMLSegmentationNode")
        nodes = [node for kind in kinds for node in slicer.util.getNodesByClass(kind) if not node.GetHideFromEditors()]
        views = {f"{view.GetName()} Transform" for view in slicer.util.getNodesByClass("vtkMRMLSliceNode")}
        nodes = [node for node in nodes if node.GetName() not in views]
        if nodes:
            node = self.chance.choice(nodes)
            self.loaded.pop(node.GetName(), None)
            parts = [getattr(node, f"Get{part}Node")() for part in ("Display", "Storage")]  # as the module Data does
            for each in (node, *parts):
                if each is not None and slicer.mrmlScene.IsNodePresent(each):
                    slicer.mrmlScene.RemoveNode(each)

    def undo(self) -> None:
        button = getattr(self.panel.ui, "undoButton", None)
        if button is not None:
            moving = self.panel.ui.movingSelector.currentNode()
            before = None if moving is None else moving.GetParentTransformNode()
            wasEnabled = button.enabled
            click(button)
            assert not wasEnabled or moving.GetParentTransformNode() is not before, "Undo did nothing"

    def compare(self) -> None:
        box = getattr(self.panel.ui, "comparisonComboBox", None)
        if box is not None:
            box.currentIndex = self.chance.randrange(box.count)
            self.panel.ui.tintCheckBox.checked = self.chance.random() < 0.5
            self.panel.ui.blendSlider.value = self.chance.randrange(101)

    def draw(self) -> None:
        """Draw a structure, of a random volume or of none."""
        self.count += 1
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"structure {self.count}")
        scans = [slicer.util.getNode(name) for name in self.loaded]
        if scans and self.chance.random() < 0.7:
            node.SetReferenceImageGeometryParameterFromVolumeNode(self.chance.choice(scans))

    def moveAlong(self) -> None:
        name = self.chance.choice(["alongList", "partsList"])
        entries = getattr(self.panel.ui, name, None)
        if entries is not None and entries.count:
            self.panel.ui.afterCollapsibleButton.collapsed = False
            self.session.processEvents(0.02)
            toggle_item(entries, entries.item(self.chance.randrange(entries.count)).text())

    def after(self) -> None:
        """Go on with two volumes, registered or not: merge, stitch, copies, DICOM."""
        self.open("SSPERegister")
        chosen = self.chance.sample(sorted(self.loaded), min(2, len(self.loaded)))
        if len(chosen) == 2 and self.chance.random() < 0.7:
            self.panel.chooseVolumes(*(slicer.util.getNode(name) for name in chosen))
        if self.chance.random() < 0.5:
            self.run()
        self.panel.ui.afterCollapsibleButton.collapsed = False
        for name in self.chance.sample(["hardenButton", "mergeButton", "stitchButton", "dicomButton"], 4):
            button = getattr(self.panel.ui, name)
            if button.enabled:
                click(button)
                self.wait()

    def saveAndLoad(self) -> None:
        path = str(self.folder / f"hour-{self.chance.randrange(10**6)}.mrb")
        assert slicer.util.saveScene(path)
        slicer.mrmlScene.Clear(0)
        slicer.util.loadScene(path)

    def close(self) -> None:
        slicer.mrmlScene.Clear(0)
        self.loaded.clear()
        self.load()

    # Help

    def selectors(self) -> list[Any]:
        ui = vars(getattr(self.panel, "ui", object())).values()
        return [widget for widget in ui if widget.className() == "qMRMLNodeComboBox"]

    def isRunning(self) -> bool:
        after, controls = getattr(self.panel, "after", None), getattr(self.panel, "controls", None)
        return (after is not None and after.whyNotNow is not None) or (controls is not None and controls.isRunning)

    def start(self) -> None:
        button = getattr(self.panel.ui, "applyButton", None)
        if button is not None and button.enabled:
            click(button)

    def wait(self) -> None:
        self.session.waitUntil(lambda: not self.isRunning(), 30.0, "the end of a run")

    def check(self) -> None:
        """Nothing that the clinician has loaded is lost or changed, nothing is left over, nothing went wrong."""
        self.session.processEvents(0.02)
        for name, expected in self.loaded.items():
            assert fingerprint(slicer.util.getNode(name)) == expected, f"{name} was changed"
        assert self.session.orphans() == []
        assert [text for text in self.errors if DELETED not in text] == []
        for selector in self.selectors():
            assert not [node for node in selector.nodes() if any(words in node.GetName() for words in OF_COMPARISONS)]
        self.session.raiseFailures()


def fingerprint(node: Any) -> int:
    return zlib.crc32(slicer.util.arrayFromVolume(node).tobytes())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clinicians_hour(sspe: Any, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = Hour(sspe, seed, tmp_path, monkeypatch)
    done = []
    for _step in range(STEPS):
        action = hour.chance.choice(hour.actions)
        done.append(action.__name__)
        try:
            action()
            hour.check()
        except BaseException:
            print("done:", " ".join(done))
            raise
    sspe.openModule("SSPEExtension")
    names = [slicer.mrmlScene.GetNthNode(index).GetName() or "" for index in range(slicer.mrmlScene.GetNumberOfNodes())]
    assert not [name for name in names if any(words in name for words in OF_COMPARISONS)]
    assert len(set(done)) > 8
