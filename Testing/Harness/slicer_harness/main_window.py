"""The main window: the module panel on the left, the views on the right, the status bar."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .ctk_widgets import ctkCollapsibleButton
from .failures import HarnessError

_MINIMUM_WIDTH = 240


class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    moduleSelected = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._selected = ""

    def selectModule(self, name: str) -> None:
        if name == self._selected:
            return
        if slicer.app.moduleManager().module(name) is None:
            raise HarnessError(f"There is no module '{name}' to select")
        self._selected = name
        self.moduleSelected.emit(name)

    selectedModule = QtCore.Property(str, lambda self: self._selected)


class qSlicerModulePanel(QtWidgets.QScrollArea):
    """Shows one module: its help and acknowledgement above its panel."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("ModulePanel")
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
        self.setMinimumWidth(_MINIMUM_WIDTH)
        self._contents = QtWidgets.QWidget()
        self._layout = QtWidgets.QVBoxLayout(self._contents)
        self._layout.setContentsMargins(2, 2, 2, 2)
        self.setWidget(self._contents)
        self._help = ctkCollapsibleButton("Help && Acknowledgement", self._contents)
        self._help.setObjectName("HelpCollapsibleButton")
        self._help.setCollapsed(True)
        self._helpText = QtWidgets.QTextBrowser(self._help)
        helpLayout = QtWidgets.QVBoxLayout(self._help)
        helpLayout.addWidget(self._helpText)
        self._layout.addWidget(self._help)
        self._layout.addStretch(1)
        self._widget: Any = None

    def _setHelpVisible(self, visible: bool) -> None:
        self._help.setVisible(visible)

    helpAndAcknowledgmentVisible = QtCore.Property(bool, lambda self: not self._help.isHidden(), _setHelpVisible)

    def _show(self, moduleName: str) -> None:
        self._leave()
        module = slicer.app.moduleManager().module(moduleName)
        widget = module.widgetRepresentation()
        if widget is None:
            return
        self._helpText.setHtml(f"{module.helpText}<hr>{module.acknowledgementText}")
        self._layout.insertWidget(1, widget)
        self._widget = widget
        widget.show()
        widget._enter()
        self._widenToContents()

    def _widenToContents(self) -> None:
        """As seen in Slicer: the panel is at least as wide as the widest minimum of what it shows."""
        scrollBar = self.verticalScrollBar().sizeHint.width()
        self.setMinimumWidth(max(_MINIMUM_WIDTH, self._contents.minimumSizeHint.width() + scrollBar + 4))

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        self._widenToContents()
        super().resizeEvent(event)

    def _leave(self) -> None:
        widget, self._widget = self._widget, None
        if widget is not None:
            if widget.isEntered():
                widget._exit()
            self._layout.removeWidget(widget)
            widget.hide()
            widget.setParent(None)


class qSlicerMainWindow(QtWidgets.QMainWindow):
    def __init__(self, viewsFrame: QtWidgets.QWidget) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("Slicer harness")
        self._restoreSize()
        self.setCentralWidget(viewsFrame)
        self._selector = qSlicerModuleSelectorToolBar(self)
        self._panel = qSlicerModulePanel()
        dock = QtWidgets.QDockWidget("Module panel", self)
        dock.setObjectName("PanelDockWidget")
        dock.setWidget(self._panel)
        self.addDockWidget(QtCore.Qt.LeftDockWidgetArea, dock)
        self.statusBar()
        self._selector.moduleSelected.connect(self._panel._show)

    def _restoreSize(self) -> None:
        self.resize(1280, 860)

    def moduleSelector(self) -> qSlicerModuleSelectorToolBar:
        return self._selector

    def _leaveModule(self) -> None:
        self._panel._leave()
        self._selector._selected = ""
