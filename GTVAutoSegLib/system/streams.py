"""Standard streams that take whatever is said: a terminal in another code page, a redirected one, or none at all."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

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
