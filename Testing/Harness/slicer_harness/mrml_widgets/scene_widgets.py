"""Widgets that know the MRML scene and hand it on to those who connect to mrmlSceneChanged."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6 import QtCore, QtWidgets

from ..ctk_widgets.sliders import ctkDoubleSpinBox, ctkSliderWidget


class SceneAware:
    """setMRMLScene, mrmlScene and the signal: mixed into widgets, which declare `mrmlSceneChanged` themselves."""

    _scene: Any = None
    _mappedSignals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    _mappedSlots = ("setMRMLScene(vtkMRMLScene*)",)

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        before, self._scene = self._scene, scene
        self._onSceneChanged(before, scene)
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene

    def _onSceneChanged(self, before: Any, scene: Any) -> None:
        """For subclasses that observe the scene."""


class qMRMLWidget(SceneAware, QtWidgets.QWidget):
    mrmlSceneChanged = QtCore.Signal(object)


class qSlicerWidget(SceneAware, QtWidgets.QWidget):
    mrmlSceneChanged = QtCore.Signal(object)


class qSlicerScriptedLoadableModuleWidget(SceneAware, QtWidgets.QWidget):
    """The C++ side of a scripted module's panel; `self()` is the Python side."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, moduleName: str, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(f"{moduleName}ModuleWidget")
        self._moduleName = moduleName
        self._pythonSide: Any = None
        self._entered = False

    def self(self) -> Any:
        return self._pythonSide

    def isEntered(self) -> bool:
        return self._entered

    def _enter(self) -> None:
        self._entered = True
        self._pythonSide.enter()

    def _exit(self) -> None:
        self._entered = False
        self._pythonSide.exit()


class qMRMLSliderWidget(SceneAware, ctkSliderWidget):
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._quantity = ""

    def setQuantity(self, quantity: str) -> None:
        self._quantity = quantity

    quantity = QtCore.Property(str, lambda self: self._quantity, setQuantity)


class qMRMLSpinBox(SceneAware, ctkDoubleSpinBox):
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._quantity = ""

    def setQuantity(self, quantity: str) -> None:
        self._quantity = quantity

    quantity = QtCore.Property(str, lambda self: self._quantity, setQuantity)
