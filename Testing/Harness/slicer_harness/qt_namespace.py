"""The `qt` module of Slicer: PySide6's classes in one flat namespace, with PythonQt's ways."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from . import pythonqt_semantics
from .strict_namespace import StrictNamespace

# Names of PySide that Slicer's qt module does not have, or has only in some versions.
_NOT_IN_SLICER = {"Signal", "Slot", "Property", "ClassInfo", "SIGNAL", "SLOT", "QEnum", "QFlag"}


def build(uiLoader: type) -> StrictNamespace:
    """Returns the `qt` module; `uiLoader` stands for QUiLoader."""
    pythonqt_semantics.install()
    members: dict[str, Any] = {}
    for module in (QtCore, QtGui, QtWidgets):
        members |= {name: getattr(module, name) for name in dir(module) if name.startswith(("Q", "q"))}
    members["Qt"] = QtCore.Qt
    members["QUiLoader"] = uiLoader
    for name in _NOT_IN_SLICER:
        members.pop(name, None)
    return StrictNamespace("qt", "Slicer's qt module has no such name, or the harness does not cover it", **members)
