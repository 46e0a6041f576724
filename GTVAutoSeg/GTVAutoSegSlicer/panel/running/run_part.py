"""The run in progress, if there is one: how it is started, cancelled and ended."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError

from ...run.failures import Failure
from ...run.run import Outcome, Run
from .log_part import LogPart
from .progress_part import ProgressPart


class RunPart:
    """At most one run at a time.

    Args:
        log: takes the lines and events of the run.
        progress: shows where it is.
        finished: called with how it ended.
        failed: called with why one could not be started.
    """

    def __init__(
        self,
        log: LogPart,
        progress: ProgressPart,
        finished: Callable[[Outcome], None],
        failed: Callable[[Failure], None],
    ) -> None:
        self.run: Run | None = None
        self._log, self._progress = log, progress
        self._finished, self._failed = finished, failed
        self._then = finished
        self.words_to_cancel = ""
        self._started = 0.0

    def start(
        self,
        begin: Callable[..., Run],
        line: str,
        finished: Callable[[Outcome], None] | None = None,
        words_to_cancel: str = "",
    ) -> None:
        """Start a run, unless there is one.

        Args:
            begin: starts it; takes ``on_finished``, ``on_event`` and ``on_line``.
            line: says in the log what was started.
            finished: called with how it ended; by default what all runs call.
            words_to_cancel: what a cancel does; by default what it does to a run.
        """
        if self.run is not None:
            return
        self._then = finished or self._finished
        self.words_to_cancel = words_to_cancel or _("End the run; the scene stays as it was.")
        try:
            self.run = begin(on_finished=self._ended, on_event=self._on_event, on_line=self._log.add)
        except GTVAutoSegError as error:
            self._failed(Failure.of(error))
        except Exception as error:
            # Slicer would print it where nobody looks.
            message = f"the run could not be started ({type(error).__name__}: {error}); report it with the details"
            self._failed(Failure("internal", message, details=traceback.format_exc()))
        else:
            self._started = time.monotonic()
            self._log.add(line)
            self._progress.start()

    def cancel(self) -> None:
        """Ask for the end; the second click of a double click is no wish for it."""
        if self.run is not None and time.monotonic() - self._started > slicer.app.doubleClickInterval / 1000:
            self.run.cancel()
            self._progress.cancelling()

    def abort(self) -> None:
        """End now."""
        if self.run is not None:
            self.run.abort()

    def _on_event(self, event: dict[str, Any]) -> None:
        self._log.event(event)
        self._progress.event(event)

    def _ended(self, outcome: Outcome) -> None:
        self.run = None
        self._progress.stop()
        then, self._then = self._then, self._finished
        then(outcome)
