"""What a person asks a training for: task, folds, preset, and whether to begin with the selected model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from GTVAutoSegLib.errors import InputError, ModelError
from GTVAutoSegLib.model.bundle import Bundle, read_bundle
from GTVAutoSegLib.model.versions import next_version
from GTVAutoSegLib.report.record.audit import now
from GTVAutoSegLib.system.json_text import read_json
from GTVAutoSegLib.system.resources import shipped

from ...models import bundle_paths, chosen_folder
from ...training.folder import ModelName, TrainingFolder, TrainingPlan
from ...training.places import trainings_folder
from ...training.task import read_task, task_of_model
from ..model_part import ModelPart
from .choices import Choices

OF_MODEL = ""


class TrainForm:
    """The fields, and the training that they ask for.

    Args:
        ui: the panel's widgets.
        models: the model selector.
    """

    def __init__(self, ui: Any, models: ModelPart) -> None:
        self._ui, self._models = ui, models
        self.tasks = Choices(ui.taskSelector, {OF_MODEL: _("of the selected model"), **_shipped_tasks()}, _("A task"))
        folds = {"0": _("One fold, to begin with"), "all": _("All folds")}
        self.folds = Choices(ui.foldsSelector, folds)
        presets = {"auto": _("Automatic"), **{name: name for name in shipped("Presets")}}
        self.presets = Choices(ui.presetSelector, presets, _("A preset"))
        ui.taskSelector.connect("currentIndexChanged(int)", lambda _index: self.follow(False))

    def follow(self, locked: bool) -> None:
        """Allow only what can be asked for; nothing while a training goes on."""
        ui = self._ui
        for field in (ui.taskSelector, ui.foldsSelector, ui.presetSelector):
            field.enabled = not locked
        reason = self._no_start()
        ui.startCheck.enabled = not locked and not reason
        ui.startCheck.toolTip = reason or _(
            "Begin with the weights of the selected model, which helps with few cases; otherwise with random ones."
        )

    def make(self, dataset: Path, device: str) -> TrainingFolder:
        """The folder of the training that is asked for.

        Raises:
            GTVAutoSegError: the task cannot be used, or the folder not be written.
        """
        bundle = self._bundle()
        task = self._task(bundle)
        start = self._start() if self._ui.startCheck.checked else None
        present = _present(str(task["id"]))
        plan = TrainingPlan(
            title=str(task.get("title", task["id"])),
            dataset=str(dataset),
            version=next_version(str(task["id"]), chosen_folder()),
            begun_at=now(),
            preset=self.presets.value,
            fold=self.folds.value,
            device=device,
            start=start,
            present=present,
        )
        return TrainingFolder.make(trainings_folder(dataset), task, plan)

    def _bundle(self) -> Bundle | None:
        try:
            return None if self._models.selected is None else read_bundle(self._models.selected)
        except ModelError:
            return None

    def _task(self, bundle: Bundle | None) -> dict[str, Any]:
        if self.tasks.value != OF_MODEL:
            return read_task(self.tasks.value)
        if bundle is None:
            raise InputError("no model is selected whose task could be trained; select a model, or a task")
        return task_of_model(bundle.info)

    def _start(self) -> ModelName | None:
        """The selected model, when a training can begin with it."""
        bundle = self._bundle()
        return None if bundle is None or self._no_start() else _named(bundle)

    def _no_start(self) -> str:
        """Why a training cannot begin with the selected model, or ""."""
        bundle = self._bundle()
        if bundle is None:
            return _("No model is selected to begin with.")
        if self.tasks.value not in (OF_MODEL, bundle.info.task.id):
            return _("The selected model is of another task, so a training of this one cannot begin with it.")
        several = max(len(bundle.info.classifier.files), len(bundle.info.segmenter.files))
        if several > 1:
            return _(
                "The selected model has {count} networks a stage, and a training begins with one: install and select "
                "the model of a single fold."
            ).format(count=several)
        return ""


def _named(bundle: Bundle) -> ModelName:
    return ModelName(bundle.info.id, bundle.info.version, bundle.digest)


def _present(task_id: str) -> ModelName | None:
    """The model that a model of this task would take the place of."""
    for path in bundle_paths():
        try:
            bundle = read_bundle(path)
        except ModelError:
            continue
        if bundle.info.id == task_id:
            return _named(bundle)
    return None


def _shipped_tasks() -> dict[str, str]:
    return {name: str(read_json(path).get("title", name)) for name, path in shipped("Tasks").items()}
