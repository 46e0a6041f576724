"""The buttons that begin, stop and resume a training, and where it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError

from ...failures import Failure
from ...run.ended import Ended, failure_of
from ...training.folder import TrainingFolder
from ...training.process import Estimate, Training
from ..widgets import confirmed
from .train_form import TrainForm
from .training_words import describe_estimate, describe_progress, discard_question


@dataclass(frozen=True)
class TrainingHost:
    """What the training needs of the panel.

    Attributes:
        log: called with a line for the log.
        show_failure: called with what went wrong.
        changed: called when a training begins or ends.
        device: gives the selected device.
        last: gives the training begun last, or None.
        dataset: gives the folder of the training set.
    """

    log: Callable[[str], None]
    show_failure: Callable[[Failure], None]
    changed: Callable[[], None]
    device: Callable[[], str]
    last: Callable[[], TrainingFolder | None]
    dataset: Callable[[], Path]


class TrainingPart:
    """At most one training at a time, or the estimate of one.

    Args:
        ui: the panel's widgets.
        form: what is asked for.
        host: the panel.
    """

    def __init__(self, ui: Any, form: TrainForm, host: TrainingHost) -> None:
        self._ui, self._form, self._host = ui, form, host
        self._training: Training | None = None
        self._measuring: Estimate | None = None
        ui.trainButton.connect("clicked(bool)", self._on_train)
        ui.resumeButton.connect("clicked(bool)", self.resume)
        ui.discardButton.connect("clicked(bool)", self._on_discard)
        ui.trainingBar.visible = False

    @property
    def running(self) -> bool:
        """Whether a training, or the estimate of one, goes on."""
        return self._training is not None or self._measuring is not None

    def follow(self, missing: str) -> None:
        """Bring the buttons in line.

        Args:
            missing: why no training can begin, or "".
        """
        ui, last = self._ui, self._host.last()
        self._form.follow(self.running)
        ui.trainButton.text = _("Stop") if self.running else _("Train...")
        ui.trainButton.enabled = self.running or not missing
        ui.trainButton.toolTip = missing or _("Measure how long a training takes and ask whether to begin.")
        if self.running:
            ui.trainButton.toolTip = _("Stop; what was trained is kept, and Resume goes on.")
        ui.resumeButton.visible = last is not None and not self.running and is_open(last)
        ui.resumeButton.enabled = not missing
        ui.discardButton.visible = last is not None and not self.running

    def abort(self) -> None:
        """End now; nothing that was trained is lost."""
        if self._measuring is not None:
            self._measuring.abort()
        if self._training is not None:
            self._training.abort()

    def resume(self) -> None:
        """Go on with the training begun last."""
        folder = self._host.last()
        if folder is not None and not self.running:
            self._begin(folder)

    def _on_discard(self) -> None:
        """Ask, and remove the training begun last; without a main window there is nobody to ask."""
        folder = self._host.last()
        if folder is None or self.running or not confirmed(discard_question(folder), _("Discard")):
            return
        try:
            with slicer.util.WaitCursor():
                folder.discard()
            self._host.log(f"training: {folder.path.name} was discarded")
        except GTVAutoSegError as error:
            self._host.show_failure(training_failure(Failure.of(error)))
        self._host.changed()

    def _on_train(self) -> None:
        if self._training is not None:
            self._training.cancel()
            self._ui.trainingStatus.text = _("Stopping...")
        elif self._measuring is not None:
            self._measuring.cancel()
        elif slicer.util.mainWindow() is not None:
            self._estimate()

    def _estimate(self) -> None:
        """Measure how long it takes; `_estimated` asks then."""
        folder: TrainingFolder | None = None
        try:
            folder = self._form.make(self._host.dataset(), self._host.device())
            ended = partial(self._estimated, folder)
            self._measuring = Estimate(folder, ended, self._on_event, self._host.log)
        except GTVAutoSegError as error:
            _discard(folder)
            self._host.show_failure(training_failure(Failure.of(error)))
            return
        self._show_start(_("Measuring how long it takes..."))
        self._measuring.follow()

    def _estimated(self, folder: TrainingFolder, ended: Ended) -> None:
        self._measuring = None
        self._ui.trainingBar.visible = False
        failure = failure_of(ended)
        estimate = (ended.result or {}).get("estimate")
        if failure is None and estimate is not None and self._is_wanted(folder, estimate):
            self._begin(folder)
            return
        _discard(folder)
        if failure is not None and failure.code != "cancelled":
            self._host.show_failure(training_failure(failure))
        self._host.changed()

    def _is_wanted(self, folder: TrainingFolder, estimate: dict[str, Any]) -> bool:
        return confirmed(describe_estimate(estimate, folder.plan), _("Train"))

    def _begin(self, folder: TrainingFolder) -> None:
        try:
            self._training = Training(folder, self._ended, self._on_event, self._host.log)
        except GTVAutoSegError as error:
            self._host.show_failure(training_failure(Failure.of(error)))
            self._host.changed()
            return
        self._host.log(f"training: {folder.path.name}, preset {folder.plan.preset}, fold {folder.plan.fold}")
        self._show_start(_("Starting..."))
        self._training.follow()

    def _ended(self, failure: Failure | None) -> None:
        self._training = None
        self._ui.trainingBar.visible = False
        if failure is not None and failure.code != "cancelled":
            self._host.show_failure(training_failure(failure))
        self._host.log("training: ended" if failure is None else f"training: {failure.code}")
        self._host.changed()

    def _show_start(self, text: str) -> None:
        self._ui.trainingBar.setRange(0, 0)
        self._ui.trainingBar.visible = True
        self._ui.trainingStatus.text = text
        self._host.changed()

    def _on_event(self, event: dict[str, Any]) -> None:
        bar = self._ui.trainingBar
        if event["event"] == "stage":
            bar.setRange(0, 0)
            self._ui.trainingStatus.text = describe_progress(event)
            self._host.log(f"training: {event['stage']}")
        elif event["event"] == "progress":
            bar.setRange(0, max(event["total"], 1))
            bar.value = event["done"]
            self._ui.trainingStatus.text = describe_progress(event)
        elif event["event"] in ("epoch", "note", "warning"):
            self._host.log(describe_progress(event) if event["event"] == "epoch" else str(event.get("message", "")))


def is_open(folder: TrainingFolder) -> bool:
    """Whether there is something left to do in a training; one that is damaged cannot be resumed."""
    try:
        return not folder.has_ended
    except GTVAutoSegError:
        return False


def training_failure(failure: Failure) -> Failure:
    """The failure of a training; the cards of runs would offer what does not help here."""
    hint = failure.hint or _("What was trained is kept: Resume goes on with it.")
    return Failure("training", failure.message, hint, failure.details)


def _discard(folder: TrainingFolder | None) -> None:
    """A training that was not begun leaves nothing."""
    if folder is not None and not folder.is_begun:
        shutil.rmtree(folder.path, ignore_errors=True)
