"""Loading of .ui files that is as strict as a reviewer: what Qt would skip in silence is recorded as an error."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import qt_objects
from .errors_caught import USER_INTERFACE, errors
from .qt_classes import CLASSES, QObject
from .qt_methods import find_by_name
from .qt_signals import connect, normalized

# Name of a widget class -> class: CTK's and MRML's, filled when the runtime boots.
widget_classes: dict[str, type] = {}


class QUiLoader(QtUiTools.QUiLoader):
    """Makes the widgets of a .ui file, connects them with PythonQt's rules and reports what does not fit."""

    def load(self, source: Any, parent: QtWidgets.QWidget | None = None) -> QtWidgets.QWidget:
        path = source if isinstance(source, str) else QtCore.QFile.fileName(source)
        tree = ElementTree.parse(path).getroot()  # noqa: S314
        connections = _take_connections(tree)
        self._made: list[QtWidgets.QWidget] = []
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        qt_objects.loading_depth += 1
        try:
            top = super().load(buffer, parent)
        finally:
            qt_objects.loading_depth -= 1
        top.__dict__["_made_by_loader"] = self._made
        for connection in connections:
            _make_connection(top, **connection)
        for widget in tree.iter("widget"):
            _check_properties(top, widget)
        return top

    def createWidget(self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = "") -> Any:
        depth, qt_objects.loading_depth = qt_objects.loading_depth, 0  # constructors do set attributes
        try:
            widget = self._create(class_name, parent, name)
        finally:
            qt_objects.loading_depth = depth
        QObject.setObjectName(widget, name)
        self._made.append(widget)
        return widget

    def _create(self, class_name: str, parent: QtWidgets.QWidget | None, name: str) -> Any:
        if class_name == "Line":  # Designer's name for a frame drawn as a line
            return super().createWidget("Line", parent, name)
        cls = widget_classes.get(class_name) or CLASSES.get(class_name)
        if cls is None:
            errors.record(USER_INTERFACE, f"{name} is of the unknown class {class_name}")
            return super().createWidget("QFrame", parent, name)
        return cls(parent)


def _take_connections(tree: ElementTree.Element) -> list[dict[str, str]]:
    section = tree.find("connections")
    if section is None:
        return []
    tree.remove(section)
    names = ("sender", "signal", "receiver", "slot")
    return [{name: entry.findtext(name, "") for name in names} for entry in section]


def _make_connection(top: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    source, target = find_by_name(top, sender), find_by_name(top, receiver)
    method = slot.partition("(")[0]
    fits = source is not None and target is not None and hasattr(target, method) and _arguments_fit(signal, slot)
    if not fits or not connect(source, signal, getattr(target, method)):
        errors.record(USER_INTERFACE, f"cannot connect {sender}.{signal} to {receiver}.{slot}")


def _arguments_fit(signal: str, slot: str) -> bool:
    given, taken = _argument_types(signal), _argument_types(slot)
    return taken == given[: len(taken)]


def _argument_types(signature: str) -> list[str]:
    inside = normalized(signature).partition("(")[2].rstrip(")")
    return inside.split(",") if inside else []


def _check_properties(top: QtWidgets.QWidget, described: ElementTree.Element) -> None:
    name = described.get("name", "")
    widget = find_by_name(top, name)
    if widget is None:
        errors.record(USER_INTERFACE, f"{name} was not made")
        return
    meta = QObject.metaObject(widget)
    for entry in described.findall("property"):
        if (described.get("class"), entry.get("name")) == ("QLabel", "buddy"):
            _check_buddy(top, name, entry.findtext("cstring", ""))
            continue
        is_designers = described.get("class") == "Line" and entry.get("name") == "orientation"
        is_dynamic = entry.get("stdset") == "0"
        if not is_designers and not is_dynamic and meta.indexOfProperty(entry.get("name", "")) < 0:
            errors.record(USER_INTERFACE, f"{name} ({described.get('class')}) has no property {entry.get('name')}")


def _check_buddy(top: QtWidgets.QWidget, label: str, buddy: str) -> None:
    if find_by_name(top, buddy) is None:
        errors.record(USER_INTERFACE, f"{label} has the buddy {buddy}, which does not exist")
