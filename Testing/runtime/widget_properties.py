"""Qt properties for widgets written in Python, with the setters their C++ originals have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

_CONVERTED = (bool, int, float, str)


def value_properties(**declared: tuple[type | str, Any]) -> dict[str, Any]:
    """Members for a class body: for each ``name=(type, default)`` a property that keeps its value, and ``setName``.

    The body takes them with ``locals().update(...)``: PySide6 reads a class's properties once, when it is created.
    When a value changes the widget's method ``_value_changed(name, value)`` is called, if it has one.
    """
    members: dict[str, Any] = {}
    for name, (kind, default) in declared.items():
        read, write = _accessors(name, kind, default)
        members[name] = QtCore.Property(kind, read, write)
        members["set" + name[0].upper() + name[1:]] = write
    return members


def forwarded_properties(target: str, **declared: type) -> dict[str, Any]:
    """Like :func:`value_properties`, with the values kept by the inner widget ``self.<target>``."""
    members: dict[str, Any] = {}
    for name, kind in declared.items():

        def read(self: Any, name: str = name) -> Any:
            return getattr(getattr(self, target), name)

        def write(self: Any, value: Any, name: str = name) -> None:
            setattr(getattr(self, target), name, value)

        members[name] = QtCore.Property(kind, read, write)
        members["set" + name[0].upper() + name[1:]] = write
    return members


def _accessors(name: str, kind: type | str, default: Any) -> tuple[Callable, Callable]:
    key = f"_value_of_{name}"

    def read(self: Any) -> Any:
        return self.__dict__.get(key, default)

    def write(self: Any, value: Any) -> None:
        converted = kind(value) if kind in _CONVERTED else value
        if read(self) == converted:
            return
        self.__dict__[key] = converted
        changed = getattr(self, "_value_changed", None)
        if changed is not None:
            changed(name, converted)

    return read, write
