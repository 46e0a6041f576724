"""Helpers to write a question in one line, and the widgets that many questions are asked of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt


def set_and_read(make: Callable[[], Any], name: str, value: Any) -> Callable[[], Any]:
    """What an attribute reads after it was assigned."""

    def question() -> Any:
        widget = make()
        setattr(widget, name, value)
        return getattr(widget, name)

    return question


def call_and_read(make: Callable[[], Any], method: str, *arguments: Any, then: str) -> Callable[[], Any]:
    """What an attribute (``"count"``) or a method (``"isActive()"``) gives after a method was called."""

    def question() -> Any:
        widget = make()
        getattr(widget, method)(*arguments)
        return read(widget, then)

    return question


def assign_and_read(make: Callable[[], Any], name: str, value: Any, then: str) -> Callable[[], Any]:
    """What another attribute or method gives after an attribute was assigned."""

    def question() -> Any:
        widget = make()
        setattr(widget, name, value)
        return read(widget, then)

    return question


def read(widget: Any, what: str) -> Any:
    return getattr(widget, what[:-2])() if what.endswith("()") else getattr(widget, what)


def process_events(times: int = 5, pause: float = 0.0) -> None:
    for _ in range(times):
        qt.QApplication.processEvents()
        time.sleep(pause)


def button() -> Any:
    return qt.QPushButton("hi")


def checkable_button() -> Any:
    made = button()
    made.checkable = True
    return made


def combo() -> Any:
    made = qt.QComboBox()
    made.addItem("a", 10)
    made.addItem("b", "B")
    made.addItem("c", {"k": [1, 2]})
    return made


def table() -> Any:
    made = qt.QTableWidget(1, 2)
    made.setHorizontalHeaderLabels(["A", "B"])
    made.setItem(0, 0, qt.QTableWidgetItem("x"))
    return made


def item() -> Any:
    return qt.QTableWidgetItem("x")


def window() -> tuple[Any, Any, Any, Any]:
    """A widget "root" with a button "btn" and a frame in a layout, and a check box "chk" in the frame."""
    root = qt.QWidget()
    root.setObjectName("root")
    layout = qt.QVBoxLayout(root)
    inside = qt.QPushButton("b1")
    inside.setObjectName("btn")
    layout.addWidget(inside)
    frame = qt.QFrame()
    layout.addWidget(frame)
    check = qt.QCheckBox("c", frame)
    check.name = "chk"
    return root, inside, frame, check
