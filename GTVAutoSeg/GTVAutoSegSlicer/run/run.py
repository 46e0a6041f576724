"""One run: CT node, temporary folder, child process, and what it brings into the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from GTVAutoSegLib.errors import GTVAutoSegError

from ..failures import Failure
from .background import Background, Ongoing
from .ended import Ended, failure_of
from .job import KEPT_WORKER, ignore
from .run_folder import RunFolder
from .work import Outcome, Request


class Run(Ongoing):
    """A run in progress. It ends by itself when a node it is about leaves the scene or Slicer quits.

    Args:
        request: what to do.
        on_event: called with each event of the worker.
        on_line: called with each further line it prints.
        on_finished: called exactly once.

    Raises:
        GTVAutoSegError: the request cannot be carried out; nothing was started.
    """

    def __init__(
        self,
        request: Request,
        on_finished: Callable[[Outcome], None],
        on_event: Callable[[dict[str, Any]], None] = ignore,
        on_line: Callable[[str], None] = ignore,
    ) -> None:
        request.check()
        self.request = request
        self._on_finished = on_finished
        self._gone = self._cancelled = False
        self._end: Ended | None = None
        self._writing: Background[None] | None = None
        self._reading: Background[Any] | None = None
        self._work: Any = None
        self._folder = RunFolder(Path(slicer.app.temporaryPath))
        try:
            self._work = request.work(self._folder)
            self._writing = Background(self._work.write)
            self._job = KEPT_WORKER.job(
                self._arguments(),
                request.model_key,
                self._ended,
                on_event=on_event,
                on_line=on_line,
                cancel_file=self._folder.cancel,
                ready=self._is_written,
            )
        except BaseException:
            self._remove_folder()
            raise
        super().__init__()

    def poll(self) -> bool:
        """Carry the run on without waiting; return whether it has ended."""
        if not self._gone and not all(self._is_in_scene(node) for node in self.request.nodes):
            self._gone = True
            self.abort()
        if self._writing is not None and self._writing.error is not None:  # the child was not asked for anything
            self._job.kill()
        self._job.poll()
        if self._reading is not None and self._reading.done:
            self._finish()
        return self._finished

    def cancel(self) -> None:
        """Ask for the end; it comes within two seconds."""
        self._cancelled = True
        self._job.cancel()

    def abort(self) -> None:
        """End now; when this returns there is neither process nor file."""
        self._cancelled = True
        self._job.kill()
        self._finish()

    def _is_written(self) -> bool:
        return self._writing is not None and self._writing.done and self._writing.error is None

    def _arguments(self) -> list[str]:
        return [*self._work.arguments(), "--cancel-file", str(self._folder.cancel), "--watch-stdin"]

    @staticmethod
    def _is_in_scene(node: Any) -> bool:
        return node is None or node.GetScene() is not None

    def _ended(self, ended: Ended) -> None:
        """The child is done with it; what it found is read beside the window."""
        self._end = ended
        if not self._stands and (failure_of(ended) is not None or self._cancelled):
            self._finish()
            return
        self._reading = Background(self._work.reader(ended.result or {}))

    def _finish(self) -> None:
        if not self._is_first_end():
            return
        try:
            outcome = self._outcome()
        except Exception as error:  # whatever it was, the caller has to learn that the run is over
            failure = Failure.unforeseen("the result could not be put into the scene", error)
            outcome = Outcome(self.request, failure=failure)
        finally:
            self._remove_folder()
        self._on_finished(outcome)

    def _remove_folder(self) -> None:
        if self._work is not None:
            self._work.end()
        for background in (self._writing, self._reading):
            if background is not None:
                background.end()  # Windows removes no open file
        self._folder.remove()
        self._writing = self._reading = self._work = None  # they hold voxels

    @property
    def _stands(self) -> bool:
        """Whether the worker has done something that a cancel cannot take back, as putting a file in its place."""
        end = self._end
        return self._work.is_final and end is not None and end.exit_code == 0 and end.result is not None

    def _outcome(self) -> Outcome:
        try:
            if not self._stands:
                self._raise_failure()
            if self._reading is None:
                raise Failure("cancelled", self._work.cancelled)
            self._reading.end()
            return self._work.put(self._reading.value())
        except GTVAutoSegError as error:
            failure = self._work.failure(Failure.of(error))
        # Where it came from holds the run, and with it the CT, for as long as the failure is shown.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        return Outcome(self.request, failure=failure)

    def _raise_failure(self) -> None:
        """Raise why there is no result, if there is none."""
        if self._gone:
            raise Failure("cancelled", self._work.gone)
        if self._writing is not None and self._writing.error is not None:
            raise self._writing.error
        failure = failure_of(self._end) if self._end is not None else None
        if self._cancelled or (failure is not None and failure.code == "cancelled"):
            raise Failure("cancelled", self._work.cancelled)
        if failure is not None:
            raise failure


def carry_out(
    request: Request,
    on_finished: Callable[[Outcome], None] | None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Outcome | Run:
    """Carry out a request: at once and waiting for it, or, with ``on_finished``, by Qt's event loop.

    Raises:
        GTVAutoSegError: the request cannot be carried out, or, when waiting, the run failed.
    """
    listeners = (on_event or ignore, on_line or ignore)
    if on_finished is not None:
        run = Run(request, on_finished, *listeners)
        run.follow()
        return run
    outcomes: list[Outcome] = []
    Run(request, outcomes.append, *listeners).wait()
    if outcomes[0].failure is not None:
        raise outcomes[0].failure
    return outcomes[0]
