"""The modules ``qt`` and ``ctk`` as a scripted module imports them."""

from __future__ import annotations

import sys
import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from . import qt_objects
from .errors_caught import QT_WARNING, errors
from .qt_classes import CLASSES, is_kind_of
from .qt_signals import Slot

# Messages of Qt's offscreen platform about what it cannot do; nothing a module could do about them.
_PLATFORM_NOISE = ("This plugin does not support", "propagateSizeHints", "QFont", "fonts")

# Single shots that are still to come; each is a key of its own.
single_shots: set[object] = set()


def install() -> QtWidgets.QApplication:
    """Create the application object and put ``qt`` into ``sys.modules``; patches PySide6."""
    QtCore.QCoreApplication.setAttribute(QtCore.Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    QtCore.qInstallMessageHandler(_on_qt_message)
    qt_objects.install()
    sys.modules["qt"] = _qt_module()
    return application


def ctk_module(widgets: dict[str, type]) -> types.ModuleType:
    """The module ``ctk`` with these widget classes."""
    module = types.ModuleType("ctk")
    for name, cls in widgets.items():
        setattr(module, name, cls)
    return module


def _qt_module() -> types.ModuleType:
    module = types.ModuleType("qt", "Qt as PythonQt shows it")
    for name, cls in CLASSES.items():
        setattr(module, name, cls)
    module.Signal, module.Slot, module.Property = QtCore.Signal, QtCore.Slot, QtCore.Property
    _return_first_of_pairs(QtWidgets.QFileDialog, ("getOpenFileName", "getSaveFileName", "getOpenFileNames"))
    _return_first_of_pairs(QtWidgets.QInputDialog, ("getText", "getItem", "getInt", "getDouble"))
    _accept_cursor_shapes()
    _accept_any_single_shot()
    return module


def _return_first_of_pairs(cls: type, names: tuple[str, ...]) -> None:
    """PySide6 returns (value, filter or ok) where PythonQt returns the value alone."""
    for name in names:
        original = getattr(cls, name)

        def call(*arguments: Any, original: Any = original) -> Any:
            result = original(*arguments)
            return result[0] if isinstance(result, tuple) else result

        setattr(cls, name, staticmethod(call))


def _accept_cursor_shapes() -> None:
    original = QtWidgets.QApplication.setOverrideCursor

    def set_override_cursor(cursor: Any) -> None:
        original(cursor if is_kind_of(cursor, QtGui.QCursor) else QtGui.QCursor(cursor))

    QtWidgets.QApplication.setOverrideCursor = staticmethod(set_override_cursor)


def _accept_any_single_shot() -> None:
    original = QtCore.QTimer.singleShot

    def single_shot(milliseconds: float, *arguments: Any) -> None:
        slot, key = Slot(arguments[-1]), object()

        def fire() -> None:
            single_shots.discard(key)
            slot()

        single_shots.add(key)
        original(int(milliseconds), fire)

    QtCore.QTimer.singleShot = staticmethod(single_shot)


def _on_qt_message(kind: QtCore.QtMsgType, _context: Any, message: str) -> None:
    serious = kind not in (QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg)
    if serious and not any(noise in message for noise in _PLATFORM_NOISE):
        errors.record(QT_WARNING, message)
        print(message, file=sys.stderr)
