"""The layout manager: which views there are, and how the current layout arranges them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .slice_widget import qMRMLSliceWidget

SLICE_VIEWS = ("Red", "Yellow", "Green")

# Shown as empty frames.
_OTHER_VIEWS = {
    "vtkMRMLViewNode": "3D view",
    "vtkMRMLTableViewNode": "Table view",
    "vtkMRMLPlotViewNode": "Plot view",
}


class qSlicerLayoutManager(QtCore.QObject):
    layoutChanged = QtCore.Signal(int)

    def __init__(self, logics: Any) -> None:
        super().__init__()
        self._logics = logics
        self._viewport = QtWidgets.QWidget()
        self._viewport.setObjectName("CentralWidgetLayoutFrame")
        self._viewport.setMinimumSize(300, 300)
        QtWidgets.QVBoxLayout(self._viewport).setContentsMargins(0, 0, 0, 0)
        self._sliceWidgets: dict[str, qMRMLSliceWidget] = {}
        self._arrangement: QtWidgets.QWidget | None = None
        self._shownDescription = ""
        for name in SLICE_VIEWS:
            self._addSliceWidget(name)
        self._layoutLogic: Any = slicer.vtkMRMLLayoutLogic()
        self._layoutLogic.SetMRMLApplicationLogic(logics.application)
        self._layoutLogic.SetMRMLScene(logics.scene)
        self._layoutNode: Any = self._layoutLogic.GetLayoutNode()
        self._tag = self._layoutNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onLayoutModified)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._arrange()

    def viewport(self) -> QtWidgets.QWidget:
        return self._viewport

    def layoutLogic(self) -> Any:
        return self._layoutLogic

    def mrmlSliceLogics(self) -> Any:
        return self._logics.sliceLogics

    def setLayout(self, layout: int) -> None:
        self._layoutNode.SetViewArrangement(int(layout))

    layout = QtCore.Property(int, lambda self: self._layoutNode.GetViewArrangement(), setLayout)

    # Slice views

    def _addSliceWidget(self, name: str) -> qMRMLSliceWidget:
        widget = qMRMLSliceWidget(self._logics, name)
        self._sliceWidgets[name] = widget
        return widget

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._sliceWidgets)

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        return self._sliceWidgets.get(name)

    def resetSliceViews(self) -> None:
        for widget in self._sliceWidgets.values():
            widget.sliceLogic().FitSliceToBackground()

    threeDViewCount = QtCore.Property(int, lambda self: 0)
    tableViewCount = QtCore.Property(int, lambda self: 0)
    plotViewCount = QtCore.Property(int, lambda self: 0)

    def resetThreeDViews(self) -> None:
        """The harness has no 3D views."""

    # Arrangement

    def _onLayoutModified(self, _node: Any, _event: str) -> None:
        if self._layoutNode.GetCurrentLayoutDescription() != self._shownDescription:
            self._arrange()
            self.layoutChanged.emit(self._layoutNode.GetViewArrangement())

    def _arrange(self) -> None:
        description = self._layoutNode.GetCurrentLayoutDescription()
        if not description:
            return
        self._shownDescription = description
        for widget in self._sliceWidgets.values():
            widget.setParent(None)
        if self._arrangement is not None:
            self._viewport.layout().removeWidget(self._arrangement)
            self._arrangement.deleteLater()
        self._arrangement = self._build(ElementTree.fromstring(description))
        self._viewport.layout().addWidget(self._arrangement)

    def _build(self, element: ElementTree.Element) -> QtWidgets.QWidget:
        if element.tag == "view":
            return self._view(element)
        if element.tag != "layout":
            raise ValueError(f"A layout description has no element <{element.tag}>")
        kind = element.get("type", "horizontal")
        if kind == "tab":
            tabs = QtWidgets.QTabWidget()
            for item in element.findall("item"):
                tabs.addTab(self._build(item[0]), item.get("name", ""))
            return tabs
        frame = QtWidgets.QWidget()
        layout = QtWidgets.QGridLayout(frame)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for index, item in enumerate(element.findall("item")):
            row = int(item.get("row", index if kind == "vertical" else 0))
            column = int(item.get("column", index if kind == "horizontal" else 0))
            child = self._build(item[0])
            layout.addWidget(child, row, column, int(item.get("rowspan", 1)), int(item.get("colspan", 1)))
            layout.setRowStretch(row, 1)
            layout.setColumnStretch(column, 1)
        return frame

    def _view(self, element: ElementTree.Element) -> QtWidgets.QWidget:
        if element.get("class") != "vtkMRMLSliceNode":
            label = QtWidgets.QLabel(_OTHER_VIEWS.get(element.get("class", ""), "View"))
            label.setAlignment(QtCore.Qt.AlignCenter)
            label.setStyleSheet("background: #9494c4; color: #555580")
            return label
        name = element.get("singletontag", "")
        widget = self._sliceWidgets.get(name) or self._addSliceWidget(name)
        for prop in element.findall("property"):
            widget._setLayoutProperty(prop.get("name", ""), prop.text or "")
        widget.show()
        return widget

    def _scheduleRenderOfAllViews(self) -> None:
        for widget in self._sliceWidgets.values():
            widget.sliceView().scheduleRender()

    def _reset(self) -> None:
        """The views of a freshly started application."""
        self._logics.sliceLink.SetMRMLScene(self._logics.scene)
        self._shownDescription = ""
        for widget in self._sliceWidgets.values():
            widget._reset()
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._arrange()
