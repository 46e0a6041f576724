"""The CTK widgets a module panel is made of, as far as a module can tell the difference."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .ctk_numbers import Row, ctkRangeWidget, ctkSliderWidget
from .errors_caught import BLOCKED, errors
from .qt_classes import QObject, is_kind_of, stands_for_cpp
from .widget_properties import value_properties

_HEADER_HEIGHT = 24
_UNLIMITED = (1 << 24) - 1  # QWIDGETSIZE_MAX


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
            self.setMaximumHeight(_UNLIMITED)
            for child in self._hidden_by_us:
                child.setVisible(True)
            self._hidden_by_us = []
        else:
            self._hide_children()
        self.contentsCollapsed(not opened)

    def _hide_children(self) -> None:
        # What sizeHint() of ctkCollapsibleButton.cpp comes to.
        self.setMaximumHeight(_HEADER_HEIGHT + self.collapsedHeight)
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


@stands_for_cpp
class ctkPathLineEdit(Row):
    """A line for a path with a browse button."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    Dirs, Files, Readable, Writable, Executable = 0x1, 0x2, 0x10, 0x20, 0x40

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit(self)
        browse = QtWidgets.QToolButton(self)
        browse.setText("...")
        self.lay_out(self._line, browse)
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
    locals().update(
        value_properties(
            directory=(str, ""), caption=(str, ""), elideMode=("QVariant", QtCore.Qt.TextElideMode.ElideNone)
        )
    )

    def _value_changed(self, name: str, value: str) -> None:
        if name == "directory":
            self.setText(value)
            self.directoryChanged(value)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter, option = QtWidgets.QStylePainter(self), QtWidgets.QStyleOptionButton()
        self.initStyleOption(option)
        mode = QtCore.Qt.TextElideMode(int(self.elideMode))
        option.text = self.fontMetrics().elidedText(option.text, mode, self.width - 12)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButton, option)


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
    """A combo box with a text for "nothing chosen", and one that shortens a text that is too long."""

    locals().update(
        value_properties(
            defaultText=(str, ""), forceDefault=(bool, False), elideMode=("QVariant", QtCore.Qt.TextElideMode.ElideNone)
        )
    )

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter, option = QtWidgets.QStylePainter(self), QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        style = QtWidgets.QStyle
        field = self.style().subControlRect(
            style.ComplexControl.CC_ComboBox, option, style.SubControl.SC_ComboBoxEditField, self
        )
        mode = QtCore.Qt.TextElideMode(int(self.elideMode))
        option.currentText = self.fontMetrics().elidedText(option.currentText, mode, field.width())
        painter.drawComplexControl(style.ComplexControl.CC_ComboBox, option)
        painter.drawControl(style.ControlElement.CE_ComboBoxLabel, option)


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

    def click(self) -> None:
        """A mouse click beside the arrow does not open the menu; this does, and returns when a person has closed it."""
        if self.menu() is None:
            QtWidgets.QPushButton.click(self)
        else:
            errors.record(BLOCKED, f"the menu of the button {self.text!r} is open")


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
