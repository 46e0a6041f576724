"""Which widget can show a parameter of which type, and how its value is read, written and followed.

The pairs are Slicer's own: the widget's class has to be exactly the one named, so a panel that Slicer would refuse is
refused here too.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import ctk
import qt
import slicer

from .parameter_types import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    NodeStore,
    SingleStep,
    UnionStore,
    WithinRange,
    find_annotation,
    make_store,
    split_annotated,
)


class Connector:
    """A widget seen as a value of one type: ``signal`` tells of changes, ``read`` and ``write`` are the value."""

    def __init__(self, widget: Any, signal: Any, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self.widget, self.signal, self.read, self.write = widget, signal, read, write
        self._callback: Callable[[], None] | None = None

    def on_changed(self, callback: Callable[[], None] | None) -> None:
        if self._callback is not None:
            self.signal.disconnect(self._callback)
        self._callback = callback
        if callback is not None:
            self.signal.connect(callback)


def make_connector(widget: Any, kind: Any) -> Connector:
    """The connector of a widget for a (possibly annotated) type.

    Raises:
        RuntimeError: This widget cannot show that type.
    """
    plain, annotations = split_annotated(kind)
    for fits, make in _MAKERS:
        if fits(type(widget), plain):
            return make(widget, plain, annotations)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")


def _of_property(name: str, signal: str) -> Callable:
    def make(widget: Any, _kind: Any, _annotations: tuple) -> Connector:
        return Connector(
            widget, getattr(widget, signal), lambda: getattr(widget, name), lambda value: setattr(widget, name, value)
        )

    return make


def _push_button(widget: Any, kind: Any, annotations: tuple) -> Connector:
    widget.checkable = True
    return _of_property("checked", "toggled")(widget, kind, annotations)


def _number(widget: Any, kind: Any, annotations: tuple) -> Connector:
    decimals, step = find_annotation(annotations, Decimals), find_annotation(annotations, SingleStep)
    if decimals is not None:
        widget.decimals = decimals.value
    if step is not None:
        widget.singleStep = step.value
    low, high = _limits(annotations)
    if (low is None or high is None) and type(widget) in (qt.QSlider, ctk.ctkSliderWidget):
        raise RuntimeError("a slider needs a parameter with a lower and an upper limit")
    unlimited = 2**31 - 1 if kind is int else float("inf")
    widget.minimum = -unlimited if low is None else low
    widget.maximum = unlimited if high is None else high
    return _of_property("value", "valueChanged")(widget, kind, annotations)


def _limits(annotations: tuple) -> tuple[float | None, float | None]:
    within = find_annotation(annotations, WithinRange)
    if within is not None:
        return within.minimum, within.maximum
    low, high = find_annotation(annotations, Minimum), find_annotation(annotations, Maximum)
    return (low.minimum if low else None), (high.maximum if high else None)


def _choices(widget: Any, _kind: Any, annotations: tuple) -> Connector:
    choice = find_annotation(annotations, Choice)
    if choice is None:
        raise RuntimeError("a combo box needs a parameter with the annotation Choice")
    return _combo_box(widget, {value: str(value) for value in choice.choices})


def _enum(widget: Any, kind: type[enum.Enum], _annotations: tuple) -> Connector:
    label = getattr(kind, "label", lambda member: member.name)
    return _combo_box(widget, {member: label(member) for member in kind})


def _combo_box(widget: Any, labels: dict[Any, str]) -> Connector:
    values = list(labels)
    widget.clear()
    for label in labels.values():
        widget.addItem(label)

    def write(value: Any) -> None:
        widget.currentIndex = values.index(value)

    return Connector(widget, widget.currentIndexChanged, lambda: values[widget.currentIndex], write)


def _text(widget: Any, _kind: Any, _annotations: tuple) -> Connector:
    return Connector(widget, widget.textChanged, widget.toPlainText, widget.setPlainText)


def _path(name: str) -> Callable:
    def make(widget: Any, kind: type, _annotations: tuple) -> Connector:
        return Connector(
            widget,
            getattr(widget, name + "Changed"),
            lambda: kind(getattr(widget, name)),
            lambda value: setattr(widget, name, str(value)),
        )

    return make


def _node(widget: Any, kind: Any, _annotations: tuple) -> Connector:
    widget.nodeTypes = _node_types(kind)
    return Connector(widget, widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


def _node_types(kind: Any) -> list[str]:
    store = make_store(kind)
    stores = store.stores if isinstance(store, UnionStore) else [store]
    return [part.kind.__name__ for part in stores if isinstance(part, NodeStore)]


def _is_node(kind: Any) -> bool:
    try:
        return bool(_node_types(kind))
    except TypeError:
        return False


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda kind: kind in kinds


def _is_subclass(base: type) -> Callable[[Any], bool]:
    return lambda kind: isinstance(kind, type) and issubclass(kind, base)


def _pair(widgets: tuple[type, ...], fits_kind: Callable[[Any], bool]) -> Callable[[type, Any], bool]:
    return lambda widget, kind: widget in widgets and fits_kind(kind)


# (does this widget class with this type fit, maker); the first that fits
_MAKERS = (
    (_pair((qt.QCheckBox,), _is(bool)), _of_property("checked", "stateChanged")),
    (_pair((qt.QPushButton,), _is(bool)), _push_button),
    (_pair((qt.QSlider, qt.QSpinBox), _is(int)), _number),
    (_pair((qt.QDoubleSpinBox, ctk.ctkSliderWidget), _is(float)), _number),
    (_pair((qt.QComboBox,), _is(int, float, str, bool)), _choices),
    (_pair((qt.QComboBox,), _is_subclass(enum.Enum)), _enum),
    (_pair((qt.QLineEdit,), _is(str)), _of_property("text", "textChanged")),
    (_pair((qt.QTextEdit,), _is(str)), _text),
    (_pair((ctk.ctkPathLineEdit,), _is_subclass(PurePath)), _path("currentPath")),
    (_pair((ctk.ctkDirectoryButton,), _is_subclass(PurePath)), _path("directory")),
    (_pair((slicer.qMRMLNodeComboBox,), _is_node), _node),
)
