"""What can go wrong, as something a person can act on."""

from __future__ import annotations

import traceback

from GTVAutoSegLib.errors import GTVAutoSegError, RunError

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


def not_valid(reason: str) -> RunError:
    """The error for a result file that does not hold what the run reported."""
    return RunError(f"the result cannot be used: {reason}; run again, and report it if it happens again")
