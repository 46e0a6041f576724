"""CTK's widgets for numbers: a slider with a spin box, and a range."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from .qt_classes import stands_for_cpp
from .widget_properties import forwarded_properties, value_properties


class Row(QtWidgets.QWidget):
    """A widget that lays its parts out in one row."""

    def lay_out(self, *parts: QtWidgets.QWidget) -> None:
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for part in parts:
            row.addWidget(part)


@stands_for_cpp
class ctkSliderWidget(Row):
    """A slider with a spin box; the spin box keeps the value."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, self._STEPS)
        self.lay_out(self._slider, self._box)
        self._box.connect("valueChanged(double)", self._on_box)
        self._slider.connect("sliderMoved(int)", self._on_slider)

    locals().update(
        forwarded_properties(
            "_box",
            value=float,
            minimum=float,
            maximum=float,
            singleStep=float,
            decimals=int,
            prefix=str,
            suffix=str,
        )
    )
    locals().update(
        value_properties(tracking=(bool, True), pageStep=(float, 1.0), spinBoxVisible=(bool, True), quantity=(str, ""))
    )

    def setRange(self, low: float, high: float) -> None:
        self._box.setRange(low, high)

    def _on_box(self, value: float) -> None:
        span = self.maximum - self.minimum
        self._slider.value = round(self._STEPS * (value - self.minimum) / span) if span else 0
        self.valueChanged(value)

    def _on_slider(self, position: int) -> None:
        self._box.value = self.minimum + position / self._STEPS * (self.maximum - self.minimum)
        self.valueIsChanging(self._box.value)


@stands_for_cpp
class ctkRangeWidget(Row):
    """Two spin boxes for a lower and an upper value."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        self.lay_out(self._low, self._high)
        self.setRange(0.0, 99.0)
        self.setValues(0.0, 99.0)
        self._low.connect("valueChanged(double)", self._on_low)
        self._high.connect("valueChanged(double)", self._on_high)

    def setRange(self, low: float, high: float) -> None:
        self._low.setRange(low, high)
        self._high.setRange(low, high)

    def setValues(self, low: float, high: float) -> None:
        self._low.value = min(low, high)
        self._high.value = max(low, high)

    def _set_decimals(self, decimals: int) -> None:
        self._low.decimals = self._high.decimals = decimals

    def _set_step(self, step: float) -> None:
        self._low.singleStep = self._high.singleStep = step

    minimum = QtCore.Property(float, lambda self: self._low.minimum, lambda self, low: self.setRange(low, self.maximum))
    maximum = QtCore.Property(float, lambda self: self._low.maximum, lambda self, top: self.setRange(self.minimum, top))
    decimals = QtCore.Property(int, lambda self: self._low.decimals, _set_decimals)
    singleStep = QtCore.Property(float, lambda self: self._low.singleStep, _set_step)
    minimumValue = QtCore.Property(
        float, lambda self: self._low.value, lambda self, low: self.setValues(low, self.maximumValue)
    )
    maximumValue = QtCore.Property(
        float, lambda self: self._high.value, lambda self, top: self.setValues(self.minimumValue, top)
    )

    def _on_low(self, value: float) -> None:
        self._high.value = max(value, self._high.value)
        self.minimumValueChanged(value)
        self.valuesChanged(self._low.value, self._high.value)

    def _on_high(self, value: float) -> None:
        self._low.value = min(value, self._low.value)
        self.maximumValueChanged(value)
        self.valuesChanged(self._low.value, self._high.value)
