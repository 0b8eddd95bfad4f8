"""Buttons and boxes that fold."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

_UNLIMITED_HEIGHT = 16777215  # Qt's QWIDGETSIZE_MAX


class ctkCheckBox(QtWidgets.QCheckBox):
    pass


class ctkPushButton(QtWidgets.QPushButton):
    pass


class _Folding:
    """Hides the widgets inside while it is folded, and shows again those that it has hidden.

    Widgets may be added while it is folded: they are caught when the section is shown or when they are polished, for in
    ChildAdded, which Qt sends from the child's constructor, the child is not yet what it will be.
    """

    _folded = False
    _hiddenByFolding: list[QtWidgets.QWidget]

    def _setFolded(self, folded: bool) -> None:
        self._folded = folded
        if folded:
            self._hideContents()
        else:
            hidden, self._hiddenByFolding = self._hiddenByFolding, []
            for child in hidden:
                child.show()

    def _hideContents(self) -> None:
        children: list[QtWidgets.QWidget] = self.findChildren(
            QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly
        )
        for child in children:
            if not child.isHidden():
                child.hide()
                self._hiddenByFolding.append(child)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        if self._folded:
            self._hideContents()
        super().showEvent(event)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        if self._folded and event.type() == QtCore.QEvent.ChildPolished:
            self._hideContents()
        super().childEvent(event)


class ctkCollapsibleButton(_Folding, QtWidgets.QAbstractButton):
    """A header that shows or hides the widgets that lie below it."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *arguments: object) -> None:
        texts = [argument for argument in arguments if isinstance(argument, str)]
        parents = [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]
        super().__init__(parents[0] if parents else None)
        self._hiddenByFolding = []
        self.setText(texts[0] if texts else "")
        self.checkable = True
        self.checked = True
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self._headerHeight(), 0, 0)
        self.toggled.connect(lambda checked: self._setCollapsed(not checked))

    def _headerHeight(self) -> int:
        return max(22, self.fontMetrics().height() + 10)

    def _isCollapsed(self) -> bool:
        return self._folded

    def _setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._folded:
            return
        # before the contents are shown: showing them lays out the whole panel
        self.setMaximumHeight(self._headerHeight() if collapsed else _UNLIMITED_HEIGHT)
        self._setFolded(collapsed)
        self.setChecked(not collapsed)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    collapsed = QtCore.Property(bool, _isCollapsed, _setCollapsed)

    def setCollapsed(self, collapsed: bool) -> None:
        self._setCollapsed(bool(collapsed))

    def sizeHint(self) -> QtCore.QSize:
        header = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 40, self._headerHeight())
        layout = self.layout()
        return header if self._folded or layout is None else header.expandedTo(layout.totalSizeHint())

    def minimumSizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        header = QtCore.QSize(40, self._headerHeight())
        return header if self._folded or layout is None else header.expandedTo(layout.totalMinimumSize())

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() <= self._headerHeight()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        header = QtCore.QRect(0, 0, self.width, self._headerHeight())
        button = QtWidgets.QStyleOptionButton()
        button.initFrom(self)
        button.rect = header
        button.state |= QtWidgets.QStyle.State_Raised
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, button)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (header.height() - 12) // 2, 12, 12)
        indicator = QtWidgets.QStyle.PE_IndicatorArrowRight if self._folded else QtWidgets.QStyle.PE_IndicatorArrowDown
        painter.drawPrimitive(indicator, arrow)
        flags = QtCore.Qt.AlignVCenter | QtCore.Qt.AlignLeft | QtCore.Qt.TextShowMnemonic
        painter.drawText(header.adjusted(24, 0, -4, 0), flags, self.text)


class ctkCollapsibleGroupBox(_Folding, QtWidgets.QGroupBox):
    """A checkable group box whose check mark shows or hides its contents."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.checkable = True
        self.checked = True
        self._hiddenByFolding = []
        self.toggled.connect(lambda shown: self._setFolded(not shown))

    def _isCollapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _isCollapsed, setCollapsed)
