"""One run: CT node, temporary folder, child process, and what it brings into the scene."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from GTVAutoSegLib.errors import GTVAutoSegError

from ..scene.files import holds, volume_of, write_ct
from ..scene.history import Undo
from ..scene.steering.change import Change
from .background import Background, Poller
from .failures import CANCELLED, Failure, failure_of, not_valid
from .job import Ended
from .kept_worker import KEPT_WORKER
from .request import Found, Request
from .run_folder import RunFolder

WAIT_S = 0.02
# A part of a CT takes longer than that only on a disk that is about to fail.
END_S = 5.0
CT_GONE = "The CT or the output was removed from the scene, so the run was stopped."


def ignore(_: Any) -> None:
    """Do nothing with what a callback is told."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        request: what was asked for.
        report: what was found: a ResultRecord, of a completion a CompletionRecord; None when the run failed.
        failure: why there is none, or None.
        undo: brings the scene back; holds the segmentation node and the segment's id. None when nothing was found,
            and the scene is then as it was.
        change: what became of a segment that was changed in place; None for a result of its own.
    """

    request: Any
    report: Any = None
    failure: Failure | None = None
    undo: Undo | None = None
    change: Change | None = None

    @property
    def segmentation(self) -> Any:
        """The segmentation node with the result, or None."""
        return self.undo.node if self.undo else None

    @property
    def segment_id(self) -> str:
        """Id of the segment with the result, or ""."""
        return self.undo.segment_id if self.undo else ""


class Run:
    """A run in progress. It ends by itself when its CT or its output leaves the scene or Slicer quits.

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
        self._gone = self._cancelled = self._finished = False
        self._end: Ended | None = None
        self._writing: Background[None] | None = None
        self._reading: Background[Found] | None = None
        self._folder = RunFolder(Path(slicer.app.temporaryPath))
        try:
            self._written = volume_of(request.ct)
            self._writing = Background(partial(write_ct, self._written, self._folder.ct))
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
        self._poller = Poller(self.poll)
        slicer.app.connect("aboutToQuit()", self.abort)

    def follow(self) -> None:
        """Let Qt's event loop carry the run on."""
        self._poller.start()

    def wait(self) -> None:
        """Carry the run on until it has ended; blocks."""
        while not self.poll():
            time.sleep(WAIT_S)

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
        folder = self._folder
        arguments = self.request.arguments(folder, self._written)
        arguments += ["--input", str(folder.ct), "--output", str(folder.mask)]
        return [*arguments, "--cancel-file", str(folder.cancel), "--watch-stdin"]

    @staticmethod
    def _is_in_scene(node: Any) -> bool:
        return node is None or node.GetScene() is not None

    def _ended(self, ended: Ended) -> None:
        """The child is done with it; what it found is read beside the window."""
        self._end = ended
        if failure_of(ended) is not None or self._cancelled:
            self._finish()
            return
        ct = self.request.ct
        voxels = slicer.util.arrayFromVolume(ct) if ct.GetImageData() is not None else None
        self._reading = Background(partial(self._read, ended, voxels))

    def _read(self, ended: Ended, voxels: np.ndarray | None, _wanted: Callable[[], bool]) -> Found:
        found = self.request.read(self._folder, self._written, ended.result or {})
        if not holds(voxels, self._folder.ct, self._written):
            raise not_valid("the CT was changed during the run")
        return found

    def _finish(self) -> None:
        if self._finished:
            return
        self._finished = True
        self._poller.stop()
        slicer.app.disconnect("aboutToQuit()", self.abort)
        try:
            outcome = self._outcome()
        except Exception as error:
            # Whatever it was, the caller has to learn that the run is over.
            message = f"the result could not be put into the scene ({type(error).__name__}: {error}); report it"
            outcome = Outcome(self.request, failure=Failure("internal", message, details=traceback.format_exc()))
        finally:
            self._remove_folder()
        self._on_finished(outcome)

    def _remove_folder(self) -> None:
        for background in (self._writing, self._reading):
            if background is not None:
                background.end(END_S)  # Windows removes no open file
        self._folder.remove()
        self._writing = self._reading = None  # they hold voxels

    def _outcome(self) -> Outcome:
        try:
            if self._gone:
                raise Failure("cancelled", CT_GONE)
            if self._writing is not None and self._writing.error is not None:
                raise self._writing.error
            failure = failure_of(self._end) if self._end is not None else None
            if failure is not None:
                raise failure
            if self._cancelled or self._reading is None:
                raise Failure("cancelled", CANCELLED)
            found = self._reading.value()
            undo, change = self.request.put(found, self._written)
            return Outcome(self.request, found.record, undo=undo, change=change)
        except GTVAutoSegError as error:
            failure = Failure.of(error)
        # Where it came from holds the run, and with it the CT, for as long as the failure is shown.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        return Outcome(self.request, failure=failure)


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
