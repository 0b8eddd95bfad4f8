"""The home panel where PyTorch is missing, is installed, or is refused, and the device that it finds."""

from __future__ import annotations

import importlib.metadata
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import slicer
from PySide6 import QtCore, QtTest


class TorchExtension:
    """Stands in for Slicer's PyTorch extension: takes only what that takes, and remembers it."""

    def __init__(self, installs: bool) -> None:
        self.installs = installs
        self.installed = False
        self.asked: list[dict[str, Any]] = []

    def installTorch(
        self,
        askConfirmation: bool = False,
        forceComputationBackend: str | None = None,
        torchVersionRequirement: str | None = None,
        torchvisionVersionRequirement: str | None = None,
    ) -> Any:
        self.asked.append({"askConfirmation": askConfirmation, "torchVersionRequirement": torchVersionRequirement})
        self.installed = self.installs
        return SimpleNamespace() if self.installs else None


def offer(monkeypatch: pytest.MonkeyPatch, extension: TorchExtension | None) -> None:
    """Take PyTorch away, until the extension installs it."""
    found = importlib.metadata.version

    def version(name: str) -> str:
        if name == "torch" and not (extension is not None and extension.installed):
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    if extension is not None:
        monkeypatch.setattr(slicer.modules, "pytorchutils", object(), raising=False)
        module = SimpleNamespace(PyTorchUtilsLogic=lambda: extension)
        monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def click(widget: Any) -> None:
    QtTest.QTest.mouseClick(widget, QtCore.Qt.LeftButton)


def test_without_the_extension_the_button_says_what_is_missing(sspe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, None)
    ui = sspe.openModule("SSPEExtension").ui
    assert "not installed" in ui.torchLabel.text
    assert not ui.installButton.isHidden()
    assert not ui.installButton.enabled
    assert "Install the PyTorch extension" in ui.installButton.toolTip
    assert not ui.checkButton.enabled
    assert "Install PyTorch first" in ui.checkButton.toolTip


def test_it_asks_before_it_installs_and_shows_what_came(sspe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extension = TorchExtension(installs=True)
    offer(monkeypatch, extension)
    ui = sspe.openModule("SSPEExtension").ui
    click(ui.installButton)
    assert extension.asked == [{"askConfirmation": True, "torchVersionRequirement": ">=2.4"}]
    assert ui.torchLabel.text[0].isdigit()
    assert ui.installButton.isHidden()
    assert ui.checkButton.enabled


def test_a_refusal_is_said(sspe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extension = TorchExtension(installs=False)
    offer(monkeypatch, extension)
    ui = sspe.openModule("SSPEExtension").ui
    with sspe.expectPopup("PyTorch was not installed"), sspe.expectFailure("SSPEError"):
        click(ui.installButton)
    assert not ui.installButton.isHidden()


def test_the_device_is_found_in_the_background(sspe: Any) -> None:
    ui = sspe.openModule("SSPEExtension").ui
    click(ui.checkButton)
    assert not ui.checkButton.enabled
    assert "starting" in ui.deviceLabel.text
    sspe.openModule("SSPEExpand")
    sspe.openModule("SSPEExtension")
    assert not ui.checkButton.enabled  # it is still being asked
    sspe.waitUntil(lambda: ui.checkButton.enabled, 120.0, "the device")
    assert "CPU" in ui.deviceLabel.text or "cuda" in ui.deviceLabel.text or "mps" in ui.deviceLabel.text
