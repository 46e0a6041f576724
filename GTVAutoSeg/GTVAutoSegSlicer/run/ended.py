"""How a child process ended, and what that means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..failures import CANCELLED, Failure

# From here on an exit code means that a signal, or Windows, ended the process.
FIRST_SIGNAL_CODE = 128
# An installed PythonSlicer is a launcher: when the Python below it is ended from outside it says so and ends with 1.
LAUNCHERS_WORDS, LAUNCHERS_CODE = "exit abnormally", 1


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        exit_code: of the process, or the one it reported for the request; negative when a signal ended it on Linux
            and macOS.
        result: the last "result" event, or None.
        error: the last "error" event, or None.
        cancelled: the parent asked for the end.
        lines: the last lines that were no events: standard error, and whatever else was printed.
    """

    exit_code: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    cancelled: bool
    lines: tuple[str, ...]


def failure_of(ended: Ended) -> Failure | None:
    """Why a child process gave no result; None when it gave one.

    A result counts only together with exit code 0.
    """
    if ended.cancelled:
        return Failure("cancelled", CANCELLED)
    details = _details(ended)
    if ended.error is not None:
        return Failure(ended.error["code"], ended.error["message"], details=details)
    if ended.exit_code == 0 and ended.result is not None:
        return None
    if was_killed(ended):
        return Failure(
            "killed",
            "The operating system ended the run before it was done, most often because memory ran out; "
            "close other programs and run again.",
            details=details,
        )
    return Failure(
        "internal",
        f"The run ended with exit code {ended.exit_code} and without a result; expected a result and exit code 0.",
        details=details,
    )


def was_killed(ended: Ended) -> bool:
    """Whether a child process was ended from outside, as by an operating system that is short of memory."""
    if ended.exit_code < 0 or ended.exit_code >= FIRST_SIGNAL_CODE:
        return True
    has_launchers_words = any(LAUNCHERS_WORDS in line for line in ended.lines)
    return ended.exit_code == LAUNCHERS_CODE and ended.result is None and has_launchers_words


def _details(ended: Ended) -> str:
    error: dict[str, Any] = ended.error or {}
    parts = [error.get("details", ""), "\n".join(ended.lines), f"exit code {ended.exit_code}"]
    return "\n\n".join(part for part in parts if part)
