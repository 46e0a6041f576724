"""Timers, dialogs, processes and actions: what the event loop runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from .asking import process_events


def _single_shot() -> Any:
    got = []
    qt.QTimer.singleShot(0, lambda: got.append(1))
    process_events(20, 0.002)
    return got


def _timer() -> Any:
    timer, got = qt.QTimer(), []
    timer.setSingleShot(True)
    timer.setInterval(1)
    timer.connect("timeout()", lambda: got.append(1))
    timer.start()
    process_events(20, 0.002)
    return [got, timer.isActive(), timer.interval, timer.active]


def _single_shot_property() -> Any:
    timer = qt.QTimer()
    timer.singleShot = True
    return timer.isSingleShot()


def _start_and_stop() -> Any:
    timer = qt.QTimer()
    timer.start(10)
    running = timer.active
    timer.stop()
    return (running, timer.active)


def _timer_parent() -> Any:
    widget = qt.QWidget()
    return qt.QTimer(widget).parent() == widget


def _dialog(execute: str, close: str) -> Callable[[], Any]:
    def question() -> Any:
        dialog = qt.QDialog()
        qt.QTimer.singleShot(0, getattr(dialog, close))
        return getattr(dialog, execute)()

    return question


def _process() -> Any:
    process = qt.QProcess()
    process.start("echo", ["hi"])
    process.waitForFinished()
    return (process.readAllStandardOutput().data(), process.exitCode())


def _action() -> Any:
    action, got = qt.QAction("t", None), []
    action.connect("triggered()", lambda: got.append(1))
    action.trigger()
    return (got, action.text)


PROBES: dict[str, Callable[[], Any]] = {
    "QTimer.singleShot(0,fn)": _single_shot,
    "QTimer object": _timer,
    "QTimer().singleShot attr": lambda: type(qt.QTimer().singleShot).__name__,
    "QTimer singleShot=True": _single_shot_property,
    "QTimer.start(10)/stop": _start_and_stop,
    "QTimer(parent)": _timer_parent,
    "static QTimer.singleShot float ms": lambda: qt.QTimer.singleShot(1.5, lambda: None),
    "QDialog.exec_": _dialog("exec_", "reject"),
    "QDialog.exec": _dialog("exec", "accept"),
    "QProcess": _process,
    "QAction": _action,
    "QMenu addAction(text)": lambda: [menu := qt.QMenu(), menu.addAction("x").text][1],
    "QMenu addAction(text, fn)": lambda: [menu := qt.QMenu(), menu.addAction("x", lambda: None).text][1],
}
