"""What can go wrong, as something a person can act on."""

from __future__ import annotations

import traceback

from GTVAutoSegLib.errors import GTVAutoSegError, InputError, RunError, exit_code_of

# Kinds of unsuitable input that the worker protocol does not tell apart.
INPUT_CODES = {"transform", "segment", "no-dicom"}

# Their sentences name nodes and files of the user, and with them perhaps the patient.
NAMING_CODES = {"input", "transform", "segment", "no-dicom", "export"}

CANCELLED = "The run was cancelled; the scene is as it was."


class Failure(GTVAutoSegError):
    """Something asked for that did not come about.

    Attributes:
        code: which card of `panel.failure_card` to show; what the worker protocol calls an error is one too.
        message: one sentence: what was got, what was expected, what to do.
        hint: a further sentence, or "".
        details: what the button for details shows.
    """

    def __init__(self, code: str, message: str, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.details = code, message, hint, details
        self.exit_code = InputError.exit_code if code in INPUT_CODES else exit_code_of(code)

    @classmethod
    def of(cls, error: GTVAutoSegError, code: str = "") -> Failure:
        """The failure an expected error of the library means.

        Args:
            error: a failure stays what it is, unless there is a code.
            code: which card to show; "" for that of the error's kind.
        """
        if isinstance(error, cls) and not code:
            return error
        failure = cls(code or error.kind, str(error))
        failure.exit_code = error.exit_code
        return failure

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
