"""Loads Qt Designer's files with the harness's widgets, and refuses what the real loader would drop without a word."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import ctk_widgets, mrml_widgets, pythonqt_semantics

CUSTOM_WIDGETS: dict[str, type] = {widget.__name__: widget for widget in (*ctk_widgets.WIDGETS, *mrml_widgets.WIDGETS)}


class UiFileError(Exception):
    """A .ui file names a widget, property, signal or slot that does not exist."""


class StrictUiLoader(QtUiTools.QUiLoader):
    """QUiLoader that knows the CTK and MRML widgets, connects MRML signals, and raises for anything unknown."""

    def load(self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        name = device.fileName() if isinstance(device, QtCore.QFile) else "the .ui file"
        try:
            document = ElementTree.fromstring(bytes(device.readAll().data()))
        except ElementTree.ParseError as error:
            raise UiFileError(f"{name} is not a Designer file: {error}") from error
        self._requireKnownClasses(document, name)
        connections = document.findall("./connections/connection")
        for element in document.findall("./connections"):
            document.remove(element)
        source = QtCore.QBuffer()
        source.setData(ElementTree.tostring(document, encoding="utf-8"))
        source.open(QtCore.QIODevice.ReadOnly)
        with pythonqt_semantics.newAttributesIgnored():
            widget = super().load(source, parent)
        if widget is None:
            raise UiFileError(f"{name}: {self.errorString()}")
        self._requireKnownProperties(document, widget, name)
        for connection in connections:
            _connect(connection, widget, name)
        return widget

    def createWidget(
        self, className: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget:
        if className not in CUSTOM_WIDGETS:
            return super().createWidget(className, parent, name)
        widget = CUSTOM_WIDGETS[className](parent)
        widget.setObjectName(name)
        return widget

    def _requireKnownClasses(self, document: ElementTree.Element, name: str) -> None:
        available = set(self.availableWidgets()) | set(CUSTOM_WIDGETS)
        promoted = {custom.findtext("class"): custom.findtext("extends") for custom in document.iter("customwidget")}
        for element in document.iter("widget"):
            className = element.get("class", "")
            if className not in available or (className in promoted and className not in CUSTOM_WIDGETS):
                raise UiFileError(f"{name}: unknown widget class '{className}' of '{element.get('name')}'")
            if className in CUSTOM_WIDGETS and className not in promoted:
                raise UiFileError(f"{name}: '{className}' is not among the file's custom widgets")
        for value in (*document.iter("enum"), *document.iter("set")):
            if any(part.count("::") > 1 for part in (value.text or "").split("|")):
                raise UiFileError(f"{name}: '{value.text}' is Qt 6 spelling, which Qt 5 does not read")

    def _requireKnownProperties(self, document: ElementTree.Element, root: QtWidgets.QWidget, name: str) -> None:
        for element in document.iter("widget"):
            widget = _child(root, element.get("name", ""), name)
            for prop in element.findall("property"):
                key = prop.get("name", "")
                # Designer marks its dynamic properties with stdset="0"; a QFrame "Line" keeps its orientation itself
                known = widget.metaObject().indexOfProperty(key) >= 0 or element.get("class") == "Line"
                if not known and prop.get("stdset") != "0":
                    raise UiFileError(f"{name}: {element.get('class')} '{widget.objectName}' has no property '{key}'")


def _child(root: QtWidgets.QWidget, objectName: str, fileName: str) -> Any:
    found = root if root.objectName == objectName else root.findChild(QtCore.QObject, objectName)
    if found is None:
        raise UiFileError(f"{fileName}: there is no '{objectName}' in the loaded panel")
    return found


def _connect(connection: ElementTree.Element, root: QtWidgets.QWidget, fileName: str) -> None:
    parts = {key: connection.findtext(key, "") for key in ("sender", "signal", "receiver", "slot")}
    sender = _child(root, parts["sender"], fileName)
    receiver = _child(root, parts["receiver"], fileName)
    try:
        pythonqt_semantics.connect(sender, parts["signal"], receiver, parts["slot"])
    except (AttributeError, ValueError) as error:
        raise UiFileError(f"{fileName}: {error}") from error
