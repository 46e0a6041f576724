"""Who is told how a run goes on: nobody, a person at a terminal, or (see `lines`) a program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ...system.progress import Progress, progress_bar
from .monitor import LiveMonitor, Monitor, never
from .plan import NetworkPlan


class Reporter:
    """Told about everything, says nothing; for every process but the first.

    Args:
        cancelled: asked all the time; the run stops when it returns True.
    """

    def __init__(self, cancelled: Callable[[], bool] = never) -> None:
        self.cancelled = cancelled

    def say(self, text: str) -> None:
        """Something that is good to know."""

    def preparing(self) -> AbstractContextManager[Progress | None]:
        """Around the preparation of slices: what is called for every case."""
        return nullcontext()

    def begin(self, plans: Sequence[NetworkPlan]) -> None:
        """All networks of the run, before the first is trained."""

    def monitor(self, plan: NetworkPlan, figure: str, folder: Path) -> Monitor:  # noqa: ARG002 - of those that show it
        """Who is told about the next network.

        Args:
            plan: of the network.
            figure: name of its validation figure.
            folder: of the network.
        """
        return Monitor(self.cancelled)

    def writing(self) -> None:
        """The networks are trained; the model and the report are written."""


class PersonReporter(Reporter):
    """Says everything on standard error."""

    def say(self, text: str) -> None:
        """Write a line."""
        print(text, file=sys.stderr, flush=True)

    def preparing(self) -> AbstractContextManager[Progress | None]:
        """A bar, on a terminal."""
        return progress_bar("case")

    def monitor(self, plan: NetworkPlan, figure: str, folder: Path) -> Monitor:
        """A line that lives."""
        return LiveMonitor(
            plan.title, figure=figure, epochs=plan.epochs, folder=folder / "tensorboard", cancelled=self.cancelled
        )
