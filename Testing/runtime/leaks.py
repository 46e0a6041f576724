"""What a test leaves running: timers and child processes."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import shiboken6
from PySide6 import QtCore

from .errors_caught import LEAK, ErrorsCaught
from .qt_classes import is_kind_of


class Leaks:
    """Compares what runs at the end of a test with what ran at its start."""

    def __init__(self) -> None:
        self._timers = weakref.WeakSet(timers())
        self._processes = child_processes()

    def check(self, errors: ErrorsCaught) -> None:
        if self._new_timers():
            gc.collect()
        for timer in self._new_timers():
            state = "still running" if timer.isActive() else "stopped, but kept alive with all it is connected to"
            errors.record(LEAK, f"a timer with an interval of {timer.interval} ms is {state}")
        for process in child_processes() - self._processes:
            errors.record(LEAK, f"child process {process} is still running")

    def _new_timers(self) -> list[QtCore.QTimer]:
        return [timer for timer in timers() if timer not in self._timers]


def timers() -> list[QtCore.QTimer]:
    """Every timer of the process, running or not; of single shots see :data:`qt_module.single_shots`."""
    return [o for o in gc.get_objects() if is_kind_of(o, QtCore.QTimer) and shiboken6.isValid(o)]


def active_timers() -> list[QtCore.QTimer]:
    """Those that are running."""
    return [timer for timer in timers() if timer.isActive()]


def child_processes() -> set[str]:
    """Command lines of this process's living children; empty on systems without /proc."""
    found = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            pids = listing.read_text().split()
        except OSError:  # a thread that has ended since
            continue
        for pid in pids:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
            if state != "Z" and "resource_tracker" not in command:
                found.add(f"{pid} ({command})")
    return found
