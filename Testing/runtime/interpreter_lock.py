"""Python's interpreter lock in the event loop: Slicer never lets go of it there, PySide6 always does.

A thread of a module goes on only while Python code of the main thread runs or waits, as in a timer's slot.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import PySide6
from PySide6 import QtCore

_PROCESS_EVENTS = "_ZN16QCoreApplication13processEventsE6QFlagsIN10QEventLoop17ProcessEventsFlagEE"


def _find_process_events() -> ctypes._CFuncPtr | None:
    """Qt's own function, called without letting go of the lock; None on a system whose Qt is packed in another way."""
    library = Path(PySide6.__file__).parent / "Qt" / "lib" / "libQt6Core.so.6"
    if not library.exists():
        return None
    function = getattr(ctypes.PyDLL(str(library)), _PROCESS_EVENTS)
    function.restype, function.argtypes = None, [ctypes.c_int]
    return function


_process_events = _find_process_events()


def process_events_with_the_interpreter_held() -> None:
    """Handle what waits in Qt's event loop."""
    if _process_events is None:
        QtCore.QCoreApplication.processEvents()
    else:
        _process_events(0)


def sleep_with_the_interpreter_held(seconds: float) -> None:
    """Wait as an idle event loop does."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
