"""Progress bar by slice, stage in words, and the time that is left of the stage."""

from __future__ import annotations

import time
from typing import Any

from slicer.i18n import tr as _

# An estimate from the first slices is mostly start-up.
SHOWN_AFTER_S = 2.0
SHOWN_EVERY_S = 0.05


class ProgressPart:
    """Shows where a run is."""

    def __init__(self, ui: Any) -> None:
        self._bar, self._label = ui.progressBar, ui.stageLabel
        self.stop()

    def start(self) -> None:
        """A run begins."""
        self._bar.setRange(0, 0)
        self._bar.visible = True
        self._label.visible = True
        self._label.text = _("Starting...")

    def cancelling(self) -> None:
        """The user has asked for the end."""
        self._label.text = _("Cancelling...")

    def event(self, event: dict[str, Any]) -> None:
        """Show an event of the worker."""
        if event["event"] == "stage":
            self._started = time.monotonic()
            self._bar.setRange(0, 0)
            self._label.text = self._words(event["stage"])
            self._shown = 0.0
        elif event["event"] == "progress" and self._is_due(event):
            self._bar.setRange(0, event["total"])
            self._bar.value = event["done"]
            self._bar.format = _("%v of %m slices")
            left = _time_left(time.monotonic() - self._started, event["done"], event["total"])
            self._label.text = self._words(event["stage"]) + left

    def _is_due(self, event: dict[str, Any]) -> bool:
        """Whether to show it: hundreds may have come since the window turned last, and showing them takes time."""
        now = time.monotonic()
        is_due = event["done"] == event["total"] or now - self._shown >= SHOWN_EVERY_S
        self._shown = now if is_due else self._shown
        return is_due

    def stop(self) -> None:
        """The run is over."""
        self._shown = 0.0
        self._started = time.monotonic()
        self._bar.visible = False
        self._label.visible = False

    @staticmethod
    def _words(stage: str) -> str:
        words = {
            "loading": _("Loading PyTorch and the model"),
            "reading": _("Reading the CT"),
            "preprocessing": _("Preparing the slices"),
            "classifying": _("Finding the slices that show tumour"),
            "segmenting": _("Outlining the tumour"),
            "outlining": _("Bringing the segments to the CT's slices"),
            "completing": _("Completing the outline"),
            "writing": _("Writing the result"),
            "collecting": _("Adding the case to the training set"),
        }
        return words.get(stage, stage)


def _time_left(elapsed: float, done: int, total: int) -> str:
    if done == 0 or elapsed < SHOWN_AFTER_S:
        return ""
    seconds = elapsed / done * (total - done)
    if seconds < 90:
        return _(" (about {seconds:.0f} s left)").format(seconds=seconds)
    return _(" (about {minutes:.0f} min left)").format(minutes=seconds / 60)
