"""``slicer.parameterNodeWrapper``: typed access to a parameter node, and widgets that follow it.

A class decorated with :func:`parameterNodeWrapper` is given a ``vtkMRMLScriptedModuleNode``. Its annotated members are
parameters: reading one reads the node, writing one checks the value and writes the node. What is in the scene is all
there is, so saving and loading the scene brings the values back.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt
import slicer
import vtk

from .parameter_gui import Connector, make_connector
from .parameter_types import (
    Choice,
    Decimals,
    Default,
    Maximum,
    Minimum,
    SingleStep,
    WithinRange,
    find_annotation,
    make_store,
    split_annotated,
)

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Maximum",
    "Minimum",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "WithinRange",
    "findChildWidgetForParameter",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]

SlicerParameterNamePropertyName = "SlicerParameterName"


@dataclass(frozen=True)
class Parameter:
    """One annotated member of a wrapper class."""

    name: str
    kind: Any
    annotations: tuple
    store: Any
    default: Any

    def write(self, node: Any, name: str, value: Any) -> None:
        if not self.store.accepts(value):
            raise TypeError(f"parameter {self.name} cannot be {value!r} of type {type(value).__name__}")
        for annotation in self.annotations:
            if hasattr(annotation, "validate"):
                annotation.validate(value)
        self.store.write(node, name, value)

    def read(self, node: Any, name: str) -> Any:
        if not self.store.is_in(node, name):
            self.write(node, name, self.default)
        return self.store.read(node, name)


def parameterNodeWrapper(cls: type | None = None) -> Any:
    """Class decorator, with or without parentheses."""
    return _wrap if cls is None else _wrap(cls)


def isParameterNodeWrapper(value: Any) -> bool:
    return bool(getattr(value, "_is_parameter_node_wrapper", False))


def findChildWidgetForParameter(widget: Any, name: str) -> Any:
    every = widget.findChildren(qt.QWidget)
    return next((child for child in every if child.property(SlicerParameterNamePropertyName) == name), None)


def _wrap(cls: type) -> type:
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: _make_parameter(cls, name, kind) for name, kind in hints.items()}
    for name, parameter in parameters.items():
        setattr(cls, name, _accessor(parameter))
    for name, member in {"allParameters": parameters, "_is_parameter_node_wrapper": True, **_METHODS}.items():
        if name in vars(cls):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(cls, name, member)
    cls.__init__ = _initialise
    return cls


def _make_parameter(cls: type, name: str, kind: Any) -> Parameter:
    plain, annotations = split_annotated(kind)
    store = make_store(plain)
    default = find_annotation(annotations, Default)
    value = getattr(cls, name) if hasattr(cls, name) else (default.value if default else store.default())
    return Parameter(name, kind, annotations, store, value)


def _accessor(parameter: Parameter) -> property:
    def read(self: Any) -> Any:
        return parameter.read(self.parameterNode, self._prefix + parameter.name)

    def write(self: Any, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            parameter.write(self.parameterNode, self._prefix + parameter.name, value)

    return property(read, write)


def _initialise(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
    self.parameterNode = parameterNode
    self._prefix = prefix or ""
    self._guis: dict[int, tuple[dict[str, Connector], int]] = {}
    self._showing = False
    for name in self.allParameters:
        getattr(self, name)  # writes the default into a node that has no value


def _parameter(self: Any, name: str) -> Parameter:
    if name not in self.allParameters:
        raise ValueError(f"Cannot find a param with the given name: {name}; there are {', '.join(self.allParameters)}")
    return self.allParameters[name]


def _connect_gui(self: Any, gui: Any) -> int:
    """Connect every widget that has the dynamic property SlicerParameterName; ``gui`` is a widget or the ``ui``."""
    is_widget = getattr(gui, "isWidgetType", lambda: False)()
    widgets = gui.findChildren(qt.QWidget) if is_widget else vars(gui).values()
    named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
    return self.connectParametersToGui({name: widget for name, widget in named.items() if name})


def _connect_parameters_to_gui(self: Any, widgets: dict[str, Any]) -> int:
    connectors = {name: make_connector(widget, self.dataType(name)) for name, widget in widgets.items()}
    for name, connector in connectors.items():
        connector.write(self.getValue(name))
        connector.on_changed(_writer(self, name, connector))
    observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: _show(self))
    tag = max(self._guis, default=-1) + 1
    self._guis[tag] = (connectors, observer)
    return tag


def _disconnect_gui(self: Any, tag: int) -> None:
    connectors, observer = self._guis.pop(tag, ({}, None))
    for connector in connectors.values():
        connector.on_changed(None)
    if observer is not None:
        self.RemoveObserver(observer)


def _writer(self: Any, name: str, connector: Connector) -> Callable[[], None]:
    def on_widget_changed() -> None:
        if not self._showing:
            self.setValue(name, connector.read())

    return on_widget_changed


def _show(self: Any) -> None:
    """Write the node's values to the connected widgets."""
    if self._showing:
        return
    self._showing = True
    try:
        for connectors, _ in list(self._guis.values()):
            for name, connector in connectors.items():
                connector.write(self.getValue(name))
    finally:
        self._showing = False


def _set_value(self: Any, name: str, value: Any) -> None:
    setattr(self, _parameter(self, name).name, value)


_METHODS: dict[str, Any] = {
    "connectGui": _connect_gui,
    "connectParametersToGui": _connect_parameters_to_gui,
    "disconnectGui": _disconnect_gui,
    "getValue": lambda self, name: getattr(self, _parameter(self, name).name),
    "setValue": _set_value,
    "dataType": lambda self, name: _parameter(self, name).kind,
    "default": lambda self, name: Default(_parameter(self, name).default),
    "isCached": lambda self, name: False,
    "StartModify": lambda self: self.parameterNode.StartModify(),
    "EndModify": lambda self, was: self.parameterNode.EndModify(was),
    "AddObserver": lambda self, event, callback, priority=0.0: self.parameterNode.AddObserver(
        event, callback, priority
    ),
    "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
    "Modified": lambda self: self.parameterNode.Modified(),
}
