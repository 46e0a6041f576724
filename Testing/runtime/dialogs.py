"""Message boxes: recorded with their text and answered at once, so that no test waits for a click."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .errors_caught import BLOCKED, errors

_LEVELS = {logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}
_ACCEPTING = ("Ok", "Yes", "Retry", "Open", "Save", "Apply")
_REFUSING = ("Cancel", "No", "Close", "Abort", "Discard")
_LONGEST_DIALOG_MS = 5000


@dataclass(frozen=True)
class Message:
    """One message shown to the user."""

    level: str  # "info", "warning", "error", "question", "box" or "file"
    text: str
    details: str = ""


class Dialogs:
    """What was shown, and what the user answers.

    ``shown`` is the list of messages. ``answers`` holds the answers to the next questions, True for OK/Yes and False
    for Cancel/No; when it is empty every question is answered with ``default_answer``. ``files`` holds the paths chosen
    in the next file dialogs; when it is empty they are cancelled.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.shown: list[Message] = []
        self.answers: deque[bool] = deque()
        self.default_answer = True
        self.files: deque[str] = deque()
        self._inside_display = False

    def texts(self, level: str | None = None) -> list[str]:
        return [message.text for message in self.shown if level in (None, message.level)]

    def install(self) -> None:
        """Take over ``slicer.util``'s message functions and every modal dialog of Qt."""
        self._original_display = slicer.util._messageDisplay
        slicer.util._messageDisplay = self._display
        QtWidgets.QMessageBox.exec = QtWidgets.QMessageBox.exec_ = _execute_message_box(self)
        QtWidgets.QDialog.exec_ = QtWidgets.QDialog.exec = _execute_dialog()
        for name in ("information", "warning", "critical", "question"):
            setattr(
                QtWidgets.QMessageBox, name, staticmethod(self._static_box("error" if name == "critical" else name))
            )
        for name in ("getOpenFileName", "getSaveFileName"):
            setattr(QtWidgets.QFileDialog, name, staticmethod(self._choose_file))

    def answer(self, buttons: Any) -> Any:
        """The button the user presses; a dialog without a window to show it on has no user."""
        if slicer.app.commandOptions().noMainWindow:
            errors.record(BLOCKED, f"{self.shown[-1].text!r} waits for an answer without a main window")
            return self._button(buttons, accept=False)
        accept = self.answers.popleft() if self.answers else self.default_answer
        return self._button(buttons, accept)

    @staticmethod
    def _button(buttons: Any, accept: bool) -> Any:
        buttons = int(buttons) or int(QtWidgets.QMessageBox.StandardButton.Ok)
        for name in _ACCEPTING if accept else _REFUSING:
            button = getattr(QtWidgets.QMessageBox.StandardButton, name)
            if buttons & int(button):
                return button
        return QtWidgets.QMessageBox.StandardButton.Ok

    @contextmanager
    def _displaying(self) -> Iterator[None]:
        self._inside_display = True
        try:
            yield
        finally:
            self._inside_display = False

    def _display(
        self, level: int, text: str, testing_value: Any, mainWindowNeeded: bool = False, **keywords: Any
    ) -> Any:
        kind = _LEVELS[level] if mainWindowNeeded else "question"
        self.shown.append(Message(kind, str(text), str(keywords.get("detailedText", ""))))
        with self._displaying():
            return self._original_display(level, text, testing_value, mainWindowNeeded=mainWindowNeeded, **keywords)

    def _static_box(self, level: str) -> Any:
        level = {"information": "info"}.get(level, level)

        def box(_parent: Any, _title: str, text: str, buttons: Any = 0, *_: Any) -> Any:
            self.shown.append(Message(level, text))
            return self.answer(buttons)

        return box

    def _choose_file(self, _parent: Any = None, title: str = "", start: str = "", filters: str = "") -> str:
        self.shown.append(Message("file", title, f"{start}\n{filters}"))
        if slicer.app.commandOptions().noMainWindow:
            errors.record(BLOCKED, f"the file dialog {title!r} waits for an answer without a main window")
            return ""
        return str(self.files.popleft()) if self.files else ""

    def run_box(self, box: Any) -> int:
        if not self._inside_display:
            self.shown.append(Message("box", box.text, box.detailedText))
        return int(self.answer(box.standardButtons))


def _execute_message_box(dialogs: Dialogs) -> Any:
    def execute(self: Any) -> int:
        return dialogs.run_box(self)

    return execute


def _execute_dialog() -> Any:
    """A dialog's own event loop, ended and reported when nothing in the test closes it."""
    original = QtWidgets.QDialog.exec

    def execute(self: Any) -> int:
        timer = QtCore.QTimer()
        timer.setSingleShot(True)

        def give_up() -> None:
            errors.record(BLOCKED, f"the dialog {self.windowTitle!r} was not closed")
            self.reject()

        timer.connect("timeout()", give_up)
        timer.start(_LONGEST_DIALOG_MS)
        result = original(self)
        timer.stop()
        return int(result)

    return execute


dialogs = Dialogs()
