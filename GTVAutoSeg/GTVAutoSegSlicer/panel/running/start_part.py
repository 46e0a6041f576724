"""The button that runs the model, and everything else that starts a run with the panel's values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.images.segment_info import is_gtv

from ...run.failures import Failure
from ...run.run import Run
from ...run.work import Outcome
from ...scene.files import doubts_before
from ...scene.ownership import our_segments
from ...setup.setup_part import SetupPart
from ..failure_card import FailureCard
from ..model_part import ModelPart
from ..review.export_dialog import Wanted
from ..shown import Shown
from ..steering.steering import Steering
from .run_part import RunPart


class StartPart:
    """Starts runs: never one beside another, nor while PyTorch is being installed.

    Args:
        ui: the panel's widgets.
        logic: a GTVAutoSegLogic.
        shown: what is chosen.
        models: the model selector.
        setup: tells whether PyTorch is being installed.
        steering: tells which outline is completed.
        runs: the run in progress.
        card: shows failures.
        say: shows a sentence.
        clear: puts away what the last run said.
        exported: called with how an export ended.
        update: called when a run was started.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        *,
        shown: Shown,
        models: ModelPart,
        setup: SetupPart,
        steering: Steering,
        runs: RunPart,
        card: FailureCard,
        say: Callable[[str], None],
        clear: Callable[[], None],
        exported: Callable[[Outcome], None],
        update: Callable[[], None],
    ) -> None:
        self._button, self._logic = ui.segmentButton, logic
        self._shown, self._models, self._setup, self._steering = shown, models, setup, steering
        self._runs, self._card = runs, card
        self._say, self._clear, self._exported, self._update = say, clear, exported, update
        self._button.connect("clicked(bool)", self.click)

    def click(self) -> None:
        """Run the model, perhaps after a question; while there is a run, end it."""
        if self._runs.run is not None:
            self._runs.cancel()
        elif not self._ask_first():
            self.segment()

    def segment(self, slices: tuple[int, int] | None = None) -> None:
        """Run the model, on the whole CT or from the first slice to the one before the last."""
        if self._can_start(self.missing()):
            chosen = self._shown.node
            begin = partial(
                self._logic.segment,
                chosen.input_volume,
                self._models.selected or "",
                chosen.device,
                output=chosen.output_segmentation,
                slices=slices,
                region=chosen.box,
            )
            self._begin(begin, f"run: model {self._models.selected_id}, device {chosen.device}")

    def segment_on_cpu(self) -> None:
        """Run the model on the CPU, from now on."""
        self._shown.choose_device("cpu")
        self.segment()

    def complete(self, first: int | None, last: int | None) -> None:
        """Complete the outline from the slices that are a person's."""
        if self._can_start(self.installing()):
            steered, device = self._steering, self._shown.node.device
            is_the_models = steered.segment_id == our_segments(steered.node).get(self._models.region)
            begin = partial(
                self._logic.complete,
                steered.node,
                steered.segment_id,
                steered.ct,
                first=first,
                last=last,
                model=self._models.selected if is_the_models else None,
                device=device,
            )
            self._begin(begin, f"completion: device {device}")

    def collect(self, begin: Callable[..., Run], line: str) -> None:
        """Begin what adds a case to the training set; `line` is for the log."""
        if self._can_start(self.installing()):
            self._begin(begin, line)

    def export(self, path: Path, wanted: Wanted) -> None:
        """Write a file."""
        if self._runs.run is not None or self._shown.node is None:
            return
        self._card.hide()
        begin = partial(
            self._logic.exportRTSTRUCT,
            self._shown.output,
            path,
            self._shown.ct,
            segments=wanted.choices,
            addTo=wanted.base,
        )
        self._runs.start(begin, "export", self._exported, _("End the export; no file is written."))
        self._update()

    def show(self) -> None:
        """Bring the button in line with what is chosen, and with the run."""
        running, missing = self._runs.run is not None, self.missing()
        self._button.text = _("Cancel") if running else self.action()
        self._button.enabled = running or not missing
        self._button.toolTip = missing or (
            self._runs.words_to_cancel if running else _("Outline the tumour on the CT.")
        )

    def action(self) -> str:
        """What a click does; a model of another volume, such as a PTV, must not be taken for one of the GTV."""
        region = self._models.region
        return _("Segment GTV") if is_gtv(region) or not region else _("Segment {region}").format(region=region)

    def missing(self) -> str:
        """What a run of the model lacks, in a sentence, or ""."""
        if installing := self.installing():
            return installing
        if self._shown.ct is None:
            return _("Select a CT.")
        return "" if self._models.selected is not None else _("Install a model.")

    def installing(self) -> str:
        """Why PyTorch cannot be used now, or ""."""
        return _("PyTorch is being installed.") if self._setup.installing else ""

    def _ask_first(self) -> bool:
        """Whether a card asks for a box first: the CT's size or spacing is unlike what the model was trained on."""
        ct, model = self._shown.ct, self._models.selected
        if ct is None or model is None or self._shown.node.box is not None or slicer.app.testingEnabled():
            return False
        doubts = doubts_before(ct, model)
        if doubts:
            self._card.show(Failure("unlike", "; ".join(doubts)))
        return bool(doubts)

    def _can_start(self, missing: str) -> bool:
        """Whether a run may be started; if so, what the last one said is put away."""
        if self._runs.run is not None or self._shown.node is None:
            return False
        if missing:
            self._say(missing)
            return False
        self._clear()
        return True

    def _begin(self, begin: Callable[..., Run], line: str) -> None:
        self._runs.start(begin, line)
        self._update()
