"""Designer files: what they say is built, and what does not exist raises."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("slicer_session")


def test_a_panel_with_its_children_and_scene(slicer_session: Any, ui_file: Any) -> None:
    import slicer

    path = ui_file(
        '<layout class="QVBoxLayout" name="layout"><item><widget class="ctkCollapsibleButton" name="more">'
        '<property name="text"><string>More</string></property>'
        '<property name="collapsed"><bool>true</bool></property>'
        '<layout class="QVBoxLayout" name="inner"><item><widget class="QLineEdit" name="line"/></item></layout>'
        "</widget></item></layout>",
        ("ctkCollapsibleButton",),
    )
    panel = slicer.util.loadUI(path)
    ui = slicer.util.childWidgetVariables(panel)
    panel.show()
    slicer_session.processEvents()
    assert (ui.more.text, ui.more.collapsed, ui.line.visible) == ("More", True, False)
    assert not hasattr(panel, "line")  # PySide's loader would have set it, Slicer's does not
    ui.more.collapsed = False
    assert ui.line.visible
    assert ui.line.className() == "QLineEdit"


@pytest.mark.parametrize(
    ("inside", "customs", "message"),
    [
        ('<widget class="ctkFancyButton" name="b"/>', ("ctkFancyButton",), "unknown widget class 'ctkFancyButton'"),
        ('<widget class="qMRMLNodeComboBox" name="b"/>', (), "not among the file's custom widgets"),
        (
            '<widget class="ctkSliderWidget" name="s"><property name="stepp"><double>1</double></property></widget>',
            ("ctkSliderWidget",),
            "has no property 'stepp'",
        ),
        (
            '<widget class="QLabel" name="s"><property name="txt"><string>a</string></property></widget>',
            (),
            "has no property 'txt'",
        ),
        (
            '<widget class="QSlider" name="s"><property name="orientation"><enum>Qt::Orientation::Horizontal</enum>'
            "</property></widget>",
            (),
            "Qt 6 spelling",
        ),
    ],
)
def test_what_does_not_exist_raises(ui_file: Any, inside: str, customs: tuple[str, ...], message: str) -> None:
    import slicer

    from slicer_harness.ui_loader import UiFileError

    with pytest.raises(UiFileError, match=message):
        slicer.util.loadUI(ui_file(inside, customs))


@pytest.mark.parametrize(
    ("signal", "slot", "message"),
    [
        ("clickedd()", "setMRMLScene(vtkMRMLScene*)", "signal 'clickedd"),
        ("toggled(bool)", "setMRMLSceen(vtkMRMLScene*)", "slot 'setMRMLSceen"),
    ],
)
def test_connections_of_unknown_signals_or_slots_raise(ui_file: Any, signal: str, slot: str, message: str) -> None:
    import slicer

    from slicer_harness.ui_loader import UiFileError

    connection = (
        f"<connection><sender>button</sender><signal>{signal}</signal>"
        f"<receiver>selector</receiver><slot>{slot}</slot></connection>"
    )
    widgets = '<widget class="QPushButton" name="button"/><widget class="qMRMLNodeComboBox" name="selector"/>'
    with pytest.raises(UiFileError, match=message):
        slicer.util.loadUI(ui_file(widgets, ("qMRMLNodeComboBox",), connection))
