"""What a user does with mouse, wheel and keys, as real events; a pulse that feels whether the application answers."""

from __future__ import annotations

import time
from typing import Any

from PySide6 import QtCore, QtGui, QtTest, QtWidgets

PULSE_MILLISECONDS = 20


class Pulse:
    """Measures how long the application does not answer."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._last = time.perf_counter()
        self._timer = QtCore.QTimer()
        self._timer.setInterval(PULSE_MILLISECONDS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.pauses.append(now - self._last)
        self._last = now

    def stop(self) -> float:
        self._timer.stop()
        return max(self.pauses)


def click(widget: QtWidgets.QWidget) -> None:
    QtTest.QTest.mouseClick(widget, QtCore.Qt.LeftButton)


def choose(combo_box: Any, text: str) -> None:
    """Choose an entry as with the keyboard: focus, then the arrow keys until it shows."""
    box = combo_box if isinstance(combo_box, QtWidgets.QComboBox) else combo_box.findChild(QtWidgets.QComboBox)
    wanted = box.findText(text)
    assert wanted >= 0, f"{combo_box.objectName} offers no {text}"
    while box.currentIndex != wanted:
        QtTest.QTest.keyClick(box, QtCore.Qt.Key_Down if wanted > box.currentIndex else QtCore.Qt.Key_Up)


def toggle_item(list_widget: Any, text: str) -> None:
    """Click on the check box of the first line of a list that begins with a text."""
    rows = [row for row in range(list_widget.count) if list_widget.item(row).text().startswith(text)]
    assert rows, f"{list_widget.objectName} has no line that begins with {text}"
    item = list_widget.item(rows[0])
    list_widget.scrollToItem(item)
    option = QtWidgets.QStyleOptionViewItem()
    list_widget.initViewItemOption(option)
    option.rect = list_widget.visualItemRect(item)
    option.features |= QtWidgets.QStyleOptionViewItem.HasCheckIndicator
    place = list_widget.style().subElementRect(QtWidgets.QStyle.SE_ItemViewItemCheckIndicator, option, list_widget)
    QtTest.QTest.mouseClick(list_widget.viewport(), QtCore.Qt.LeftButton, pos=place.center())


def drag_slider(widget: Any, share: float) -> None:
    """Drag the handle of a ctkSliderWidget to a share of its length."""
    slider = widget.findChildren(QtWidgets.QSlider)[0]
    option = QtWidgets.QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = slider.style().subControlRect(QtWidgets.QStyle.CC_Slider, option, QtWidgets.QStyle.SC_SliderHandle, slider)
    start = handle.center()
    end = QtCore.QPoint(round(handle.width() / 2 + share * (slider.width - handle.width())), start.y())
    QtTest.QTest.mousePress(slider, QtCore.Qt.LeftButton, pos=start)
    for step in range(1, 11):
        point = start + (end - start) * step / 10
        kind, button, held = QtCore.QEvent.MouseMove, QtCore.Qt.NoButton, QtCore.Qt.LeftButton
        move = QtGui.QMouseEvent(kind, point, slider.mapToGlobal(point), button, held, QtCore.Qt.NoModifier)
        QtWidgets.QApplication.sendEvent(slider, move)
    QtTest.QTest.mouseRelease(slider, QtCore.Qt.LeftButton, pos=end)


def wheel(view: QtWidgets.QWidget, notches: int) -> None:
    center = QtCore.QPointF(view.rect.center())
    for _notch in range(abs(notches)):
        event = QtGui.QWheelEvent(
            center, view.mapToGlobal(center), QtCore.QPoint(), QtCore.QPoint(0, 120 if notches > 0 else -120),
            QtCore.Qt.NoButton, QtCore.Qt.NoModifier, QtCore.Qt.NoScrollPhase, False,
        )  # fmt: skip
        QtWidgets.QApplication.sendEvent(view, event)


def tinted_pixels(view: QtWidgets.QWidget) -> int:
    """How many pixels of a slice view are orange, as synthetic slices are; CTs are gray."""
    picture = view.grab().toImage()
    colors = (picture.pixelColor(x, y) for x in range(0, picture.width(), 4) for y in range(0, picture.height(), 4))
    return 16 * sum(color.red() - color.blue() > 25 for color in colors)
