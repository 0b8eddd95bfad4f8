"""Sliders and spin boxes of double values."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets


class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    pass


class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider over doubles: an integer slider whose steps are `singleStep` wide."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    sliderPressed = QtCore.Signal()
    sliderReleased = QtCore.Signal()
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, *arguments: object) -> None:
        parents = [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]
        orientations = [argument for argument in arguments if isinstance(argument, QtCore.Qt.Orientation)]
        super().__init__(parents[0] if parents else None)
        self._low, self._high, self._step, self._page, self._value = 0.0, 99.0, 1.0, 10.0, 0.0
        self._tracking = True
        self._slider = QtWidgets.QSlider(orientations[0] if orientations else QtCore.Qt.Horizontal, self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._slider.valueChanged.connect(self._onSliderMoved)
        self._slider.sliderPressed.connect(self.sliderPressed.emit)
        self._slider.sliderReleased.connect(self._onReleased)
        self._updateSlider()

    def _updateSlider(self) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, round((self._high - self._low) / self._step)))
        self._slider.setPageStep(max(1, round(self._page / self._step)))
        self._slider.setValue(round((self._value - self._low) / self._step))
        self._slider.blockSignals(blocked)

    def _onSliderMoved(self, position: int) -> None:
        value = min(self._high, self._low + position * self._step)
        if self._tracking or not self._slider.sliderDown:
            self.setValue(value)
        else:
            self.valueIsChanging.emit(value)

    def _onReleased(self) -> None:
        self.sliderReleased.emit()
        self._onSliderMoved(self._slider.value)

    def setValue(self, value: float) -> None:
        value = min(max(float(value), self._low), self._high)
        if value == self._value:
            return
        self._value = value
        self._updateSlider()
        self.valueChanged.emit(value)

    def setMinimum(self, minimum: float) -> None:
        self.setRange(minimum, max(self._high, minimum))

    def setMaximum(self, maximum: float) -> None:
        self.setRange(min(self._low, maximum), maximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        if (minimum, maximum) == (self._low, self._high):
            return
        self._low, self._high = float(minimum), float(maximum)
        self._updateSlider()
        self.rangeChanged.emit(self._low, self._high)
        self.setValue(self._value)

    def setSingleStep(self, step: float) -> None:
        if step <= 0:
            raise ValueError(f"The single step of a slider must be positive, got {step}")
        self._step = float(step)
        self._updateSlider()

    def setPageStep(self, step: float) -> None:
        self._page = float(step)
        self._updateSlider()

    def setTracking(self, tracking: bool) -> None:
        self._tracking = bool(tracking)

    def setOrientation(self, orientation: QtCore.Qt.Orientation) -> None:
        self._slider.setOrientation(orientation)

    value = QtCore.Property(float, lambda self: self._value, setValue)
    minimum = QtCore.Property(float, lambda self: self._low, setMinimum)
    maximum = QtCore.Property(float, lambda self: self._high, setMaximum)
    singleStep = QtCore.Property(float, lambda self: self._step, setSingleStep)
    pageStep = QtCore.Property(float, lambda self: self._page, setPageStep)
    tracking = QtCore.Property(bool, lambda self: self._tracking, setTracking)
    orientation = QtCore.Property(QtCore.Qt.Orientation, lambda self: self._slider.orientation, setOrientation)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box; `value` is rounded to `decimals`."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = ctkDoubleSlider(QtCore.Qt.Horizontal, self)
        self._spinBox = ctkDoubleSpinBox(self)
        self._spinBox.setKeyboardTracking(False)
        self._spinBox.setRange(0.0, 99.0)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spinBox)
        self.setFocusProxy(self._spinBox)
        self._value = 0.0
        self._slider.valueChanged.connect(self.setValue)
        self._slider.valueIsChanging.connect(self.valueIsChanging.emit)
        self._spinBox.valueChanged.connect(self.setValue)

    def setValue(self, value: float) -> None:
        value = round(min(max(float(value), self._slider.minimum), self._slider.maximum), self._spinBox.decimals)
        for widget in (self._slider, self._spinBox):
            blocked = widget.blockSignals(True)
            widget.setValue(value)
            widget.blockSignals(blocked)
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        changed = (minimum, maximum) != (self._slider.minimum, self._slider.maximum)
        blocked = self._slider.blockSignals(True), self._spinBox.blockSignals(True)
        self._slider.setRange(minimum, maximum)
        self._spinBox.setRange(minimum, maximum)
        self._slider.blockSignals(blocked[0])
        self._spinBox.blockSignals(blocked[1])
        if changed:
            self.rangeChanged.emit(minimum, maximum)
        self.setValue(self._value)

    def setMinimum(self, minimum: float) -> None:
        self.setRange(minimum, max(self._slider.maximum, minimum))

    def setMaximum(self, maximum: float) -> None:
        self.setRange(min(self._slider.minimum, maximum), maximum)

    def setSingleStep(self, step: float) -> None:
        self._slider.setSingleStep(step)
        self._spinBox.setSingleStep(step)
        self.setValue(self._value)

    def setPageStep(self, step: float) -> None:
        self._slider.setPageStep(step)

    def setDecimals(self, decimals: int) -> None:
        self._spinBox.setDecimals(decimals)
        self.setValue(self._value)

    def setSuffix(self, suffix: str) -> None:
        self._spinBox.setSuffix(suffix)

    def setPrefix(self, prefix: str) -> None:
        self._spinBox.setPrefix(prefix)

    def setTracking(self, tracking: bool) -> None:
        self._slider.setTracking(tracking)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spinBox.setVisible(visible)

    def slider(self) -> ctkDoubleSlider:
        return self._slider

    def spinBox(self) -> ctkDoubleSpinBox:
        return self._spinBox

    value = QtCore.Property(float, lambda self: self._value, setValue)
    minimum = QtCore.Property(float, lambda self: self._slider.minimum, setMinimum)
    maximum = QtCore.Property(float, lambda self: self._slider.maximum, setMaximum)
    singleStep = QtCore.Property(float, lambda self: self._slider.singleStep, setSingleStep)
    pageStep = QtCore.Property(float, lambda self: self._slider.pageStep, setPageStep)
    decimals = QtCore.Property(int, lambda self: self._spinBox.decimals, setDecimals)
    suffix = QtCore.Property(str, lambda self: self._spinBox.suffix, setSuffix)
    prefix = QtCore.Property(str, lambda self: self._spinBox.prefix, setPrefix)
    tracking = QtCore.Property(bool, lambda self: self._slider.tracking, setTracking)
    spinBoxVisible = QtCore.Property(bool, lambda self: not self._spinBox.isHidden(), setSpinBoxVisible)


class ctkRangeWidget(QtWidgets.QWidget):
    """Two spin boxes for the ends of a range (CTK's two-handled slider is not drawn)."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes = ctkDoubleSpinBox(self), ctkDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in self._boxes:
            box.setRange(0.0, 99.0)
            layout.addWidget(box)
        self._values = (0.0, 99.0)
        self._boxes[1].setValue(99.0)
        for box in self._boxes:
            box.valueChanged.connect(lambda _value: self.setValues(self._boxes[0].value, self._boxes[1].value))

    def setValues(self, low: float, high: float) -> None:
        low, high = min(low, high), max(low, high)
        for box, value in zip(self._boxes, (low, high), strict=True):
            blocked = box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(blocked)
        before, self._values = self._values, (self._boxes[0].value, self._boxes[1].value)
        if self._values[0] != before[0]:
            self.minimumValueChanged.emit(self._values[0])
        if self._values[1] != before[1]:
            self.maximumValueChanged.emit(self._values[1])
        if self._values != before:
            self.valuesChanged.emit(*self._values)

    def setMinimumValue(self, value: float) -> None:
        self.setValues(value, max(value, self._values[1]))

    def setMaximumValue(self, value: float) -> None:
        self.setValues(min(value, self._values[0]), value)

    def setRange(self, minimum: float, maximum: float) -> None:
        for box in self._boxes:
            blocked = box.blockSignals(True)
            box.setRange(minimum, maximum)
            box.blockSignals(blocked)
        self.setValues(self._boxes[0].value, self._boxes[1].value)

    def setMinimum(self, minimum: float) -> None:
        self.setRange(minimum, max(minimum, self._boxes[0].maximum))

    def setMaximum(self, maximum: float) -> None:
        self.setRange(min(maximum, self._boxes[0].minimum), maximum)

    def setSingleStep(self, step: float) -> None:
        for box in self._boxes:
            box.setSingleStep(step)

    def setDecimals(self, decimals: int) -> None:
        for box in self._boxes:
            box.setDecimals(decimals)

    minimumValue = QtCore.Property(float, lambda self: self._values[0], setMinimumValue)
    maximumValue = QtCore.Property(float, lambda self: self._values[1], setMaximumValue)
    minimum = QtCore.Property(float, lambda self: self._boxes[0].minimum, setMinimum)
    maximum = QtCore.Property(float, lambda self: self._boxes[0].maximum, setMaximum)
    singleStep = QtCore.Property(float, lambda self: self._boxes[0].singleStep, setSingleStep)
    decimals = QtCore.Property(int, lambda self: self._boxes[0].decimals, setDecimals)
