"""Two-way connections between a parameter and a widget: which widgets go with which types, and how."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import vtk
from PySide6 import QtCore, QtWidgets

from ..ctk_widgets import (
    ctkDirectoryButton,
    ctkDoubleSlider,
    ctkPathLineEdit,
    ctkRangeWidget,
    ctkSliderWidget,
)
from ..mrml_widgets import qMRMLNodeComboBox
from .parameter_types import ParameterType
from .validators import Choice, FloatRange, Maximum, Minimum, WithinRange

PARAMETER_PROPERTY = "SlicerParameterName"


class Decimals:
    def __init__(self, value: int) -> None:
        self.value = value


class SingleStep:
    def __init__(self, value: float) -> None:
        self.value = value


@dataclass(frozen=True)
class Connector:
    """How widgets of one class hold values of one kind."""

    widgetClass: type
    kind: str  # "bool", "int", "float", "str", "path", "range", "node", "choice"
    signal: str  # empty: the widget only shows
    read: Callable[[Any, ParameterType], Any]
    write: Callable[[Any, Any], None]


def _chosen(widget: Any, field: ParameterType) -> Any:
    return _choices(field)[widget.currentIndex] if widget.currentIndex >= 0 else None


def _choose(widget: Any, value: Any) -> None:
    widget.setCurrentIndex(widget.findText(_label(value)))


def _label(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return value.label() if hasattr(value, "label") else value.name
    return str(value)


def _choices(field: ParameterType) -> list[Any]:
    if isinstance(field.plain, type) and issubclass(field.plain, enum.Enum):
        return list(field.plain)
    for validator in field.validators:
        if isinstance(validator, Choice):
            return validator.choices
    return []


# The first that fits is taken: subclasses come before their base classes.
_CONNECTORS = (
    Connector(QtWidgets.QCheckBox, "bool", "toggled(bool)", lambda w, f: w.checked, lambda w, v: w.setChecked(v)),
    Connector(QtWidgets.QPushButton, "bool", "toggled(bool)", lambda w, f: w.checked, lambda w, v: w.setChecked(v)),
    Connector(QtWidgets.QSlider, "int", "valueChanged(int)", lambda w, f: w.value, lambda w, v: w.setValue(v)),
    Connector(QtWidgets.QSpinBox, "int", "valueChanged(int)", lambda w, f: w.value, lambda w, v: w.setValue(v)),
    Connector(
        QtWidgets.QDoubleSpinBox, "float", "valueChanged(double)", lambda w, f: w.value, lambda w, v: w.setValue(v)
    ),
    Connector(ctkSliderWidget, "float", "valueChanged(double)", lambda w, f: w.value, lambda w, v: w.setValue(v)),
    Connector(ctkDoubleSlider, "float", "valueChanged(double)", lambda w, f: w.value, lambda w, v: w.setValue(v)),
    Connector(
        ctkRangeWidget,
        "range",
        "valuesChanged(double,double)",
        lambda w, f: FloatRange(w.minimumValue, w.maximumValue),
        lambda w, v: w.setValues(v.minimum, v.maximum),
    ),
    Connector(QtWidgets.QComboBox, "choice", "currentIndexChanged(int)", _chosen, _choose),
    Connector(QtWidgets.QLineEdit, "str", "textChanged(QString)", lambda w, f: w.text, lambda w, v: w.setText(v)),
    Connector(QtWidgets.QTextEdit, "str", "textChanged()", lambda w, f: w.plainText, lambda w, v: w.setPlainText(v)),
    Connector(QtWidgets.QLabel, "str", "", lambda w, f: w.text, lambda w, v: w.setText(v)),
    Connector(
        ctkPathLineEdit,
        "path",
        "currentPathChanged(QString)",
        lambda w, f: f.plain(w.currentPath),
        lambda w, v: w.setCurrentPath(str(v)),
    ),
    Connector(
        ctkDirectoryButton,
        "path",
        "directoryChanged(QString)",
        lambda w, f: f.plain(w.directory),
        lambda w, v: w.setDirectory(str(v)),
    ),
    Connector(
        qMRMLNodeComboBox,
        "node",
        "currentNodeChanged(vtkMRMLNode*)",
        lambda w, f: w.currentNode(),
        lambda w, v: w.setCurrentNode(v),
    ),
)


def _kindsOf(field: ParameterType) -> set[str]:
    if field.isNode:
        return {"node"}
    if _choices(field):
        return {"choice"}
    plain = field.plain
    if isinstance(plain, type) and issubclass(plain, pathlib.PurePath):
        return {"path"}
    return {"range"} if plain is FloatRange else {getattr(plain, "__name__", "")}


def connectedWidgets(gui: Any) -> list[tuple[str, Any]]:
    """The widgets of a panel, or of the object that childWidgetVariables gives, that name a parameter."""
    if isinstance(gui, QtCore.QObject):
        widgets = [gui, *gui.findChildren(QtWidgets.QWidget)]
    else:
        widgets = [value for value in vars(gui).values() if isinstance(value, QtWidgets.QWidget)]
    named = [(widget.property(PARAMETER_PROPERTY), widget) for widget in widgets]
    return [(name, widget) for name, widget in named if name]


class GuiConnection:
    """Keeps one widget and one parameter the same."""

    def __init__(self, wrapper: Any, name: str, field: ParameterType, widget: Any) -> None:
        self._wrapper, self._name, self._field, self._widget = wrapper, name, field, widget
        self._connector = self._findConnector()
        self._updating = False
        self._tag: int | None = None

    def _findConnector(self) -> Connector:
        kinds = _kindsOf(self._field)
        for connector in _CONNECTORS:
            if isinstance(self._widget, connector.widgetClass) and connector.kind in kinds:
                if isinstance(self._widget, QtWidgets.QPushButton) and not self._widget.checkable:
                    raise ValueError(f"The button of parameter '{self._name}' must be checkable")
                return connector
        raise ValueError(
            f"Parameter '{self._name}' ({'/'.join(sorted(kinds))}) cannot be connected to a {self._widget.className()}"
        )

    def open(self) -> None:
        self._configureWidget()
        self._updateWidget()
        if self._connector.signal:
            self._widget.connect(self._connector.signal, self._updateParameter)
        self._tag = self._wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, self._updateWidget)

    def close(self) -> None:
        if self._connector.signal:
            self._widget.disconnect(self._connector.signal, self._updateParameter)
        self._wrapper.RemoveObserver(self._tag)

    def _configureWidget(self) -> None:
        """The widget offers what the annotations allow."""
        widget = self._widget
        blocked = widget.blockSignals(True)
        if self._connector.kind == "choice":
            widget.clear()
            for choice in _choices(self._field):
                widget.addItem(_label(choice))
        for annotation in (*self._field.validators, *self._field.annotations):
            if isinstance(annotation, Decimals):
                widget.setDecimals(annotation.value)
        for annotation in (*self._field.validators, *self._field.annotations):
            if isinstance(annotation, SingleStep):
                widget.setSingleStep(annotation.value)
            elif isinstance(annotation, WithinRange):
                widget.setRange(annotation.minimum, annotation.maximum)
            elif isinstance(annotation, Minimum):
                widget.setMinimum(annotation.minimum)
            elif isinstance(annotation, Maximum):
                widget.setMaximum(annotation.maximum)
        widget.blockSignals(blocked)

    def _updateWidget(self, *_caller: object) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            value = self._wrapper.getValue(self._name)
            if value != self._connector.read(self._widget, self._field):
                self._connector.write(self._widget, value)
        finally:
            self._updating = False

    def _updateParameter(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            self._wrapper.setValue(self._name, self._connector.read(self._widget, self._field))
        finally:
            self._updating = False
        self._updateWidget()
