"""Signals and slots with PythonQt's rules.

``object.connect("clicked(bool)", f)`` takes the exact C++ signature and answers False, no more, when there is none.
Arguments that a plain function does not take are dropped; a callable of another kind gets them all. An exception in a
slot is printed and forgotten by PythonQt; here it is recorded too.
"""

from __future__ import annotations

import inspect
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from .errors_caught import CONNECT, SLOT, errors
from .qt_classes import QObject, is_kind_of
from .qt_values import from_qt

raw_get = QObject.__getattribute__

# obj -> [(normalized signature, callable, PySide6 signal, the slot PySide6 knows)]. As with PythonQt's receivers, a
# connection keeps the callable alive, and with a method its object, until it is undone or the sender is destroyed; a
# method of the object that holds the sender keeps both for ever, and no garbage collection finds them.
_connections: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

# What sys.exit() in a slot does; the application sets it.
on_system_exit: list[Callable[[int], None]] = []


class Slot:
    """One callable on the receiving end of a signal."""

    def __init__(self, function: Callable) -> None:
        self.function = function
        self.accepted = _arguments_accepted(function)

    def __call__(self, *arguments: Any) -> None:
        values = from_qt(arguments)
        try:
            if _is_qt_method(self.function):
                _call_dropping_arguments(self.function, values)
            else:
                self.function(*values[: self.accepted])
        except SystemExit as leaving:
            for handler in on_system_exit:
                handler(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
        except Exception as error:
            errors.record_exception(SLOT, error)


class Signal:
    """What PythonQt gives for ``button.clicked``: can be connected, and emits when called."""

    def __init__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name

    def connect(self, *arguments: Any) -> bool:
        return connect(self._owner, self._name, arguments[-1], by_name=True)

    def disconnect(self, function: Callable | None = None) -> bool:
        return disconnect(self._owner, self._name, function)

    def emit(self, *arguments: Any) -> None:
        find_signal(self._owner, self._name)[0].emit(*arguments)

    __call__ = emit


def connect(sender: Any, signature: str, function: Any, by_name: bool = False) -> bool:
    """Connect; False and a recorded failure when the sender has no such signal."""
    if not callable(function):
        return True
    signal, key = find_signal(sender, signature) if by_name or "(" in signature else (None, "")
    if signal is None:
        errors.record(CONNECT, f"{type(sender).__name__} has no signal {signature}")
        print(f"could not connect {type(sender).__name__}.{signature}", file=sys.stderr)
        return False
    slot = Slot(function)
    known = (lambda *_: slot()) if key.endswith("()") else (lambda *values: slot(*values))
    signal.connect(known)
    if sender not in _connections:
        _connections[sender] = []
        _forget_when_destroyed(sender)
    _connections[sender].append((key, function, signal, known))
    return True


def _forget_when_destroyed(sender: Any) -> None:
    reference = weakref.ref(sender)

    def forget() -> None:
        alive = reference()
        if alive is not None:
            _connections.pop(alive, None)

    raw_get(sender, "destroyed").connect(forget)


def disconnect(sender: Any, signature: str, function: Callable | None = None) -> bool:
    """Undo the connections of one signal, or only those to ``function``; whether there were any."""
    entries = _connections.get(sender, [])
    ended = [e for e in entries if _same_signal(e[0], signature) and function in (None, e[1])]
    for entry in ended:
        _, _, signal, known = entry
        signal.disconnect(known)
        entries.remove(entry)
    return bool(ended)


def find_signal(sender: Any, signature: str) -> tuple[Any, str]:
    """PySide6's signal for a C++ signature or a bare name, and the normalized signature; (None, "") without one."""
    in_python = getattr(type(sender), "cpp_signals", {})
    meta = QObject.metaObject(sender)
    if "(" not in signature:
        full = _first_overload(meta, signature) if signature not in in_python else signature
        if full is None:
            return None, ""
        signature = full
    key = normalized(signature)
    if key in in_python:
        return raw_get(sender, in_python[key]), key
    if meta.indexOfSignal(key) < 0:
        return None, ""
    name, _, rest = key.partition("(")
    signal = raw_get(sender, name)
    arguments = rest[:-1]
    if not arguments:
        return signal, key
    try:
        return signal[arguments], key
    except (IndexError, KeyError, TypeError):
        return signal, key


def normalized(signature: str) -> str:
    if "(" not in signature:
        return signature
    return bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()


def _first_overload(meta: QtCore.QMetaObject, name: str) -> str | None:
    for index in range(meta.methodCount()):
        method = meta.method(index)
        is_signal = method.methodType() == QtCore.QMetaMethod.MethodType.Signal
        if is_signal and bytes(method.name().data()).decode() == name:
            return bytes(method.methodSignature().data()).decode()
    return None


def _same_signal(key: str, asked: str) -> bool:
    asked = normalized(asked)
    if "(" in key and "(" in asked:
        return key == asked
    return key.partition("(")[0] == asked.partition("(")[0]


def _arguments_accepted(function: Callable) -> int | None:
    """How many of a signal's values PythonQt passes; None for all of them."""
    plain, bound = (function.__func__, 1) if inspect.ismethod(function) else (function, 0)
    if not inspect.isfunction(plain) or plain.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return plain.__code__.co_argcount - bound


def _is_qt_method(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    return owner is not None and is_kind_of(owner, QObject) and not isinstance(function, types.MethodType)


def _call_dropping_arguments(method: Callable, values: tuple) -> None:
    """Qt calls a slot of its own with as many of the signal's values as the slot takes."""
    for count in range(len(values), -1, -1):
        try:
            method(*values[:count])
            return
        except (TypeError, ValueError):
            if count == 0:
                raise


class SignalTable:
    """A sender that is no QObject, for the parts of Slicer that the runtime plays in plain Python.

    A subclass lists the signatures it can emit in ``signals``; connecting another one fails as it does in Slicer.
    """

    signals: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._slots: dict[str, list[tuple[Callable, Slot]]] = {normalized(s): [] for s in self.signals}

    def connect(self, signature: str, function: Callable) -> bool:
        key = normalized(signature)
        if key not in self._slots:
            errors.record(CONNECT, f"{type(self).__name__} has no signal {signature}")
            return False
        self._slots[key].append((function, Slot(function)))
        return True

    def disconnect(self, signature: str, function: Callable | None = None) -> bool:
        slots = self._slots.get(normalized(signature), [])
        kept = [] if function is None else [pair for pair in slots if pair[0] != function]
        changed = len(kept) != len(slots)
        slots[:] = kept
        return changed

    def emit_signal(self, signature: str, *values: Any) -> None:
        for _, slot in list(self._slots[normalized(signature)]):
            slot(*values)
