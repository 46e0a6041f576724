"""A child process and the lines it prints, read without ever waiting for it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from GTVAutoSegLib.errors import RunError

# A grandchild that survived may hold the pipes open for ever.
DRAIN_S = 2.0
# A process that the system does not let go of, as when it waits for a driver, must not hold up Slicer.
END_S = 4.0


class Child:
    """A process of our own. It lives no longer than Slicer when it watches its standard input, which closes then.

    Args:
        arguments: the command line.
        environment: of the process.

    Raises:
        RunError: the operating system refuses to start it.
    """

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        options: dict[str, Any] = {"start_new_session": True}
        if os.name == "nt":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW}
        try:
            self.process = subprocess.Popen(
                list(arguments),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **options,
            )
        except OSError as error:
            raise RunError(f"{arguments[0]} could not be started ({error}); install Slicer again") from error
        self._queue: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
        self._exited_at: float | None = None
        self._readers = [
            threading.Thread(target=self._read, args=(stream, is_protocol), daemon=True)
            for stream, is_protocol in ((self.process.stdout, True), (self.process.stderr, False))
        ]
        for reader in self._readers:
            reader.start()

    def send(self, line: str) -> None:
        """Write a line to its standard input; `exit_code` tells when the process has ended."""
        with contextlib.suppress(OSError, ValueError):  # the pipe is broken, or closed already
            self.process.stdin.write(line.encode("ascii") + b"\n")
            self.process.stdin.flush()

    def lines(self) -> Iterator[tuple[bool, str]]:
        """The lines that have come, and whether each was on standard output."""
        while True:
            try:
                yield self._queue.get_nowait()
            except queue.Empty:
                return

    def exit_code(self) -> int | None:
        """Its exit code; None while it runs, or while there may still be something to read."""
        if self.process.poll() is None:
            return None
        self._exited_at = self._exited_at or time.monotonic()
        is_drained = not any(reader.is_alive() for reader in self._readers)
        if not is_drained and time.monotonic() - self._exited_at <= DRAIN_S:
            return None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        return self.process.returncode

    def kill(self) -> None:
        """End it with all its children: PythonSlicer is a launcher, and Python its child."""
        if self.exit_code() is not None:
            return
        if os.name == "nt":
            subprocess.run(
                ["taskkill", "/T", "/F", "/PID", str(self.process.pid)],
                capture_output=True,
                check=False,
                creationflags=subprocess.CREATE_NO_WINDOW,
            )
            return
        # macOS answers PermissionError when all that is left of the group is a zombie.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """End it, and wait until it is gone."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S)

    def _read(self, stream: Any, is_protocol: bool) -> None:
        with stream:
            for line in stream:
                self._queue.put((is_protocol, line.decode("utf-8", "replace").rstrip()))
