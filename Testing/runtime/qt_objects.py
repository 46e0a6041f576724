"""Attribute access of Qt objects as PythonQt has it, patched into PySide6's own classes.

``button.text`` is a value and ``button.text = "x"`` sets it; what is neither property, signal, slot nor child raises
AttributeError; keyword arguments and wrong arguments raise ValueError; ``isinstance(button, qt.QWidget)`` is False.
Subclasses and changed ``__class__`` were no way: shiboken takes objects made by C++ for uninitialised then.
"""

from __future__ import annotations

import enum
from typing import Any

import shiboken6
from PySide6 import QtCore, QtWidgets

from .qt_classes import CLASSES, QObject, ShibokenType, is_cpp, is_kind_of
from .qt_methods import ADDED_METHODS, QtMethod, check_alive
from .qt_signals import Signal, raw_get
from .qt_values import from_qt, make_enums_integers, strings, to_property

_BUILTIN_KINDS = ("builtin_function_or_method", "method-wrapper", "method_descriptor")

# Properties being read. Qt asks Python for an override of, say, sizeHint() while we read the property of that name.
_reading: set[tuple[int, str]] = set()

# Not zero while a .ui file is loaded: PySide6's loader then writes every child as an attribute of its parent.
loading_depth = 0


def get_attribute(self: Any, name: str) -> Any:
    """Replaces ``QObject.__getattribute__``."""
    if name.startswith("__"):
        return raw_get(self, name)
    own = raw_get(self, "__dict__")
    if name in own and not isinstance(own[name], QtCore.SignalInstance):
        return own[name]
    if _defined_in_python(type(self), name):
        value = raw_get(self, name)
        return Signal(self, name) if isinstance(value, QtCore.SignalInstance) else value
    if name in getattr(type(self), "cpp_signals", ()):
        return Signal(self, name)
    if name in ADDED_METHODS:
        return ADDED_METHODS[name].__get__(self)
    if name in ("exec_", "exec") and is_kind_of(self, (QtWidgets.QDialog, QtWidgets.QMenu)):
        return lambda *values: _as_integer(raw_get(self, "exec")(*values))
    check_alive(self, f"Trying to read property '{name}' from a destroyed")
    return _cpp_attribute(self, name)


def set_attribute(self: Any, name: str, value: Any) -> None:
    """Replaces ``__setattr__`` of every QObject class."""
    if name.startswith("__") or _has_python_setter(type(self), name):
        _set_in_python(self, name, value)
        return
    if loading_depth and is_kind_of(value, QObject) and QObject.objectName(value) == name:
        return
    if not shiboken6.isValid(self) and not is_cpp(type(self)):
        _set_in_python(self, name, value)  # a Python subclass before super().__init__()
        return
    check_alive(self, f"Trying to set property '{name}' of a destroyed")
    index = _property_index(self, name)
    if index >= 0:
        _set_property(self, name, index, value)
    elif name in strings(QObject.dynamicPropertyNames(self)):
        QObject.setProperty(self, name, value)
    else:
        _refuse_new_attribute(type(self), name)
        _set_in_python(self, name, value)


def install() -> None:
    """Patch PySide6. Once a process; there is no way back."""
    make_enums_integers()
    QObject.__getattribute__ = get_attribute
    ShibokenType.__instancecheck__ = _is_instance
    for cls in set(CLASSES.values()):
        if not issubclass(cls, QObject):
            continue
        if "__setattr__" in vars(cls) or cls is QObject:
            cls.__setattr__ = set_attribute
        if "__init__" in vars(cls):
            cls.__init__ = _initialiser(cls)


def _is_instance(cls: type, value: object) -> bool:
    if not is_cpp(cls):
        return issubclass(type(value), cls)
    return next((base for base in type(value).__mro__ if is_cpp(base)), None) is cls


def _as_integer(result: Any) -> Any:
    return int(result) if isinstance(result, (int, enum.Enum)) else result


