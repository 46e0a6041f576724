"""What can go wrong, as something a person can act on."""

from __future__ import annotations

import traceback
from typing import Any

from GTVAutoSegLib.errors import GTVAutoSegError, RunError

from .job import Ended

EXIT_CODES = {
    "input": 2,
    "transform": 2,
    "device": 2,
    "model": 3,
    "torch-missing": 3,
    "torch-broken": 3,
    "segment": 2,
    "no-dicom": 2,
}

# Their sentences name nodes and files of the user, and with them perhaps the patient.
NAMING_CODES = {"input", "transform", "segment", "no-dicom", "export"}

CANCELLED = "The run was cancelled; the scene is as it was."

# From here on an exit code means that a signal, or Windows, ended the process.
FIRST_SIGNAL_CODE = 128
# An installed PythonSlicer is a launcher: when the Python below it is ended from outside it says so and ends with 1.
LAUNCHERS_WORDS, LAUNCHERS_CODE = "exit abnormally", 1


class Failure(GTVAutoSegError):
    """A run that gave no segmentation, or an export that gave no file.

    Attributes:
        code: which card to show; the codes of the worker protocol, and "transform", "killed", "segment",
            "no-dicom" and "export".
        message: one sentence: what was got, what was expected, what to do.
        hint: a further sentence, or "".
        details: what the button for details shows.
    """

    def __init__(self, code: str, message: str, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.details = code, message, hint, details
        self.exit_code = 130 if code == "cancelled" else EXIT_CODES.get(code, 4)

    @classmethod
    def of(cls, error: GTVAutoSegError) -> Failure:
        """The failure an expected error of the library means."""
        return error if isinstance(error, cls) else cls(error.kind, str(error))

    @classmethod
    def unforeseen(cls, what: str, error: Exception) -> Failure:
        """The failure an error means that nobody has thought of: Slicer would print it where nobody looks.

        Args:
            what: what did not come about, as the beginning of a sentence.
            error: why.
        """
        message = f"{what} ({type(error).__name__}: {error}); report it with the details"
        return cls("internal", message, details="".join(traceback.format_exception(error)))


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


def not_valid(reason: str) -> RunError:
    """The error for a result file that does not hold what the run reported."""
    return RunError(f"the result cannot be used: {reason}; run again, and report it if it happens again")


def _details(ended: Ended) -> str:
    error: dict[str, Any] = ended.error or {}
    parts = [error.get("details", ""), "\n".join(ended.lines), f"exit code {ended.exit_code}"]
    return "\n\n".join(part for part in parts if part)
