"""The worker process that stays between runs, so that a second click starts nothing and loads nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import slicer

import GTVAutoSegLib

from . import python_slicer
from .child import Child
from .job import Ended, Job

# Done, unsuitable input, cancelled: the worker itself is well. After anything else the next run gets a fresh one.
WELL = {0, 2, 130}


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
