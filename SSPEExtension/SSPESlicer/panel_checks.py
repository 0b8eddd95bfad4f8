"""Checks that the tests of all panels share."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

import slicer

INTERACTIVE = ("QPushButton", "QComboBox", "QCheckBox", "ctkSliderWidget", "qMRMLNodeComboBox", "QProgressBar")


class PanelTest(unittest.TestCase):
    """A test of the panel of one module, opened with an empty scene as `self.widget`, its controls as `self.ui`."""

    moduleName = ""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)
        slicer.util.selectModule(self.moduleName)
        self.widget = slicer.util.getModuleWidget(self.moduleName)
        self.ui = self.widget.ui


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
