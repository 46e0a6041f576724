"""Methods of Qt objects as PythonQt has them: arguments converted, and the ones PythonQt adds to every object."""

from __future__ import annotations

from typing import Any

import shiboken6

from . import qt_signals
from .qt_classes import QObject, is_kind_of
from .qt_signals import raw_get
from .qt_values import coerced_arguments, from_qt


class QtMethod:
    """A method of a Qt object; calling it converts the arguments as PythonQt does."""

    def __init__(self, owner: Any, name: str, function: Any) -> None:
        self.__self__, self.__name__, self._function = owner, name, function

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QtMethod) and other.__self__ is self.__self__ and other.__name__ == self.__name__

    def __hash__(self) -> int:
        return hash((id(self.__self__), self.__name__))

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise ValueError(f"Called {self.__name__} with keyword arguments, but called slot does not support kwargs")
        check_alive(self.__self__, f"Trying to call '{self.__name__}' on a destroyed")
        values = tuple(list(value) if isinstance(value, tuple) else value for value in arguments)
        # PySide6 takes None for a null string or for False silently; PythonQt makes 'None' and False of it
        if not any(value is None for value in values):
            try:
                return from_qt(self._function(*values))
            except (TypeError, ValueError):
                pass
        return self._call_converted(values)

    def _call_converted(self, values: tuple) -> Any:
        try:
            attempts = list(coerced_arguments(self._unbound(), values))
        except ValueError:
            raise ValueError(f"Called {self.__name__} with wrong number of arguments: {values!r}") from None
        for attempt in attempts:
            try:
                return from_qt(self._function(*attempt))
            except (TypeError, ValueError):
                continue
        raise ValueError(f"Called {self.__name__} with wrong arguments: {values!r}")

    def _unbound(self) -> Any:
        bases = type(self.__self__).__mro__
        return next((vars(base)[self.__name__] for base in bases if self.__name__ in vars(base)), self._function)


QtMethod.__name__ = QtMethod.__qualname__ = "builtin_qt_slot"


def children_of(widget: Any) -> list:
    """All objects below this one, depth first."""
    found = []
    for child in QObject.children(widget):
        found += [child, *children_of(child)]
    return found


def find_by_name(top: Any, name: str) -> Any:
    """The object of that name: ``top`` itself or the first below it; None without one."""
    return next((o for o in [top, *children_of(top)] if QObject.objectName(o) == name), None)


def check_alive(owner: Any, complaint: str) -> None:
    if not shiboken6.isValid(owner):
        raise ValueError(f"{complaint} {type(owner).__name__} object")


def _connect(self: Any, signature: Any, *arguments: Any) -> Any:
    if is_kind_of(signature, QObject):
        return raw_get(self, "connect")(signature, *arguments)  # PySide6's own glue
    return qt_signals.connect(self, signature, arguments[-1])


def _matches(candidate: Any, cls: Any, name: str | None) -> bool:
    fits = QObject.inherits(candidate, cls) if isinstance(cls, str) else cls is None or is_kind_of(candidate, cls)
    return fits and (not name or QObject.objectName(candidate) == name)


def _find_children(self: Any, cls: Any = None, name: str | None = None) -> tuple:
    return tuple(child for child in children_of(self) if _matches(child, cls, name))


def _find_child(self: Any, cls: Any = None, name: str | None = None) -> Any:
    return next(iter(_find_children(self, cls, name)), None)


def _set_any_property(self: Any, name: str, value: Any) -> bool:
    if QObject.metaObject(self).indexOfProperty(name) < 0:
        return QObject.setProperty(self, name, value)
    setattr(self, name, value)
    return True


ADDED_METHODS = {
    "connect": _connect,
    "disconnect": lambda self, signature, function=None: qt_signals.disconnect(self, signature, function),
    "className": lambda self: QObject.metaObject(self).className(),
    "delete": lambda self: shiboken6.delete(self),
    "findChild": _find_child,
    "findChildren": _find_children,
    "setProperty": _set_any_property,
}
