"""What tests of modules and panels begin with, wait for and check."""

from __future__ import annotations

import importlib.util
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

INTERACTIVE = (
    "QPushButton",
    "QComboBox",
    "QCheckBox",
    "QLineEdit",
    "QListWidget",
    "ctkSliderWidget",
    "qMRMLNodeComboBox",
    "QProgressBar",
)


class SelfTest(ScriptedLoadableModuleTest):
    """A self-test class: every test_* method begins with an empty scene, also where Slicer's panel runs them all."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            try:
                getattr(self, name)()
            except unittest.SkipTest as reason:  # Slicer would take it for a failure and leave out the rest
                self.delayDisplay(f"{name} was skipped: {reason}", msec=100)
                continue
            self.delayDisplay(f"{name} passed", msec=100)


class PanelTest(unittest.TestCase):
    """A test of the panel of one module, opened with an empty scene as `self.widget`, its controls as `self.ui`."""

    moduleName = ""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)
        slicer.util.selectModule(self.moduleName)
        self.widget = slicer.util.getModuleWidget(self.moduleName)
        self.ui = self.widget.ui


def waitFor(endings: list[Any], seconds: float = 10.0) -> Any:
    """Let the application work until something has ended, and return how."""
    end = time.monotonic() + seconds
    while not endings and time.monotonic() < end:
        slicer.app.processEvents()
    return endings[0]


def torchIsInstalled() -> bool:
    """Tell whether tests that run the real worker can."""
    return importlib.util.find_spec("torch") is not None


def requireToolTips(test: unittest.TestCase, panel: Any) -> None:
    """Every named control of a panel explains itself."""
    import qt

    controls = [
        widget
        for widget in panel.findChildren(qt.QWidget)
        if widget.className() in INTERACTIVE and widget.objectName and not widget.objectName.startswith("qt_")
    ]
    test.assertTrue(controls)
    silent = [widget.objectName for widget in controls if not widget.toolTip and not _isPartOfControl(widget)]
    test.assertEqual(silent, [])


def _isPartOfControl(widget: Any) -> bool:
    parent = widget.parent()
    return parent is not None and parent.className() in INTERACTIVE


def saveAndReload() -> None:
    """Save the scene into a bundle, close it and load it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "Szene ä.mrb")
        slicer.util.saveScene(path)
        slicer.mrmlScene.Clear(0)
        slicer.util.loadScene(path)
