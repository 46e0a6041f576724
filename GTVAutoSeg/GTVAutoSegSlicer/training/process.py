"""A training in a child process: the model, then its comparison with the present one. Slicer goes on beside it.

The child watches its standard input and ends when Slicer does, however that ends; the last whole epoch is on disk, and
the same commands go on from there. So a stop, a crash and a restart of Slicer are one and the same thing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from GTVAutoSegLib.errors import GTVAutoSegError, InputError

from ..failures import Failure
from ..run import python_slicer
from ..run.background import Ongoing
from ..run.child import Child
from ..run.ended import Ended, failure_of
from ..run.job import Job
from .folder import TrainingEnd, TrainingFolder

STOPPED = "The training was stopped; what was trained is kept, and Resume goes on."
# A step on a slow CPU is worth waiting for: a training that ends by itself keeps it, a killed one its last whole epoch.
STOP_S = 30.0
QUIT_S = 5.0
# As around an outline in Slicer.
BOX_MM = "20"
# Of `gtvautoseg compare`: some cases could not be compared, which its page and its figures say.
SOME_FAILED = 1
Listener = Callable[[dict[str, Any]], None]


def train_arguments(folder: TrainingFolder) -> list[str]:
    """Arguments of `gtvautoseg train` that begin a training or go on with it."""
    plan = folder.plan
    arguments = ["train", str(folder.task), plan.dataset, str(folder.run), "--resume"]
    arguments += ["--preset", plan.preset, "--fold", plan.fold, "--device", plan.device]
    arguments += ["--model-version", plan.version]
    if plan.start is not None:
        arguments += ["--start-from", str(plan.start.path())]
    return arguments


def compare_arguments(folder: TrainingFolder) -> list[str]:
    """Arguments of `gtvautoseg compare`: the present model and the new one, each case by the fold that held it out."""
    plan = folder.plan
    if plan.present is None:
        raise InputError("there was no model when the training began, so there is none to compare with")
    places = [plan.dataset, str(plan.present.path()), str(folder.run)]
    arguments = ["compare", *places, "--output", str(folder.comparison), "--device", plan.device]
    return [*arguments, "--box", BOX_MM] if folder.sees_boxes else arguments


class Training(Ongoing):
    """Carries a training on until its end. `cancel` and `abort` lose nothing.

    Args:
        folder: with its plan.
        on_event: called with each event of the child.
        on_line: called with each further line it prints.
        on_finished: called exactly once, with a Failure, or None when there is nothing left to do.

    Raises:
        GTVAutoSegError: another Slicer is at work in the folder, or no process can be started.
    """

    def __init__(
        self,
        folder: TrainingFolder,
        on_finished: Callable[[Failure | None], None],
        on_event: Listener,
        on_line: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self._on_finished, self._on_event, self._on_line = on_finished, on_event, on_line
        self._job: Job | None = None
        self._cancelled = False
        with ExitStack() as held:
            held.enter_context(folder.held())
            self._next()
            self._held = held.pop_all()  # until the end
        super().__init__()

    def poll(self) -> bool:
        """Carry it on without waiting; return whether it has ended."""
        if self._job is not None and not self._finished:
            self._job.poll()
        elif not self._finished:  # as when another Slicer has done the rest meanwhile
            self._finish(None)
        return self._finished

    def cancel(self) -> None:
        """Ask for the end."""
        self._cancelled = True
        if self._job is not None:
            self._job.cancel()

    def abort(self) -> None:
        """End within `QUIT_S`; when this returns the process is gone."""
        self._cancelled = True
        if self._job is not None:
            self._job.cancel()
            if not self._job.wait(QUIT_S):
                self._job.kill()
        self._finish(Failure("cancelled", STOPPED))

    def _next(self) -> None:
        """Start what is still to be done; where nothing is, the next `poll` finishes."""
        folder = self.folder
        if folder.end is None:
            self._start(train_arguments(folder), self._trained)
        elif folder.plan.present is not None and folder.compared is None:
            self._start(compare_arguments(folder), lambda _: None)
        else:
            self._job = None

    def _start(self, arguments: list[str], then: Callable[[dict[str, Any]], None]) -> None:
        folder = self.folder
        folder.cancel.unlink(missing_ok=True)

        def ended(end: Ended) -> None:
            try:
                is_done = end.exit_code == SOME_FAILED and end.result is not None
                failure = None if is_done else failure_of(end)
                if end.cancelled or self._cancelled:
                    failure = Failure("cancelled", STOPPED)
                if failure is not None:
                    self._finish(failure)
                else:
                    then(end.result or {})
                    self._next()
            except GTVAutoSegError as error:
                self._finish(Failure.of(error))

        self._job = library_job(arguments, folder, on_event=self._on_event, on_line=self._on_line, on_ended=ended)

    def _trained(self, result: dict[str, Any]) -> None:
        if not result.get("model"):
            raise InputError("the training made no model, expected one; begin a new training")
        self.folder.write_end(TrainingEnd(str(result["model"]), str(result.get("report", ""))))

    def _finish(self, failure: Failure | None) -> None:
        if not self._is_first_end():
            return
        self._held.close()
        self.folder.cancel.unlink(missing_ok=True)
        self._on_finished(failure)


class Estimate(Ongoing):
    """How large a training is and how long it takes, measured by some steps of it; nothing is trained.

    Args:
        folder: with its plan.
        on_finished: called exactly once, with the child's end.
        on_event: as for `Training`.
        on_line: the same.

    Raises:
        GTVAutoSegError: no process can be started.
    """

    def __init__(
        self,
        folder: TrainingFolder,
        on_finished: Callable[[Ended], None],
        on_event: Listener,
        on_line: Callable[[str], None],
    ) -> None:
        arguments = [*train_arguments(folder), "--dry-run"]
        self._on_finished = on_finished
        self._job = library_job(arguments, folder, on_event=on_event, on_line=on_line, on_ended=self._ended)
        super().__init__()

    def poll(self) -> bool:
        """Carry it on without waiting; return whether it has ended."""
        return self._job.poll()

    def cancel(self) -> None:
        """Ask for the end."""
        self._job.cancel()

    def abort(self) -> None:
        """End now."""
        self._job.kill()

    def _ended(self, ended: Ended) -> None:
        if self._is_first_end():
            self._on_finished(ended)


def library_job(arguments: list[str], folder: TrainingFolder, **callbacks: Any) -> Job:
    """A command of the library in a child process that tells how far it is, and ends with Slicer.

    Raises:
        RunError: no process can be started.
    """
    watched = ["--progress", "json", "--watch-stdin", "--cancel-file", str(folder.cancel)]
    command = python_slicer.library_command(*arguments, *watched)
    child = Child(command, python_slicer.child_environment())
    return Job(child, cancel_file=folder.cancel, grace_s=STOP_S, **callbacks)
