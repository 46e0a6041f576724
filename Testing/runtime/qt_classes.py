"""The PySide6 classes that stand for Slicer's Qt, and the question which of them count as written in C++."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6 import QtCore, QtGui, QtNetwork, QtSvg, QtUiTools, QtWidgets, QtXml

_MODULES = (QtCore, QtGui, QtWidgets, QtNetwork, QtUiTools, QtSvg, QtXml)

QObject = QtCore.QObject
ShibokenType = type(QObject)


def _collect() -> dict[str, type]:
    classes: dict[str, type] = {}
    for module in _MODULES:
        for name in dir(module):  # vars(module) would miss the classes PySide6 has not created yet
            value = getattr(module, name)
            if isinstance(value, type) and not name.startswith("_"):
                classes.setdefault(name, value)
    return classes


CLASSES: dict[str, type] = _collect()


def stands_for_cpp(cls: type) -> type:
    """Class decorator: this Python class plays a class that Slicer or CTK has in C++."""
    cls._stands_for_cpp = True
    return cls


def is_cpp(cls: type) -> bool:
    """Whether PythonQt would see ``cls`` as a C++ class, not as a Python subclass of one."""
    return cls.__module__.startswith("PySide6") or "_stands_for_cpp" in vars(cls)


def is_kind_of(value: object, cls: type) -> bool:
    """``isinstance`` by inheritance; the plain ``isinstance`` answers as PythonQt does once the shim is installed."""
    return issubclass(type(value), cls)
