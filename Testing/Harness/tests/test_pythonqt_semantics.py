"""PySide6 objects as PythonQt's: properties as attributes, connect by signature, and nothing unknown."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("slicer_session")


def test_properties_are_attributes() -> None:
    import qt

    button = qt.QPushButton("Start")
    assert button.text == "Start"
    button.text = "Cancel"
    button.checkable = True
    button.setChecked(True)
    assert (button.text, button.checked, button.isChecked(), button.enabled) == ("Cancel", True, True, True)
    with pytest.raises(TypeError):
        button.text()


def test_a_property_keeps_the_static_function_of_its_name() -> None:
    import qt

    calls: list[int] = []
    qt.QTimer.singleShot(0, lambda: calls.append(1))
    timer = qt.QTimer()
    timer.singleShot = True
    qt.QApplication.processEvents()
    assert timer.singleShot is True
    assert calls == [1]


def test_a_single_shot_with_a_delay_calls_its_function_once(slicer_session: Any) -> None:
    import qt

    calls: list[int] = []
    qt.QTimer.singleShot(5, lambda: calls.append(1))
    slicer_session.processEvents(0.05)
    assert calls == [1]


def test_slots_get_as_many_arguments_as_they_take() -> None:
    import qt

    box = qt.QCheckBox("Use")
    calls: list[Any] = []
    box.connect("toggled(bool)", lambda: calls.append("none"))
    box.connect("toggled(bool)", lambda checked: calls.append(checked))
    box.connect("toggled(bool)", lambda *everything: calls.append(everything))
    box.checked = True
    assert calls == ["none", True, (True,)]


def test_disconnect_takes_one_connection_back() -> None:
    import qt

    button = qt.QPushButton()
    calls: list[str] = []

    def first() -> None:
        calls.append("first")

    def second() -> None:
        calls.append("second")

    button.connect("clicked()", first)
    button.connect("clicked()", second)
    assert button.disconnect("clicked()", first) is True
    assert button.disconnect("clicked()", first) is False
    button.click()
    assert calls == ["second"]


@pytest.mark.parametrize("signature", ["clickd()", "clicked(int)", "checkStateChanged(Qt::CheckState)"])
def test_unknown_signals_raise(signature: str) -> None:
    import qt

    with pytest.raises(AttributeError, match="does not exist on QCheckBox"):
        qt.QCheckBox().connect(signature, lambda: None)


def test_a_signal_needs_its_signature() -> None:
    import qt

    with pytest.raises(ValueError, match="not a signal signature"):
        qt.QPushButton().connect("clicked", lambda: None)


def test_unknown_attributes_cannot_be_set() -> None:
    import ctk
    import qt
    import slicer

    for widget in (qt.QLabel(), ctk.ctkSliderWidget(), slicer.qMRMLNodeComboBox()):
        with pytest.raises(AttributeError, match="cannot be set"):
            widget.tooltipp = "a typing error"


def test_read_only_properties_cannot_be_set() -> None:
    import qt

    with pytest.raises(AttributeError, match="read only"):
        qt.QLineEdit().acceptableInput = True


def test_classes_written_in_python_take_any_attribute() -> None:
    import qt

    class Filter(qt.QObject):
        pass

    keeper = Filter()
    keeper.anything = 3
    assert keeper.anything == 3


@pytest.mark.parametrize(("module", "name"), [("qt", "Signal"), ("qt", "QWebView"), ("ctk", "ctkSlider")])
def test_unknown_names_of_the_namespaces_raise(module: str, name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(__import__(module), name)


def test_names_of_slicer_util_are_not_in_slicer() -> None:
    import slicer

    assert callable(slicer.util.loadVolume)
    with pytest.raises(AttributeError):
        _ = slicer.loadVolume
    with pytest.raises(AttributeError, match="no such module"):
        _ = slicer.modules.nosuchmodule


def test_find_children_by_class_name() -> None:
    import qt

    panel = qt.QWidget()
    layout = qt.QVBoxLayout(panel)
    label = qt.QLabel("found")
    layout.addWidget(label)
    layout.addWidget(qt.QPushButton())
    assert [child.text for child in panel.findChildren("QLabel")] == ["found"]
    assert (label.className(), label.inherits("QFrame")) == ("QLabel", True)


def test_calls_that_return_nothing_do_not_wear_none_out() -> None:
    import sys

    import qt

    button = qt.QPushButton()
    before = sys.getrefcount(None)
    for _ in range(1000):
        button.setText("again")
    assert sys.getrefcount(None) > 100_000_000 or sys.getrefcount(None) >= before
