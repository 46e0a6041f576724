"""Standard input, output and error: whatever is said to them ends no run, and input tells whether the parent is there.

Output may have another code page, no reader, a full disk behind it, or not be there at all.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

STANDARD_ERROR = 2
CHUNK = 1 << 16
WINDOWS_POLL_S = 0.02


def ready_streams() -> None:
    """Make standard output and error fit for any text.

    A name in Polish or Japanese cannot be said in code page 1252; it is written with backslashes then and ends no run.
    A program without a console (pythonw, a service) has no streams: what is said goes nowhere, and not into a file that
    happens to have their number.
    """
    # A file opened while a standard stream is closed gets its number, and with it whatever libraries print there.
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


class StandardInput:
    """Reads standard input, a pipe, without ever waiting longer than asked; one object a process.

    A thread that waits would do harm: Python cannot end while it holds the buffer's lock, and on Windows the pending
    read blocks the loading of some DLLs.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._closed = False

    def closed(self) -> bool:
        """Whether the other end is closed: the parent has ended, or wants this process to."""
        self._take(0)
        return self._closed

    def next_line(self, seconds: float) -> bytes | None:
        """The next line without its end; None when the other end is closed or none has come in time."""
        until = time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = until - time.monotonic()
            if self._closed or left <= 0:
                return None
            self._take(left)
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _take(self, seconds: float) -> None:
        if not self._closed and _readable(seconds):
            content = os.read(0, CHUNK)
            self._pending += content
            self._closed = not content


def _readable(seconds: float) -> bool:
    """Wait until a read would return at once, be it with the end of the file; whether it would."""
    if sys.platform != "win32":
        return bool(select.select([0], [], [], seconds)[0])
    import _winapi
    import msvcrt

    until = time.monotonic() + seconds
    while True:
        try:
            available, _ = _winapi.PeekNamedPipe(msvcrt.get_osfhandle(0), 0)
        except OSError:  # closed: the read says so
            return True
        if available or time.monotonic() >= until:
            return bool(available)
        time.sleep(WINDOWS_POLL_S)
