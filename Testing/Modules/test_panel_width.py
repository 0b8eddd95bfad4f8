"""A panel keeps the width that the user gave it, and shows its sentences whole: 300, 360 and 500 pixels wide."""

from __future__ import annotations

from typing import Any

import pytest
from PySide6 import QtCore, QtTest, QtWidgets

WIDTHS = (300, 360, 500)


def show(session: Any, width: int) -> Any:
    """The module panel, pulled to a width by the user."""
    window = session.mainWindow
    dock = window.findChild(QtWidgets.QDockWidget, "PanelDockWidget")
    window.resizeDocks([dock], [width], QtCore.Qt.Horizontal)
    session.processEvents(0.1)
    return dock


def open_all(panel: Any) -> None:
    """Open every section of a panel."""
    for widget in vars(panel.ui).values():
        if widget.className() == "ctkCollapsibleButton":
            widget.collapsed = False


def cut_off(label: Any) -> bool:
    return label.isVisible() and label.height < label.heightForWidth(label.width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_plan_is_shown_whole_at_once(sspe: Any, width: int) -> None:
    from SSPESlicer.selftest import addNode, halves

    panel = sspe.openModule("SSPEExpand")
    open_all(panel)
    dock = show(sspe, width)
    assert dock.width == width
    upper, lower = (addNode(part, name) for part, name in zip(halves(20.0), ("head and neck", "feet"), strict=True))
    panel.ui.upperSelector.setCurrentNode(upper)
    assert not cut_off(panel.ui.planLabel)
    panel.ui.lowerSelector.setCurrentNode(lower)
    assert not cut_off(panel.ui.planLabel)
    sspe.screenshot(f"expand-{width}")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_result_takes_no_width_from_the_views(sspe: Any, width: int) -> None:
    from SSPERegisterLib.logic import SSPERegisterLogic
    from SSPERegisterLib.selftest import knownMotion
    from SSPESlicer.selftest import AnsweringProcess, addNode, halves

    panel = sspe.openModule("SSPERegister")
    open_all(panel)
    dock = show(sspe, width)
    assert dock.width == width
    panel.logic = SSPERegisterLogic(lambda: AnsweringProcess(transform=knownMotion()))
    panel.chooseVolumes(*(addNode(part, name) for part, name in zip(halves(80.0), ("chest", "abdomen"), strict=True)))
    QtTest.QTest.mouseClick(panel.ui.applyButton, QtCore.Qt.LeftButton)
    sspe.waitUntil(lambda: not panel.controls.isRunning, 20.0, "the end")
    sspe.processEvents(0.1)
    assert panel.ui.resultLabel.isVisible()
    assert not cut_off(panel.ui.resultLabel)
    assert dock.width == width
    sspe.screenshot(f"register-{width}")
    home = sspe.openModule("SSPEExtension")
    open_all(home)
    sspe.processEvents(0.1)
    assert dock.width == width
    assert not cut_off(home.ui.aboutLabel)
    sspe.screenshot(f"home-{width}")