def _defined_in_python(cls: type, name: str) -> bool:
    for base in cls.__mro__:
        if base.__module__.startswith("PySide6"):
            return False
        if name in vars(base) and name != "staticMetaObject":
            return True
    return False


def _cpp_attribute(self: Any, name: str) -> Any:
    key = (id(self), name)
    if key in _reading:
        return raw_get(self, name)
    index = _property_index(self, name)
    if index >= 0:
        _reading.add(key)
        try:
            return from_qt(QObject.property(self, QObject.metaObject(self).property(index).name()))
        finally:
            _reading.discard(key)
    try:
        value = raw_get(self, name)
    except AttributeError:
        return _dynamic_property_or_child(self, name)
    if isinstance(value, QtCore.SignalInstance):
        return Signal(self, name)
    if name == "emit":
        raise AttributeError(f"{type(self).__name__} has no attribute named 'emit'")
    return QtMethod(self, name, value) if type(value).__name__ in _BUILTIN_KINDS else value


def _dynamic_property_or_child(self: Any, name: str) -> Any:
    if name in strings(QObject.dynamicPropertyNames(self)):
        return from_qt(QObject.property(self, name))
    for child in QObject.children(self):
        if QObject.objectName(child) == name:
            return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")


def _property_index(self: Any, name: str) -> int:
    meta = QObject.metaObject(self)
    if name == "singleShot" and is_kind_of(self, QtCore.QTimer):
        return -1  # the static method of that name hides the property
    index = meta.indexOfProperty(name)
    return meta.indexOfProperty("objectName") if index < 0 and name == "name" else index


def _set_property(self: Any, name: str, index: int, value: Any) -> None:
    prop = QObject.metaObject(self).property(index)
    if not prop.isWritable():
        raise AttributeError(f"Property '{name}' is not writable")
    try:
        converted = to_property(value, prop.typeName(), prop.isEnumType())
    except (TypeError, ValueError):
        converted, accepted = None, False
    else:
        accepted = QObject.setProperty(self, prop.name(), converted) is not False
    if not accepted:
        kind = type(value).__name__
        message = f"Property '{name}' of type '{prop.typeName()}' does not accept an object of type {kind} ({value!r})"
        raise AttributeError(message)


def _refuse_new_attribute(cls: type, name: str) -> None:
    if not is_cpp(cls) or name.startswith("_"):
        return
    if any(name in vars(base) for base in cls.__mro__):
        raise AttributeError(f"Slot '{name}' can not be overwritten on {cls.__name__} object")
    message = f"'{name}' does not exist on {cls.__name__} and creating new attributes on C++ objects is not allowed"
    raise AttributeError(message)


def _has_python_setter(cls: type, name: str) -> bool:
    return any(
        hasattr(type(vars(base)[name]), "__set__") or isinstance(vars(base)[name], QtCore.Property)
        for base in cls.__mro__
        if not base.__module__.startswith("PySide6") and name in vars(base)
    )


def _set_in_python(self: Any, name: str, value: Any) -> None:
    for base in type(self).__mro__:
        found = vars(base).get(name)
        if isinstance(found, QtCore.Property):
            if found.fset is None:
                raise AttributeError(f"Property '{name}' is not writable")
            found.fset(self, value)
            return
        if found is not None and hasattr(type(found), "__set__") and not base.__module__.startswith("PySide6"):
            found.__set__(self, value)
            return
    raw_get(self, "__dict__")[name] = value


def _initialiser(cls: type) -> Any:
    original = cls.__init__

    def __init__(self: Any, *arguments: Any, **keywords: Any) -> None:
        if keywords:
            raise ValueError(f"Called {cls.__name__} with keyword arguments, but called slot does not support kwargs")
        try:
            original(self, *arguments)
        except TypeError:
            if not arguments or isinstance(arguments[0], str) or is_kind_of(arguments[0], QObject):
                raise
            original(self, str(arguments[0]), *arguments[1:])

    return __init__
