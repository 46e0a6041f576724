"""A child process that answers with one JSON object per line, watched without ever waiting for it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from GTVAutoSegLib.errors import RunError

KEPT_LINES = 200
# A batch on a slow CPU can take longer than anybody wants to wait for a cancel.
CANCEL_GRACE_S = 1.0
# A grandchild that survived may hold the pipes open for ever.
DRAIN_S = 2.0


@dataclass(frozen=True)
class Ended:
    """How a child process ended.

    Attributes:
        exit_code: of the process; negative when a signal ended it on Linux and macOS.
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


class Job:
    """One child process. Nothing happens between calls of `poll`, which runs all callbacks.

    Args:
        arguments: the command line.
        environment: of the child.
        on_event: called with each event as it arrives.
        on_line: called with each line that is no event.
        on_ended: called once, after everything the child wrote was handed out.
        cancel_file: made to ask the child to stop; without one `cancel` kills at once.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        *,
        on_event: Callable[[dict[str, Any]], None],
        on_line: Callable[[str], None],
        on_ended: Callable[[Ended], None],
        cancel_file: Path | None = None,
    ) -> None:
        self._arguments = list(arguments)
        self._environment = environment
        self._on_event, self._on_line, self._on_ended = on_event, on_line, on_ended
        self._cancel_file = cancel_file
        self._queue: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._result: dict[str, Any] | None = None
        self._error: dict[str, Any] | None = None
        self._kill_at: float | None = None
        self._exited_at: float | None = None
        self._ended = False

    def start(self) -> None:
        """Start the child.

        Raises:
            RunError: the operating system refuses.
        """
        options: dict[str, Any] = {"start_new_session": True}
        if os.name == "nt":
            options = {"creationflags": subprocess.CREATE_NO_WINDOW}
        try:
            self._process = subprocess.Popen(
                self._arguments,
                env=self._environment,
                # Held open: it closes when Slicer dies, and the child ends itself.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **options,
            )
        except OSError as error:
            raise RunError(f"{self._arguments[0]} could not be started ({error}); install Slicer again") from error
        self._readers = [
            threading.Thread(target=self._read, args=(stream, is_protocol), daemon=True)
            for stream, is_protocol in ((self._process.stdout, True), (self._process.stderr, False))
        ]
        for reader in self._readers:
            reader.start()

    def poll(self) -> bool:
        """Hand out what has arrived, see to a pending cancel, and say whether the job has ended."""
        if self._ended:
            return True
        # Asked before the queue is emptied: what was written before the end is then in the queue.
        finished = self._finished()
        self._hand_out()
        if finished:
            self._end()
        elif self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            kill_tree(self._process)
        return self._ended

    def wait(self, seconds: float | None = None) -> bool:
        """Poll until the job has ended or the time is over; return whether it has ended."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self.poll():
            if until is not None and time.monotonic() >= until:
                return False
            time.sleep(0.02)
        return True

    def cancel(self) -> None:
        """Ask the child to stop, and kill it when it does not within `CANCEL_GRACE_S`."""
        if self._ended or self.cancelled:
            return
        self._cancelled_by_us = True
        self._kill_at = time.monotonic()
        if self._cancel_file is not None:
            self._cancel_file.touch()
            self._kill_at += CANCEL_GRACE_S

    def kill(self) -> None:
        """End the child and its children now; returns when they are gone."""
        if self._ended:
            return
        self._cancelled_by_us = True
        kill_tree(self._process)
        self.wait(DRAIN_S * 2)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` or `kill` was called."""
        return self._cancelled_by_us

    _cancelled_by_us = False

    def _read(self, stream: Any, is_protocol: bool) -> None:
        with stream:
            for line in stream:
                self._queue.put((is_protocol, line.decode("utf-8", "replace").rstrip()))

    def _finished(self) -> bool:
        if self._process.poll() is None:
            return False
        self._exited_at = self._exited_at or time.monotonic()
        is_drained = not any(reader.is_alive() for reader in self._readers)
        return is_drained or time.monotonic() - self._exited_at > DRAIN_S

    def _hand_out(self) -> None:
        while True:
            try:
                is_protocol, line = self._queue.get_nowait()
            except queue.Empty:
                return
            event = _decode(line) if is_protocol else None
            if event is None:
                self._lines.append(line)
                self._on_line(line)
                continue
            if event["event"] == "result":
                self._result = event
            elif event["event"] == "error":
                self._error = event
            self._on_event(event)

    def _end(self) -> None:
        self._ended = True  # first: a callback that raises must not be called again
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._on_ended(Ended(self._process.returncode, self._result, self._error, self.cancelled, tuple(self._lines)))


def kill_tree(process: subprocess.Popen) -> None:
    """Kill a process with all its children: PythonSlicer is a launcher, and Python its child."""
    if os.name == "nt":
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(process.pid)],
            capture_output=True,
            check=False,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        return
    # macOS answers PermissionError when all that is left of the group is a zombie.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _decode(line: str) -> dict[str, Any] | None:
    """The event in a line, or None when the line is something else."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
