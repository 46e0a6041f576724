"""The runs of the panel, one at a time: the button that runs the model, and everything else that starts one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.images.segment_info import is_gtv

from ...failures import Failure
from ...run.run import Run
from ...run.work import Outcome
from ...scene.files import doubts_before
from ...scene.ownership import our_segments
from ..failure_card import FailureCard
from ..model_part import ModelPart
from ..review.export_dialog import Wanted
from ..setup_part import SetupPart
from ..shown import Shown
from ..steering.steering import Steering
from .log_part import LogPart
from .progress_part import ProgressPart


@dataclass(frozen=True)
class RunsHost:
    """What the runs need of the panel.

    Attributes:
        logic: a GTVAutoSegLogic.
        shown: what is chosen.
        models: the model selector.
        setup: tells whether PyTorch is being installed.
        steering: tells which outline is completed.
        card: shows failures.
        log: takes the lines and events of a run.
        say: shows a sentence.
        clear: puts away what the last run said.
        finished: called with how a run ended.
        exported: called with how an export ended.
        failed: called with why a run could not be started.
        update: called when a run was started.
    """

    logic: Any
    shown: Shown
    models: ModelPart
    setup: SetupPart
    steering: Steering
    card: FailureCard
    log: LogPart
    say: Callable[[str], None]
    clear: Callable[[], None]
    finished: Callable[[Outcome], None]
    exported: Callable[[Outcome], None]
    failed: Callable[[Failure], None]
    update: Callable[[], None]


class Runs:
    """At most one run at a time, and none while PyTorch is being installed.

    Args:
        ui: the panel's widgets.
        host: the panel.
    """

    def __init__(self, ui: Any, host: RunsHost) -> None:
        self._button, self._host = ui.segmentButton, host
        self._progress = ProgressPart(ui)
        self.run: Run | None = None
        self._started = 0.0
        self._words_to_cancel = ""
        self._button.connect("clicked(bool)", self.click)

    def click(self) -> None:
        """Run the model, perhaps after a question; while there is a run, end it."""
        if self.run is not None:
            self.cancel()
        elif not self._ask_first():
            self.segment()

    def segment(self, slices: tuple[int, int] | None = None) -> None:
        """Run the model, on the whole CT or from the first slice to the one before the last."""
        if self._can_start(self.missing()):
            chosen, models = self._host.shown.node, self._host.models
            begin = partial(
                self._host.logic.segment,
                chosen.input_volume,
                models.selected or "",
                chosen.device,
                output=chosen.output_segmentation,
                slices=slices,
                region=chosen.box,
            )
            self._start(begin, f"run: model {models.selected_id}, device {chosen.device}")

    def segment_on_cpu(self) -> None:
        """Run the model on the CPU, from now on."""
        self._host.shown.choose_device("cpu")
        self.segment()

    def complete(self, first: int | None, last: int | None) -> None:
        """Complete the outline from the slices that are a person's."""
        if self._can_start(self.installing()):
            steered, models, device = self._host.steering, self._host.models, self._host.shown.node.device
            is_the_models = steered.segment_id == our_segments(steered.node).get(models.region)
            begin = partial(
                self._host.logic.complete,
                steered.node,
                steered.segment_id,
                steered.ct,
                first=first,
                last=last,
                model=models.selected if is_the_models else None,
                device=device,
            )
            self._start(begin, f"completion: device {device}")

    def collect(self, begin: Callable[..., Run], line: str) -> None:
        """Begin what adds a case to the training set; `line` is for the log."""
        if self._can_start(self.installing()):
            self._start(begin, line)

    def export(self, path: Path, wanted: Wanted) -> None:
        """Write a file."""
        shown = self._host.shown
        if self.run is not None or shown.node is None:
            return
        self._host.card.hide()
        begin = partial(
            self._host.logic.exportRTSTRUCT,
            shown.output,
            path,
            shown.ct,
            segments=wanted.choices,
            addTo=wanted.base,
        )
        self._start(begin, "export", self._host.exported, _("End the export; no file is written."))

    def cancel(self) -> None:
        """Ask for the end; the second click of a double click is no wish for it."""
        if self.run is not None and time.monotonic() - self._started > slicer.app.doubleClickInterval / 1000:
            self.run.cancel()
            self._progress.cancelling()

    def abort(self) -> None:
        """End now."""
        if self.run is not None:
            self.run.abort()

    def show(self) -> None:
        """Bring the button in line with what is chosen, and with the run."""
        running, missing = self.run is not None, self.missing()
        self._button.text = _("Cancel") if running else self.action()
        self._button.enabled = running or not missing
        self._button.toolTip = self._words_to_cancel if running else missing or _("Outline the tumour on the CT.")

    def action(self) -> str:
        """What a click does; a model of another volume, such as a PTV, must not be taken for one of the GTV."""
        region = self._host.models.region
        return _("Segment GTV") if is_gtv(region) or not region else _("Segment {region}").format(region=region)

    def missing(self) -> str:
        """What a run of the model lacks, in a sentence, or ""."""
        if installing := self.installing():
            return installing
        if self._host.shown.ct is None:
            return _("Select a CT.")
        return "" if self._host.models.selected is not None else _("Install a model.")

    def installing(self) -> str:
        """Why PyTorch cannot be used now, or ""."""
        return _("PyTorch is being installed.") if self._host.setup.installing else ""

    def _ask_first(self) -> bool:
        """Whether a card asks for a box first: the CT's size or spacing is unlike what the model was trained on."""
        shown, model = self._host.shown, self._host.models.selected
        if shown.ct is None or model is None or shown.node.box is not None or slicer.app.testingEnabled():
            return False
        doubts = doubts_before(shown.ct, model)
        if doubts:
            self._host.card.show(Failure("unlike", "; ".join(doubts)))
        return bool(doubts)

    def _can_start(self, missing: str) -> bool:
        """Whether a run may be started; if so, what the last one said is put away."""
        if self.run is not None or self._host.shown.node is None:
            return False
        if missing:
            self._host.say(missing)
            return False
        self._host.clear()
        return True

    def _start(
        self,
        begin: Callable[..., Run],
        line: str,
        finished: Callable[[Outcome], None] | None = None,
        words_to_cancel: str = "",
    ) -> None:
        """Start a run.

        Args:
            begin: starts it; takes ``on_finished``, ``on_event`` and ``on_line``.
            line: says in the log what was started.
            finished: called with how it ended; by default what all runs call.
            words_to_cancel: what a cancel does; by default what it does to a run.
        """
        self._words_to_cancel = words_to_cancel or _("End the run; the scene stays as it was.")
        ended = partial(self._ended, finished or self._host.finished)
        try:
            self.run = begin(on_finished=ended, on_event=self._on_event, on_line=self._host.log.add)
        except GTVAutoSegError as error:
            self._host.failed(Failure.of(error))
        except Exception as error:  # Qt would swallow it
            self._host.failed(Failure.unforeseen("the run could not be started", error))
        else:
            self._started = time.monotonic()
            self._host.log.add(line)
            self._progress.start()
        self._host.update()

    def _on_event(self, event: dict[str, Any]) -> None:
        self._host.log.event(event)
        self._progress.event(event)

    def _ended(self, finished: Callable[[Outcome], None], outcome: Outcome) -> None:
        self.run = None
        self._progress.stop()
        finished(outcome)
