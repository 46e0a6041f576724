"""Standard streams that take whatever is said and end no run: another code page, no reader, a full disk, or none."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

STANDARD_ERROR = 2


def ready_streams() -> None:
    """Make standard output and error fit for any text.

    A name in Polish or Japanese cannot be said in code page 1252; it is written with backslashes then and ends no run.
    A program without a console (pythonw, a service) has no streams: what is said goes nowhere, and not into a file that
    happens to have their number.
    """
    # A result would be opened under the number of a stream that is closed, and libraries that write to it into that.
    while (number := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        pass
    os.close(number)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Unbreakable:
    """A text stream whose writes never raise: after the first failure everything goes nowhere.

    Args:
        stream: standard output or error.

    Attributes:
        failure: why what was written is incomplete; None while it is complete, or when the reader chose to go away.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write as far as that is possible; returns the length of the text."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush as far as that is possible."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError):
            self.failure = error
        # What is still buffered goes there too: Python would complain about it when it ends.
        with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())


@contextlib.contextmanager
def unbreakable_streams() -> Iterator[None]:
    """During the block, standard output and error never raise.

    A closed pipe (``gtvautoseg ... | head``) is silence; output that a full disk has cut off is said on standard error.
    """
    before = sys.stdout, sys.stderr
    output, errors = map(Unbreakable, before)
    sys.stdout, sys.stderr = cast("IO[str]", output), cast("IO[str]", errors)
    try:
        yield
    finally:
        output.flush()
        if output.failure is not None:
            reason = output.failure.strerror or output.failure
            print(f"gtvautoseg: what was printed is incomplete ({reason}); files are not affected", file=errors)
        errors.flush()
        sys.stdout, sys.stderr = before
