"""A run told to a program, one object a step; the command sends each as a line, see the worker's protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ...system.progress import Progress, Send, sending
from .monitor import Monitor, never
from .plan import NetworkPlan
from .reporter import Reporter

PREPARING, TRAINING, WRITING = "preparing slices", "training", "writing"
SECONDS_BETWEEN = 0.2  # steps of a GPU are faster than anybody can look


class LineReporter(Reporter):
    """Sends stages, steps, epochs and the time that is left at most.

    Args:
        send: takes the name of an event, and its content as keyword arguments.
        cancelled: as for `Reporter`.
    """

    def __init__(self, send: Send, cancelled: Callable[[], bool] = never) -> None:
        super().__init__(cancelled)
        self.send = send
        self._plans: list[NetworkPlan] = []
        self._begun = -1
        self._seconds: dict[str, float] = {}  # of a step, validation included, by the network's name

    def say(self, text: str) -> None:
        """Send a note."""
        self.send("note", message=text)

    def preparing(self) -> AbstractContextManager[Progress | None]:
        """Send the stage, and every case."""
        self.send("stage", stage=PREPARING)
        return nullcontext(sending(self.send))

    def begin(self, plans: Sequence[NetworkPlan]) -> None:
        """Send that training begins."""
        self._plans = list(plans)
        self.send("stage", stage=TRAINING)

    def monitor(self, plan: NetworkPlan, figure: str, folder: Path) -> Monitor:  # noqa: ARG002 - as the reporter's
        """Send every step and epoch of the next network."""
        self._begun += 1
        return _LineMonitor(self, plan)

    def writing(self) -> None:
        """Send that the model is written."""
        self.send("stage", stage=WRITING)

    def tell(self, event: str, plan: NetworkPlan, epoch: int, step: int, **content: Any) -> None:
        """Send how far the run is.

        Args:
            event: "progress" or "epoch".
            plan: of the network that is trained now.
            epoch: from 0.
            step: steps of the epoch that are done.
            content: further keys.
        """
        before = sum(one.epochs * one.steps for one in self._plans[: self._begun])
        self.send(
            event,
            stage=TRAINING,
            done=before + epoch * plan.steps + step,
            total=sum(one.epochs * one.steps for one in self._plans),
            fold=plan.fold,
            network=plan.network,
            epoch=epoch + 1,
            epochs=plan.epochs,
            step=step,
            steps=plan.steps,
            seconds_left=self._seconds_left(plan, epoch, step),
            **content,
        )

    def timed(self, plan: NetworkPlan, seconds: float) -> None:
        """A step of this network takes so many seconds."""
        self._seconds[plan.network] = seconds

    def _seconds_left(self, plan: NetworkPlan, epoch: int, step: int) -> int | None:
        """At most; a network that was not timed yet counts like the one that is."""
        here = self._seconds.get(plan.network)
        if here is None:
            return None
        after = self._plans[self._begun + 1 :]
        left = ((plan.epochs - epoch) * plan.steps - step) * here
        return round(left + sum(one.epochs * one.steps * self._seconds.get(one.network, here) for one in after))


class _LineMonitor(Monitor):
    def __init__(self, reporter: LineReporter, plan: NetworkPlan) -> None:
        super().__init__(reporter.cancelled)
        self.reporter, self.plan = reporter, plan
        self.figures: dict[str, float | None] = {"loss": None, "validation": None, "best": None}
        self.started = self.sent = time.monotonic()
        self.first: int | None = None

    def step(self, epoch: int, done: int, total: int) -> None:
        """Send the step, unless one was sent just now."""
        now = time.monotonic()
        self._time(epoch, done, now)
        if done == total or now - self.sent >= SECONDS_BETWEEN:
            self.sent = now
            self.reporter.tell("progress", self.plan, epoch, done, **self.figures)

    def epoch(self, record: dict[str, Any]) -> None:
        """Send the epoch's figures."""
        self.figures = {name: record[name] for name in self.figures}
        self._time(record["epoch"], self.plan.steps, time.monotonic())
        more = {"best_epoch": record["best_epoch"] + 1}
        self.reporter.tell("epoch", self.plan, record["epoch"], self.plan.steps, **self.figures, **more)

    def note(self, text: str) -> None:
        """Send a warning."""
        self.reporter.send("warning", message=f"{self.plan.title}: {text}")

    def _time(self, epoch: int, done: int, now: float) -> None:
        """Seconds of a step in this process; earlier steps of a resumed network are not among them."""
        step = epoch * self.plan.steps + done
        if self.first is None:
            self.first = step - 1
        self.reporter.timed(self.plan, (now - self.started) / max(1, step - self.first))
