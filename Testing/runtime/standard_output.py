"""``sys.stdout`` and ``sys.stderr`` as Slicer's Python has them: PythonQt's object, which can write and little more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class PythonQtStdOutRedirect:
    """Passes text on; has no ``fileno``, no ``encoding`` and no ``buffer``."""

    softspace = 0

    def __init__(self, stream: Any) -> None:
        self.__stream = stream

    def write(self, text: str) -> None:
        self.__stream.write(text)

    def flush(self) -> None:
        self.__stream.flush()

    def isatty(self) -> bool:
        return False


@contextmanager
def redirected() -> Iterator[None]:
    """Give ``sys`` Slicer's objects for as long as the block runs; they write to what was there before."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (PythonQtStdOutRedirect(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
