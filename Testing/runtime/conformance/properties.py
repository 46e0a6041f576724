"""Properties of widgets: read as values, written by assignment, converted as PythonQt does."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import qt

from .asking import assign_and_read, button, call_and_read, checkable_button, set_and_read


def _checked() -> Any:
    made = checkable_button()
    made.checked = True
    return (made.checked, made.isChecked())


def _progress_bar() -> Any:
    made = qt.QProgressBar()
    made.setRange(0, 100)
    return made


def _named() -> Any:
    made = button()
    made.setObjectName("q")
    return (made.objectName, made.name)


def _with_property(name: str, value: Any) -> Any:
    widget = qt.QWidget()
    widget.setProperty(name, value)
    return widget


def _slider() -> Any:
    made = qt.QSlider(qt.Qt.Horizontal)
    made.minimum = 0
    made.maximum = 50
    made.value = 99
    return made.value


def _aligned(alignment: Any) -> Any:
    label = qt.QLabel()
    label.setAlignment(alignment)
    return int(label.alignment)


def _aligned_by_property() -> Any:
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignCenter
    return int(label.alignment)


def _frame_shape() -> Any:
    frame = qt.QFrame()
    frame.setFrameShape(qt.QFrame.HLine)
    return int(frame.frameShape)


def _spin_box() -> Any:
    box = qt.QSpinBox()
    box.setRange(1, 9)
    box.suffix = " mm"
    return (box.minimum, box.maximum, box.text)


def _double_spin_box() -> Any:
    box = qt.QDoubleSpinBox()
    box.decimals = 3
    box.singleStep = 0.1
    return (box.decimals, box.singleStep)


def _icon() -> Any:
    made = button()
    made.icon = qt.QIcon(qt.QPixmap(3, 3))
    return made.icon.isNull()


def _icon_size() -> Any:
    made = button()
    made.iconSize = qt.QSize(9, 9)
    return made.iconSize.width()


def _shown() -> Any:
    widget = qt.QWidget()
    widget.setVisible(True)
    return (widget.isVisible(), widget.isHidden())


def _fixed_size() -> Any:
    widget = qt.QWidget()
    widget.setFixedSize(10, 20)
    return (widget.width, widget.height)


def _popup_mode() -> Any:
    made = qt.QToolButton()
    made.popupMode = qt.QToolButton.InstantPopup
    return int(made.popupMode)


def _pixmap() -> Any:
    label = qt.QLabel()
    label.setPixmap(qt.QPixmap(4, 4))
    return type(label.pixmap).__name__


def _set_existing_property() -> Any:
    made = button()
    made.setProperty("text", "z")
    return made.text


PROBES: dict[str, Callable[[], Any]] = {
    "QPushButton.text": lambda: button().text,
    "QPushButton.text()": lambda: button().text(),
    "QPushButton.enabled": lambda: button().enabled,
    "QPushButton.isEnabled()": lambda: button().isEnabled(),
    "QPushButton.checkable=True;checked=True": _checked,
    "text='x'": set_and_read(button, "text", "x"),
    "text=3 (int)": set_and_read(button, "text", 3),
    "text=None": set_and_read(button, "text", None),
    "text=Path": set_and_read(button, "text", pathlib.Path("/a")),
    "setText(3)": call_and_read(button, "setText", 3, then="text"),
    "setText(None)": call_and_read(button, "setText", None, then="text"),
    "enabled=0": set_and_read(button, "enabled", 0),
    "enabled=None": set_and_read(button, "enabled", None),
    "enabled='x'": set_and_read(button, "enabled", "x"),
    "enabled=[1] (list)": set_and_read(button, "enabled", [1]),
    "setEnabled(None)": call_and_read(button, "setEnabled", None, then="enabled"),
    "setEnabled(node-like object)": call_and_read(button, "setEnabled", object(), then="enabled"),
    "enabled=np.bool_": set_and_read(button, "enabled", np.bool_(False)),
    "setEnabled(np.bool_)": call_and_read(button, "setEnabled", np.bool_(False), then="enabled"),
    "spin.value=np.int64(7)": set_and_read(qt.QSpinBox, "value", np.int64(7)),
    "spin.setValue(np.int64(7))": call_and_read(qt.QSpinBox, "setValue", np.int64(7), then="value"),
    "dspin.value=np.float32(1.5)": set_and_read(qt.QDoubleSpinBox, "value", np.float32(1.5)),
    "dspin.value=np.float64(1.5)": set_and_read(qt.QDoubleSpinBox, "value", np.float64(1.5)),
    "dspin.setValue(np.float32(1.5))": call_and_read(qt.QDoubleSpinBox, "setValue", np.float32(1.5), then="value"),
    "spin.value=3.7": set_and_read(qt.QSpinBox, "value", 3.7),
    "spin.setValue(3.7)": call_and_read(qt.QSpinBox, "setValue", 3.7, then="value"),
    "spin.value='5'": set_and_read(qt.QSpinBox, "value", "5"),
    "dspin.value=2": set_and_read(qt.QDoubleSpinBox, "value", 2),
    "progress.value=50.0": set_and_read(_progress_bar, "value", 50.0),
    "progress.setValue(50.5)": call_and_read(_progress_bar, "setValue", 50.5, then="value"),
    "unknown attr read": lambda: button().nosuch,
    "unknown attr write": set_and_read(button, "nosuch", 1),
    "unknown attr write object": set_and_read(button, "nosuch2", [1, {}]),
    "overwrite method attr (b.click=1)": set_and_read(button, "click", 1),
    "name get default": lambda: button().name,
    "name set -> objectName": assign_and_read(button, "name", "n1", then="objectName"),
    "objectName()": lambda: button().objectName(),
    "setObjectName": _named,
    "toolTip": set_and_read(button, "toolTip", "tt"),
    "visible (unshown)": lambda: button().visible,
    "hidden?": lambda: button().hidden,
    "width prop": lambda: isinstance(qt.QWidget().width, int),
    "width()": lambda: qt.QWidget().width(),
    "size type": lambda: type(qt.QWidget().size).__name__,
    "size.width()": lambda: isinstance(qt.QWidget().size.width(), int),
    "geometry type": lambda: type(qt.QWidget().geometry).__name__,
    "w.layout()": lambda: qt.QWidget().layout(),
    "w.parent()": lambda: qt.QWidget().parent(),
    "w.parentWidget()": lambda: qt.QWidget().parentWidget(),
    "w.windowTitle": set_and_read(qt.QWidget, "windowTitle", "t"),
    "w.styleSheet": set_and_read(qt.QWidget, "styleSheet", "color:red"),
    "w.minimumWidth=50": set_and_read(qt.QWidget, "minimumWidth", 50),
    "w.maximumHeight=": set_and_read(qt.QWidget, "maximumHeight", 77),
    "w.font type": lambda: type(qt.QWidget().font).__name__,
    "w.visible=True": set_and_read(qt.QWidget, "visible", True),
    "setVisible/isVisible": _shown,
    "w.setFixedSize": _fixed_size,
    "setProperty dyn -> attr": lambda: _with_property("SlicerParameterName", "abc").SlicerParameterName,
    "setProperty existing prop": _set_existing_property,
    "property()": lambda: _with_property("P", 3).property("P"),
    "property(missing)": lambda: qt.QWidget().property("zz"),
    "dynamicPropertyNames": lambda: [str(name) for name in _with_property("P", 3).dynamicPropertyNames()],
    "slider": _slider,
    "slider.orientation==": lambda: qt.QSlider(qt.Qt.Horizontal).orientation == qt.Qt.Horizontal,
    "groupbox.title": set_and_read(qt.QGroupBox, "title", "g"),
    "label.alignment=": _aligned_by_property,
    "setAlignment(int or)": lambda: _aligned(qt.Qt.AlignRight | qt.Qt.AlignVCenter),
    "QFrame.HLine": _frame_shape,
    "QSpinBox range/suffix": _spin_box,
    "QDoubleSpinBox decimals": _double_spin_box,
    "button.icon=": _icon,
    "iconSize=": _icon_size,
    "toolButton.popupMode": _popup_mode,
    "label.pixmap set": _pixmap,
    "layout.contentsMargins attr": lambda: callable(qt.QVBoxLayout().contentsMargins),
    "layout.spacing=": set_and_read(qt.QVBoxLayout, "spacing", 3),
}
