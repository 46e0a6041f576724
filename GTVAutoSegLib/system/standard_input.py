"""Standard input as a line to the process that started this one: its requests, and whether it is still there."""

from __future__ import annotations

import os
import select
import sys
import time

CHUNK = 1 << 16
WINDOWS_POLL_S = 0.02


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
