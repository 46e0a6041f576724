"""The panel's learning: corrected cases are collected, a model is trained on them, compared, and used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ...failures import Failure
from ...run.collecting import CollectRequest
from ...run.run import Outcome
from ...training.folder import TrainingFolder, last_training
from ...training.places import chosen_dataset, trainings_folder
from ..model_part import ModelPart
from ..running.log_part import LogPart
from .collect_part import CollectPart, collect_failure, describe_collected, note_collected
from .outcome_part import OutcomePart
from .train_form import TrainForm
from .training_part import TrainingHost, TrainingPart
from .training_set_part import TrainingSetPart
from .versions_part import VersionsPart

FEWEST_CASES = 2


@dataclass(frozen=True)
class LearningHost:
    """What the learning needs of the panel.

    Attributes:
        logic: a GTVAutoSegLogic.
        models: the model selector.
        log: of the panel.
        start: starts a run; takes what begins it, and a line for the log.
        say: shows a sentence.
        show_failure: called with what went wrong.
        device: gives the selected device.
        missing: gives why PyTorch cannot be used now, or "".
        on_model: called with the id of a model that was installed or brought back.
        update: called when a training begins or ends.
    """

    logic: Any
    models: ModelPart
    log: LogPart
    start: Callable[[Callable[..., Any], str], None]
    say: Callable[[str], None]
    show_failure: Callable[[Failure], None]
    device: Callable[[], str]
    missing: Callable[[], str]
    on_model: Callable[[str], None]
    update: Callable[[], None]


class Learning:
    """Puts the parts together.

    Args:
        ui: the panel's widgets.
        host: the panel.
    """

    def __init__(self, ui: Any, host: LearningHost) -> None:
        self._ui, self._host = ui, host
        self._last: TrainingFolder | None = None
        self._model_id = ""
        self.collecting = CollectPart(ui, host.start, host.logic)
        self.training_set = TrainingSetPart(ui, self._look)
        self.outcome = OutcomePart(ui, self._on_model)
        self.versions = VersionsPart(ui, self._on_model)
        training = TrainingHost(
            log=host.log.add,
            show_failure=host.show_failure,
            changed=self._on_training,
            device=host.device,
            last=lambda: self._last,
            dataset=chosen_dataset,
        )
        self.training = TrainingPart(ui, TrainForm(ui, host.models), training)

    @property
    def running(self) -> bool:
        """Whether a training goes on."""
        return self.training.running

    def follow(self, node: Any, segment_id: str, ct: Any, locked: bool) -> None:
        """Follow what the panel shows."""
        self.collecting.follow(node, segment_id, ct, locked)
        if self._model_id != self._host.models.selected_id:
            self._show()
        self.training.follow(self._missing())

    def refresh(self) -> None:
        """Look at training set, trainings and models anew, when the section is unfolded."""
        self.training_set.refresh()
        self._look()

    def stop(self) -> None:
        """Let go of the scene."""
        self.collecting.stop()

    def abort(self) -> None:
        """End a training; nothing of it is lost."""
        self.training.abort()

    def open(self) -> None:
        """Unfold the section."""
        self._ui.learningSection.collapsed = False
        self._ui.trainingSetButton.setFocus()

    def finished(self, outcome: Outcome) -> bool:
        """Take the end of a run that was ours; return whether it was."""
        if not isinstance(outcome.request, CollectRequest):
            return False
        if outcome.failure is not None:
            self._host.show_failure(collect_failure(outcome.failure))
        else:
            note_collected(outcome)
            self._host.say(describe_collected(outcome))
        self.refresh()
        return True

    def _look(self) -> None:
        """Look which training was begun last."""
        if not self._ui.learningSection.collapsed and not self.running:
            self._last = last_training(trainings_folder(chosen_dataset()))
        self._show()

    def _show(self) -> None:
        self._model_id = self._host.models.selected_id
        self.outcome.show(self._last, self.running)
        self.versions.show(self._model_id, self.running)
        self.training.follow(self._missing())

    def _on_training(self) -> None:
        self._look()
        self._host.update()

    def _on_model(self, model_id: str, text: str) -> None:
        self._host.models.refresh()
        self._host.on_model(model_id)
        self._show()
        self.versions.say(text)

    def _missing(self) -> str:
        if self.training_set.summary.cases < FEWEST_CASES:
            return _("A training needs at least two cases.")
        return self._host.missing()
