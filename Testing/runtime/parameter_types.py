"""How the values of a parameter node are checked and stored: text parameters and node references of the MRML node.

The stored form is Slicer's own, so that a scene saved by one is read by the other: ``str(value)`` for numbers and
paths, ``True``/``False``, the name of an enum member; a node is a reference beside an empty parameter; the alternatives
of an Optional are stored under ``<name>_0``, ``<name>_1``.
"""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import slicer


@dataclass(frozen=True)
class Default:
    """Annotation: the value before anybody sets one."""

    value: Any


@dataclass(frozen=True)
class WithinRange:
    """Annotation: from ``minimum`` to ``maximum``, both included."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if value is not None and not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


@dataclass(frozen=True)
class Minimum:
    """Annotation: not below."""

    minimum: float

    def validate(self, value: Any) -> None:
        if value is not None and value < self.minimum:
            raise ValueError(f"{value} is below {self.minimum}")


@dataclass(frozen=True)
class Maximum:
    """Annotation: not above."""

    maximum: float

    def validate(self, value: Any) -> None:
        if value is not None and value > self.maximum:
            raise ValueError(f"{value} is above {self.maximum}")


@dataclass(frozen=True)
class Choice:
    """Annotation: one of these."""

    choices: list

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"{value!r} is not one of {self.choices}")


@dataclass(frozen=True)
class Decimals:
    """Annotation: decimals shown by the widget."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """Annotation: step of the widget."""

    value: float


class TextStore:
    """Keeps a value as a text parameter."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def default(self) -> Any:
        return next(iter(self.kind)) if issubclass(self.kind, enum.Enum) else self.kind()

    def accepts(self, value: Any) -> bool:
        return isinstance(value, (int, float) if self.kind is float else self.kind)

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: Any, name: str) -> Any:
        text = node.GetParameter(name)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if issubclass(self.kind, enum.Enum) else self.kind(text)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class NodeStore:
    """Keeps a MRML node as a node reference; None is a value too."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def default(self) -> None:
        return None

    def accepts(self, value: Any) -> bool:
        return value is None or isinstance(value, self.kind)

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class NoneStore:
    """Keeps None, as one alternative of an Optional."""

    def default(self) -> None:
        return None

    def accepts(self, value: Any) -> bool:
        return value is None

    def is_in(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: Any, name: str, value: None) -> None:
        node.SetParameter(name, "True")

    def read(self, node: Any, name: str) -> None:
        return None

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class UnionStore:
    """Keeps a value of one of several types, each under a name of its own."""

    def __init__(self, stores: list[Any]) -> None:
        self.stores = stores

    def _named(self, name: str) -> list[tuple[Any, str]]:
        return [(store, f"{name}_{index}") for index, store in enumerate(self.stores)]

    def default(self) -> Any:
        is_optional = len(self.stores) == 2 and isinstance(self.stores[1], NoneStore)
        return None if is_optional else self.stores[0].default()

    def accepts(self, value: Any) -> bool:
        return any(store.accepts(value) for store in self.stores)

    def is_in(self, node: Any, name: str) -> bool:
        return any(store.is_in(node, own_name) for store, own_name in self._named(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        # None of an Optional node goes to the alternative None, as in Slicer
        fitting = [pair for pair in self._named(name) if pair[0].accepts(value)]
        store, own_name = fitting[-1] if value is None else fitting[0]
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            store.write(node, own_name, value)

    def read(self, node: Any, name: str) -> Any:
        for store, own_name in self._named(name):
            if store.is_in(node, own_name):
                return store.read(node, own_name)
        raise KeyError(f"no value for {name}")

    def remove(self, node: Any, name: str) -> None:
        for store, own_name in self._named(name):
            store.remove(node, own_name)


def make_store(kind: Any) -> Any:
    """The store for an annotated type.

    Raises:
        TypeError: Values of this type are not supported by the runtime.
    """
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return UnionStore([make_store(split_annotated(part)[0]) for part in typing.get_args(kind)])
    if kind is type(None):
        return NoneStore()
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeStore(kind)
    if kind in (str, bool, int, float) or (isinstance(kind, type) and issubclass(kind, (PurePath, enum.Enum))):
        return TextStore(Path if kind is Path else kind)
    raise TypeError(f"a parameter of type {kind} is not supported")


def split_annotated(kind: Any) -> tuple[Any, tuple]:
    """``Annotated[T, a, b]`` -> (T, (a, b)); any other type -> (type, ())."""
    if typing.get_origin(kind) is typing.Annotated:
        return kind.__origin__, kind.__metadata__
    return kind, ()


def find_annotation(annotations: tuple, kind: type) -> Any:
    return next((annotation for annotation in annotations if isinstance(annotation, kind)), None)
