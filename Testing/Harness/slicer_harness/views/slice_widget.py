"""A slice view with its controller bar."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from ..mrml_widgets import qMRMLSliderWidget
from .slice_view import qMRMLSliceView

_ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
_COLORS = {"Red": "#f34a4a", "Yellow": "#edd54c", "Green": "#6eb04b"}


class qMRMLSliceControllerWidget(QtWidgets.QWidget):
    """The bar above a slice view: its name, the link button, fit, and the slice offset."""

    def __init__(self, logic: Any, name: str) -> None:
        super().__init__()
        self._logic = logic
        self._updating = False
        self._label = QtWidgets.QLabel()
        self._label.setAlignment(QtCore.Qt.AlignCenter)
        self._label.setFixedWidth(28)
        self._showName(name[:1], _COLORS.get(name, "#8c8ce1"))
        self._linkButton = QtWidgets.QToolButton()
        self._linkButton.setObjectName("SliceLinkButton")
        self._linkButton.setText("Link")
        self._linkButton.setCheckable(True)
        self._fitButton = QtWidgets.QToolButton()
        self._fitButton.setObjectName("FitToWindowToolButton")
        self._fitButton.setText("Fit")
        self._offset = qMRMLSliderWidget()
        self._offset.setObjectName("SliceOffsetSlider")
        self._offset.setSuffix(" mm")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for widget in (self._label, self._linkButton, self._fitButton):
            layout.addWidget(widget)
        layout.addWidget(self._offset, 1)
        self._linkButton.toggled.connect(self.setSliceLink)
        self._fitButton.clicked.connect(lambda: self.fitSliceToBackground())
        self._offset.valueChanged.connect(self.setSliceOffsetValue)

    def _showName(self, text: str, color: str) -> None:
        self._label.setText(text)
        self._label.setStyleSheet(f"background: {color}; color: black; font-weight: bold")

    def sliceOffsetSlider(self) -> qMRMLSliderWidget:
        return self._offset

    def setSliceOffsetValue(self, offset: float) -> None:
        """Moves the slice; linked views of the same orientation follow."""
        if self._updating:
            return
        self._logic.StartSliceOffsetInteraction()
        self._logic.SetSliceOffset(offset)
        self._logic.EndSliceOffsetInteraction()

    def moveSlice(self, delta: float) -> None:
        self.setSliceOffsetValue(self._logic.GetSliceOffset() + delta)

    def setSliceLink(self, linked: bool) -> None:
        """Links, or unlinks, all slice views, as Slicer's button does."""
        scene = slicer.mrmlScene
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode").SetLinkedControl(bool(linked))

    def fitSliceToBackground(self) -> None:
        self._logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.ResetFieldOfViewFlag)
        self._logic.FitSliceToBackground()
        self._logic.GetSliceNode().UpdateMatrices()
        self._logic.EndSliceNodeInteraction()

    def _update(self) -> None:
        """Shows the state of the nodes."""
        self._updating = True
        composite = self._logic.GetSliceCompositeNode()
        if composite is not None:
            self._linkButton.setChecked(bool(composite.GetLinkedControl()))
        extent, resolution = [0.0, 0.0], vtk.mutable(1.0)
        if self._logic.GetSliceOffsetRangeResolution(extent, resolution):
            self._offset.setSingleStep(max(float(resolution), 1e-3))
            self._offset.setRange(*extent)
        self._offset.setValue(self._logic.GetSliceOffset())
        self._updating = False


class qMRMLSliceWidget(QtWidgets.QWidget):
    def __init__(self, logics: Any, name: str) -> None:
        super().__init__()
        self.setObjectName(f"qMRMLSliceWidget{name}")
        self._logics = logics
        self._viewName = name
        self._logic: Any = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(logics.application)
        self._makeNodes()
        logics.sliceLogics.AddItem(self._logic)
        self._controller = qMRMLSliceControllerWidget(self._logic, name)
        self._view = qMRMLSliceView(self._logic, logics.application, self._controller)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._controller)
        layout.addWidget(self._view, 1)
        self._tag = self._logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onLogicModified)

    def _makeNodes(self) -> None:
        scene = self._logics.scene
        self._logic.SetMRMLScene(scene)
        existing = scene.GetSingletonNode(self._viewName, "vtkMRMLSliceNode")
        if existing is not None:  # the layout logic makes the nodes of the views that a description names
            self._logic.SetSliceNode(existing)
        orientation = _ORIENTATIONS.get(self._viewName, "Axial")
        if self._logic.GetSliceNode() is None:
            self._logic.AddSliceNode(self._viewName).SetLayoutLabel(self._viewName[:1])
            self._logic.GetSliceNode().SetOrientation(orientation)
        # Without a default of its own, a node that is reset asks in vain for a preset named "Reformat".
        self._logic.GetSliceNode().SetDefaultOrientation(orientation)

    def _setLayoutProperty(self, name: str, text: str) -> None:
        node = self._logic.GetSliceNode()
        if name == "orientation":
            node.SetDefaultOrientation(text)
            node.SetOrientation(text)
        elif name == "viewlabel":
            node.SetLayoutLabel(text)
        elif name == "viewcolor":
            node.SetLayoutColor(*QtGui.QColor(text).getRgbF()[:3])
        color = QtGui.QColor.fromRgbF(*node.GetLayoutColor())
        self._controller._showName(node.GetLayoutLabel(), color.name())

    def _onLogicModified(self, _logic: Any, _event: str) -> None:
        self._controller._update()
        self._view.scheduleRender()

    def sliceLogic(self) -> Any:
        return self._logic

    def sliceView(self) -> qMRMLSliceView:
        return self._view

    def sliceController(self) -> qMRMLSliceControllerWidget:
        return self._controller

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def _setOrientation(self, orientation: str) -> None:
        self._logic.GetSliceNode().SetOrientation(orientation)

    sliceViewName = QtCore.Property(str, lambda self: self._viewName)
    sliceOrientation = QtCore.Property(str, lambda self: self.mrmlSliceNode().GetOrientation(), _setOrientation)

    def fitSliceToBackground(self) -> None:
        self._controller.fitSliceToBackground()

    def setSliceLink(self, linked: bool) -> None:
        self._controller.setSliceLink(linked)

    def _reset(self) -> None:
        node = self._logic.GetSliceNode()
        node.SetOrientation(_ORIENTATIONS.get(self._viewName, "Axial"))
        self._logic.GetSliceCompositeNode().SetLinkedControl(0)
        self._logic.SetSliceOffset(0.0)
        self._controller._update()
