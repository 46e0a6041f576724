"""What is asked of a child process, and its answers, one JSON object per line; watched without ever waiting for it.

The library's worker stays between requests, so that a second click starts nothing and loads nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import slicer

import GTVAutoSegLib
from GTVAutoSegLib.errors import RunError

from . import python_slicer
from .child import Child
from .ended import Ended

KEPT_LINES = 200
# A batch on a slow CPU can take longer than anybody wants to wait for a cancel.
CANCEL_GRACE_S = 1.0
# A waiting worker answers at once; one that was stopped, or whose memory lies on the disk, is not waited for.
ANSWER_S = 10.0
KILL_S = 4.0
CANCELLED = 130
# Done, unsuitable input, cancelled: the worker itself is well. After anything else the next run gets a fresh one.
WELL = {0, 2, CANCELLED}


def ignore(_: Any) -> None:
    """Do nothing with what a callback is told."""


class Job:
    """What one child process does, or one request to a child that serves. `poll` runs all callbacks.

    Args:
        child: the process.
        on_line: called with each line that is no event.
        on_ended: called once, after everything the child wrote for this job was handed out.
        on_event: called with each event as it arrives; the last result and the last error are in the end as well.
        cancel_file: made to ask the child to stop; without one `cancel` kills at once.
        request: arguments of the worker, for a child that serves; only events with the request's id are then taken
            for answers, and "done" is the end. Without a request the job ends with its process.
        renew: makes a fresh child when this one, kept from an earlier job, turns out not to answer.
        grace_s: how long a child that was asked to stop may take, seconds.
        ready: asked by `poll` until it says that the request may be sent; without it that is done at once.
    """

    def __init__(
        self,
        child: Child,
        *,
        on_line: Callable[[str], None],
        on_ended: Callable[[Ended], None],
        on_event: Callable[[dict[str, Any]], None] = ignore,
        cancel_file: Path | None = None,
        request: Sequence[str] | None = None,
        renew: Callable[[], Child] | None = None,
        ready: Callable[[], bool] | None = None,
        grace_s: float = CANCEL_GRACE_S,
    ) -> None:
        self.child = child
        self.cancelled = False
        self._on_event, self._on_line, self._on_ended = on_event, on_line, on_ended
        self._cancel_file, self._grace_s = cancel_file, grace_s
        self._id = secrets.token_hex(8)
        self._request = request
        self._renew = renew
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._result: dict[str, Any] | None = None
        self._error: dict[str, Any] | None = None
        self._done: int | None = None
        self._kill_at: float | None = None
        self._ended = False
        self._ready = ready
        if ready is None:
            self._ask()

    def poll(self) -> bool:
        """Hand out what has arrived, see to a pending cancel, and say whether the job has ended."""
        if self._ended:
            return True
        if self._ready is not None and self._done is None:
            if not self._ready():
                return False
            self._ask()
        # Asked before the lines are taken: what was written before the end is then among them.
        exit_code = self.child.exit_code()
        self._hand_out()
        if self._done is not None:
            self._end(self._done)
        elif self._renew is not None and (exit_code is not None or time.monotonic() > self._asked + ANSWER_S):
            self._ask_another(self._renew)
        elif exit_code is not None:
            self._end(exit_code)
        elif self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self.child.kill()
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
        """Ask the child to stop, and kill it when it does not within its grace."""
        if self._ended or self.cancelled:
            return
        self._give_up()
        if self._ready is not None:  # the child does not know of it yet
            self._done = CANCELLED
            return
        self._kill_at = time.monotonic()
        if self._cancel_file is not None:
            self._cancel_file.touch()
            self._kill_at += self._grace_s

    def kill(self) -> None:
        """End the child and its children now; returns when they are gone."""
        if self._ended:
            return
        self._give_up()
        self._ready = None
        self.child.kill()
        self.wait(KILL_S)

    def _give_up(self) -> None:
        self.cancelled = True
        self._renew = None

    def _ask(self) -> None:
        self._ready = None
        self._asked = time.monotonic()
        if self._request is not None:
            self.child.send(json.dumps({"id": self._id, "arguments": list(self._request)}))

    def _ask_another(self, renew: Callable[[], Child]) -> None:
        self._renew = None
        self._lines.clear()
        self.child.kill()
        try:
            self.child = renew()
        except RunError as error:
            self._error = {"code": error.kind, "message": str(error)}
            self._end(error.exit_code)
        else:
            self._ask()

    def _hand_out(self) -> None:
        for is_protocol, line in self.child.lines():
            event = _decode(line) if is_protocol else None
            if event is None:
                self._lines.append(line)
                if self._renew is None:  # else it may be the end of a worker that nobody will miss
                    self._on_line(line)
            elif self._request is None or event.get("id") == self._id:
                self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        if self._renew is not None:  # it answers
            self._renew = None
            for line in self._lines:
                self._on_line(line)
        if event["event"] == "done":
            self._done = event["exit_code"]
            return
        if event["event"] == "result":
            self._result = event
        elif event["event"] == "error":
            self._error = event
        self._on_event(event)

    def _end(self, exit_code: int) -> None:
        self._ended = True  # first: a callback that raises must not be called again
        self._on_ended(
            Ended(exit_code, result=self._result, error=self._error, cancelled=self.cancelled, lines=tuple(self._lines))
        )


def _decode(line: str) -> dict[str, Any] | None:
    """The event in a line, or None when the line is something else."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


class KeptWorker:
    """At most one idle worker; it ends itself after some minutes, with Slicer, and when it is not what is needed."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._key: Any = None

    def job(self, request: Sequence[str], model: Any, on_ended: Callable[[Ended], None], **options: Any) -> Job:
        """Give a request to the idle worker, or to a fresh one.

        Args:
            request: arguments of the worker.
            model: whatever the loaded model depends on; an idle worker that was started for another one is ended. None
                for what any worker can do.
            on_ended: as for `Job`.
            options: further arguments of `Job`.

        Raises:
            RunError: no process could be started.
        """
        if model is None and self._key is not None:
            model = self._key[2]
        command, environment = python_slicer.worker_command("serve"), python_slicer.child_environment()
        key = (command, environment, model, library_stamp())
        start = partial(Child, command, environment)
        kept = self._take(key)

        def ended(end: Ended) -> None:
            if end.exit_code in WELL and job.child.process.poll() is None:
                self._keep(job.child, key)
            else:
                job.child.end()
            on_ended(end)

        job = Job(kept or start(), request=request, renew=start if kept else None, on_ended=ended, **options)
        return job

    def end(self) -> None:
        """End the idle worker; when this returns the process is gone."""
        child, self._child = self._child, None
        if child is not None:
            slicer.app.disconnect("aboutToQuit()", self.end)
            child.end()

    def _take(self, key: Any) -> Child | None:
        if self._key != key:
            self.end()
        child, self._child = self._child, None
        if child is not None:
            slicer.app.disconnect("aboutToQuit()", self.end)
        return child

    def _keep(self, child: Child, key: Any) -> None:
        self.end()
        self._child, self._key = child, key
        slicer.app.connect("aboutToQuit()", self.end)


KEPT_WORKER = KeptWorker()


def library_stamp() -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of each file of the library: a worker runs the code it was started with."""
    files = sorted(Path(GTVAutoSegLib.__file__).resolve().parent.rglob("*.py"))
    return tuple((str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files)
