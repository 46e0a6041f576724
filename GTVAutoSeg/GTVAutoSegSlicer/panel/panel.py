"""The panel: puts its parts together, and shows how runs end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import slicer
from slicer.util import VTKObservationMixin

from GTVAutoSegLib.cascade.completion.record import CompletionRecord

from ..failures import Failure
from ..run.job import KEPT_WORKER
from ..run.work import Outcome
from ..scene.export.candidates import candidates
from ..scene.record.audit import note_run
from ..scene.views import open_in_segment_editor, show_segment
from ..setup.diagnostics import diagnostics
from ..setup.first_step import first_step
from .device_part import DevicePart
from .failure_card import FailureCard
from .learning.learning import Learning, LearningHost
from .model_part import ModelPart
from .models_section import ModelsSection
from .result_part import ResultPart, advice_on, title_of
from .review.approve_part import ApprovePart
from .review.export_part import ExportPart
from .running.log_part import LogPart
from .running.runs import Runs, RunsHost
from .setup_part import SetupPart
from .shown import Shown
from .steering.history_part import HistoryPart
from .steering.steering import Steering, SteeringHost


class Panel(VTKObservationMixin):
    """The module's panel.

    Args:
        ui: the widgets of GTVAutoSeg.ui by name.
        logic: a GTVAutoSegLogic.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.ui, self.logic = ui, logic
        self._entered = False
        self.log = LogPart(ui)
        self.models = ModelPart(ui, self._on_model_selected)
        self.shown = Shown(ui, self.models, lambda: self.running, self._update)
        self.devices = DevicePart(ui, self.shown.choose_device)
        self.result = ResultPart(ui)
        self.models_section = ModelsSection(ui, self.models, self._on_model_selected)
        self.history = HistoryPart(ui, self._say, self._update)
        self.card = FailureCard(ui, self._card_actions())
        self.setup = SetupPart(
            ui,
            log=self.log,
            card=self.card,
            on_devices=self.devices.set_devices,
            on_failure=self._show_failure,
            on_busy=self._update,
        )
        self.steering = Steering(ui, self._steering_host())
        self.runs = Runs(ui, self._runs_host())
        self.export = ExportPart(
            ui,
            segmentation=lambda: self.shown.output,
            export=self.runs.export,
            log=self.log.add,
            show_failure=self._show_failure,
        )
        self.approval = ApprovePart(ui, self.log.add, self._show_failure)
        self.learning = Learning(ui, self._learning_host())
        ui.editButton.connect("clicked(bool)", self._on_edit)
        ui.copyDiagnosticsButton.connect("clicked(bool)", self._on_copy_diagnostics)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_scene_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self._on_scene_replaced)
        self.addObserver(scene, scene.EndImportEvent, self._on_scene_replaced)
        self.addObserver(scene, scene.EndBatchProcessEvent, self.shown.changed)
        self._update()

    def enter(self) -> None:
        """The user opens the module."""
        self._entered = True
        self.shown.follow(self.logic.getParameterNode())
        if slicer.util.mainWindow() is not None and not slicer.app.testingEnabled():
            self.setup.start()

    def exit(self) -> None:
        """The user turns to another module; a run goes on."""
        self._entered = False

    def cleanup(self) -> None:
        """End whatever runs or waits, and let go of the scene."""
        self.runs.abort()
        self.learning.abort()
        KEPT_WORKER.end()
        self.setup.abort()
        self.approval.stop()
        self.learning.stop()
        self.shown.stop()
        self.steering.stop()
        self.removeObservers()

    @property
    def running(self) -> bool:
        """Whether a run is in progress."""
        return self.runs.run is not None

    def _runs_host(self) -> RunsHost:
        return RunsHost(
            logic=self.logic,
            shown=self.shown,
            models=self.models,
            setup=self.setup,
            steering=self.steering,
            card=self.card,
            log=self.log,
            say=self.result.show_text,
            clear=self._clear,
            finished=self._finished,
            exported=self._exported,
            failed=self._show_failure,
            update=self._update,
        )

    def _steering_host(self) -> SteeringHost:
        return SteeringHost(
            self.history.add,
            show_text=self._say,
            segment=lambda slices: self.runs.segment(slices),
            complete=lambda first, last: self.runs.complete(first, last),
            new_segment=lambda: self.models.segment_info,
            updated=self._update,
        )

    def _learning_host(self) -> LearningHost:
        return LearningHost(
            logic=self.logic,
            models=self.models,
            log=self.log,
            start=self.runs.collect,
            say=self._say,
            show_failure=self._show_failure,
            device=lambda: self.devices.selected,
            missing=self.runs.installing,
            on_model=self._on_model_selected,
            update=self._update,
        )

    def _card_actions(self) -> dict[str, Any]:
        return {
            "select-ct": lambda: self.ui.inputSelector.setFocus(),
            "open-transforms": lambda: slicer.util.selectModule("Transforms"),
            "open-models": self.models_section.open,
            "install-torch": lambda: self.setup.install(),
            "reinstall-torch": lambda: self.setup.reinstall(),
            "run-on-cpu": lambda: self.runs.segment_on_cpu(),
            "run-again": lambda: self.runs.segment(),
            "go-on": lambda: self.runs.segment(),
            "edit-segment": self._on_edit,
            "open-dicom": lambda: slicer.util.selectModule("DICOM"),
            "export-again": lambda: self.export.ask(),
            "open-learning": lambda: self.learning.open(),
            "draw-box": lambda: self.steering.box.draw(),
            "draw-slices": lambda: self.steering.draw(),
            "crop-ct": lambda: slicer.util.selectModule("CropVolume"),
            "copy-diagnostics": self._on_copy_diagnostics,
        }

    def _on_model_selected(self, model_id: str) -> None:
        self.shown.choose_model(model_id)

    def _on_scene_start_close(self, _caller: Any = None, _event: Any = None) -> None:
        self.runs.abort()
        self.history.clear()
        self.shown.stop()
        self.result.clear()
        self.export.clear()
        self.approval.stop()
        self.learning.stop()
        self.card.hide()

    def _on_scene_replaced(self, _caller: Any = None, _event: Any = None) -> None:
        needs_parameters = self._entered or self.running
        self.shown.follow(self.logic.getParameterNode() if needs_parameters else None)

    # How runs end

    def _finished(self, outcome: Outcome) -> None:
        if self.learning.finished(outcome):
            pass
        elif outcome.failure is not None:
            self._show_failure(outcome.failure)
        else:
            self._show_result(outcome)
        self.shown.changed()  # what was chosen meanwhile, as when the CT was removed

    def _show_result(self, outcome: Outcome) -> None:
        self.result.show(outcome)
        note_run(outcome)
        if advice := advice_on(outcome):
            self.card.show(advice)
        if outcome.undo is None:
            return
        self.history.add(replace(outcome.undo, title=title_of(outcome)))
        self.shown.node.output_segmentation = outcome.segmentation
        self.shown.node.outline = outcome.segment_id
        if isinstance(outcome.report, CompletionRecord):
            self.steering.ends_found(outcome.report.first, outcome.report.last)
        elif self._entered and outcome.change is None:
            # In another module, or while somebody steers, the views would jump away under the user's brush.
            show_segment(outcome.segmentation, outcome.segment_id)

    def _show_failure(self, failure: Failure) -> None:
        self.log.add(f"failure: {failure.code}")
        if failure.code == "cancelled":
            self.result.show_text(str(failure))
        else:
            self.card.show(failure, on_gpu=self.devices.may_use_gpu)

    def _exported(self, outcome: Outcome) -> None:
        self.export.ended(outcome)
        self.shown.changed()

    def _say(self, text: str) -> None:
        self.export.clear()
        self.result.show_text(text)

    def _clear(self) -> None:
        """Put away what the last run said."""
        self.card.hide()
        self.result.clear()
        self.export.clear()

    # Buttons

    def _on_edit(self) -> None:
        open_in_segment_editor(self.steering.node, self.steering.segment_id, self.steering.ct)

    def _on_copy_diagnostics(self) -> None:
        report = diagnostics(self.devices.selected, self.setup.answer, self.card.failure, self.log.text)
        slicer.app.clipboard().setText(report)

    def _update(self) -> None:
        """Bring every widget in line with the parameter node and the run."""
        shown, ui = self.shown, self.ui
        ct, output = shown.ct, shown.output
        if shown.node is not None:
            self.models.select(shown.node.model)
            self.devices.select(shown.node.device)
        self.runs.show()
        has_model = self.models.selected is not None
        ui.firstStepLabel.text = first_step(
            installing=self.setup.installing,
            has_torch=self.setup.has_torch,
            has_model=has_model,
            has_ct=ct is not None,
            action=self.runs.action(),
        )
        ui.firstStepLabel.visible = not self.running and not shown.result_id
        for selector in (ui.inputSelector, ui.modelSelector, ui.outputSelector, ui.deviceSelector):
            selector.enabled = not self.running
        self.setup.lock(self.running or self.learning.running)
        self.card.lock(self.running)
        self.steering.follow(shown.node, shown.result_id, running=self.running, has_model=has_model)
        has_segment = bool(self.steering.segment_id)
        ui.show3DButton.setSegmentationNode(output)
        ui.show3DButton.enabled = has_segment
        ui.editButton.enabled = has_segment and not self.running
        ui.exportButton.enabled = bool(candidates(output)) and ct is not None and not self.running
        for part in (self.approval, self.learning):
            part.follow(self.steering.node, self.steering.segment_id, ct, self.running)
        self.history.lock(self.running)
