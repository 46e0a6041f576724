"""The CTK widgets a module panel is made of, as far as a module can tell the difference."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .qt_classes import QObject, is_kind_of, stands_for_cpp
from .widget_properties import forwarded_properties, value_properties

_HEADER_HEIGHT = 24


@stands_for_cpp
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A header that shows or hides the children below it; checked means open."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*[a for a in arguments if not isinstance(a, str)])
        self._hidden_by_us: list[QtWidgets.QWidget] = []
        self.setText(next((a for a in arguments if isinstance(a, str)), ""))
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, _HEADER_HEIGHT, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Preferred)
        self.connect("toggled(bool)", self._on_toggled)

    def _is_collapsed(self) -> bool:
        return not self.checked

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _is_collapsed, setCollapsed)
    locals().update(
        value_properties(flat=(bool, False), collapsedHeight=(int, 10), contentsFrameShape=("QVariant", None))
    )

    def _on_toggled(self, opened: bool) -> None:
        if opened:
            for child in self._hidden_by_us:
                child.setVisible(True)
            self._hidden_by_us = []
        else:
            self._hide_children()
        self.contentsCollapsed(not opened)

    def _hide_children(self) -> None:
        for child in QObject.children(self):
            if is_kind_of(child, QtWidgets.QWidget) and not child.isHidden():
                self._hidden_by_us.append(child)
                child.setVisible(False)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        if self.collapsed:  # a .ui file collapses it before the children exist
            self._hide_children()
        super().showEvent(event)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < _HEADER_HEIGHT

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, _HEADER_HEIGHT - 2)
        option.text = ("\u25b8 " if self.collapsed else "\u25be ") + self.text
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButton, option)


class _Row(QtWidgets.QWidget):
    """A widget that lays its parts out in one row."""

    def _lay_out(self, *parts: QtWidgets.QWidget) -> None:
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for part in parts:
            row.addWidget(part)


@stands_for_cpp
class ctkSliderWidget(_Row):
    """A slider with a spin box; the spin box keeps the value."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, self._STEPS)
        self._lay_out(self._slider, self._box)
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
class ctkRangeWidget(_Row):
    """Two spin boxes for a lower and an upper value."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        self._lay_out(self._low, self._high)
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


@stands_for_cpp
class ctkPathLineEdit(_Row):
    """A line for a path with a browse button."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    Dirs, Files, Readable, Writable, Executable = 0x1, 0x2, 0x10, 0x20, 0x40

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit(self)
        browse = QtWidgets.QToolButton(self)
        browse.setText("...")
        self._lay_out(self._line, browse)
        self._line.connect("textChanged(QString)", lambda path: self.currentPathChanged(path))

    def setCurrentPath(self, path: str) -> None:
        self._line.text = path

    def addCurrentPathToHistory(self) -> None:
        pass

    currentPath = QtCore.Property(str, lambda self: self._line.text, setCurrentPath)
    locals().update(
        value_properties(
            filters=("QVariant", 0x32),
            nameFilters=("QStringList", []),
            settingKey=(str, ""),
            label=(str, ""),
            showBrowseButton=(bool, True),
            showHistoryButton=(bool, True),
        )
    )


@stands_for_cpp
class ctkDirectoryButton(QtWidgets.QPushButton):
    """A button that shows a folder."""

    directoryChanged = QtCore.Signal(str)
    locals().update(value_properties(directory=(str, ""), caption=(str, "")))

    def _value_changed(self, name: str, value: str) -> None:
        if name == "directory":
            self.directoryChanged(value)


@stands_for_cpp
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows a colour."""

    colorChanged = QtCore.Signal(QtGui.QColor)
    locals().update(value_properties(color=("QColor", QtGui.QColor()), displayColorName=(bool, True)))

    def _value_changed(self, name: str, value: QtGui.QColor) -> None:
        if name == "color":
            self.colorChanged(value)


@stands_for_cpp
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for "nothing chosen"."""

    locals().update(value_properties(defaultText=(str, ""), forceDefault=(bool, False)))


@stands_for_cpp
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box with a "don't show again" setting."""

    locals().update(value_properties(dontShowAgainSettingsKey=(str, "")))


@stands_for_cpp
class ctkExpandableWidget(QtWidgets.QFrame):
    """A frame with a size grip."""


@stands_for_cpp
class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu beside it."""


@stands_for_cpp
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line edit with a magnifying glass."""


@stands_for_cpp
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as high as its text."""

    locals().update(value_properties(collapsed=(bool, True), collapsibleText=(str, "")))


class ctkWidgetsUtils:
    """Helpers of CTK."""

    @staticmethod
    def grabWidget(widget: QtWidgets.QWidget) -> QtGui.QImage:
        return widget.grab().toImage()


WIDGETS: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        ctkCollapsibleButton,
        ctkColorPickerButton,
        ctkComboBox,
        ctkDirectoryButton,
        ctkExpandableWidget,
        ctkFittedTextBrowser,
        ctkMenuButton,
        ctkMessageBox,
        ctkPathLineEdit,
        ctkRangeWidget,
        ctkSearchBox,
        ctkSliderWidget,
    )
}
