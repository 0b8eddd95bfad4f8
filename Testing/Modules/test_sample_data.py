"""The sample data that a script of the project makes are those that the catalog names, and load with one click."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import slicer
from PySide6 import QtCore, QtTest

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


def test_made_registered_and_loaded(sspe: Any, served: Path) -> None:
    import SampleData

    committed = json.loads((ROOT / "SSPEExtension" / "SSPESlicer" / "sample_data.json").read_text(encoding="utf-8"))
    assert json.loads((served / "catalog.json").read_text(encoding="utf-8")) == committed
    SampleData.serveFrom(served)
    try:
        home = sspe.openModule("SSPEExtension")
        QtTest.QTest.mouseClick(home.ui.sampleDataButton, QtCore.Qt.LeftButton)
        names = sorted(node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
        assert names == ["Lower chest", "Upper chest"]
        transform = SampleData.downloadSample("SSPEExpectedTransform")
        assert transform.IsA("vtkMRMLTransformNode")
    finally:
        SampleData.serveFrom(None)
