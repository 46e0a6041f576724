"""The panel: puts its parts together, and starts and ends runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from GTVAutoSegLib.cascade.completion.record import CompletionRecord
from GTVAutoSegLib.images.segment_info import is_gtv

from ..run.failures import Failure
from ..run.kept_worker import KEPT_WORKER
from ..run.work import Outcome
from ..scene.ct_voxels import CtVoxels
from ..scene.export.candidates import candidates
from ..scene.files import doubts_before
from ..scene.ownership import belongs_to, our_segments, reference_volume
from ..scene.record.audit import note_run
from ..scene.views import open_in_segment_editor, show_segment
from ..setup.diagnostics import diagnostics
from ..setup.first_step import first_step
from ..setup.setup_part import SetupPart
from .device_part import DevicePart
from .failure_card import FailureCard
from .history_part import HistoryPart
from .learning.learning import Learning, LearningHost
from .log_part import LogPart
from .model_part import ModelPart
from .models_section import ModelsSection
from .progress_part import ProgressPart
from .result_part import ResultPart, advice_on, title_of
from .review.approve_part import ApprovePart
from .review.export_dialog import Wanted
from .review.export_part import ExportPart
from .run_part import RunPart
from .steering.steering import Host, Steering


class Panel(VTKObservationMixin):
    """The module's panel.

    Args:
        ui: the widgets of GTVAutoSeg.ui by name.
        logic: a GTVAutoSegLogic.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.ui, self.logic = ui, logic
        self._parameters: Any = None
        self._gui_tag: int | None = None
        self._entered = False
        self._ct_voxels = CtVoxels(self._on_parameters_modified)
        self.log = LogPart(ui)
        self.models = ModelPart(ui, self._on_model_selected)
        self.devices = DevicePart(ui, self._on_device_selected)
        self.progress = ProgressPart(ui)
        self.result = ResultPart(ui)
        self.models_section = ModelsSection(ui, self.models, self._on_model_selected)
        self.history = HistoryPart(ui, self._say, self._update)
        self.card = FailureCard(ui, self._card_actions())
        self.runs = RunPart(self.log, self.progress, self._finished, self._show_failure)
        self.steering = Steering(ui, self._steering_host())
        self.export = ExportPart(
            ui, segmentation=self._output, export=self._export, log=self.log.add, show_failure=self._show_failure
        )
        self.approval = ApprovePart(ui, self.log.add, self._show_failure)
        self.learning = Learning(ui, self._learning_host())
        self.setup = SetupPart(
            ui,
            log=self.log,
            card=self.card,
            on_devices=self.devices.set_devices,
            on_failure=self._show_failure,
            on_busy=self._update,
        )
        ui.segmentButton.connect("clicked(bool)", self._on_segment)
        ui.editButton.connect("clicked(bool)", self._on_edit)
        ui.copyDiagnosticsButton.connect("clicked(bool)", self._on_copy_diagnostics)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_scene_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self._on_scene_replaced)
        self.addObserver(scene, scene.EndImportEvent, self._on_scene_replaced)
        self.addObserver(scene, scene.EndBatchProcessEvent, self._on_parameters_modified)
        self._update()

    def enter(self) -> None:
        """The user opens the module."""
        self._entered = True
        self._follow(self.logic.getParameterNode())
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
        self._follow(None)
        self.steering.stop()
        self._ct_voxels.stop()
        self.removeObservers()

    @property
    def running(self) -> bool:
        """Whether a run is in progress."""
        return self.runs.run is not None

    def _steering_host(self) -> Host:
        return Host(
            self.history.add,
            show_text=self._say,
            segment=self._start,
            complete=self._complete,
            new_segment=lambda: self.models.segment_info,
            updated=self._update,
        )

    def _learning_host(self) -> LearningHost:
        return LearningHost(
            logic=self.logic,
            models=self.models,
            log=self.log,
            start=self._collect,
            say=self._say,
            show_failure=self._show_failure,
            device=lambda: self.devices.selected,
            missing=self._installing,
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
            "run-on-cpu": self._run_on_cpu,
            "run-again": lambda: self._start(),
            "go-on": lambda: self._start(),
            "edit-segment": self._on_edit,
            "open-dicom": lambda: slicer.util.selectModule("DICOM"),
            "export-again": lambda: self.export.ask(),
            "open-learning": lambda: self.learning.open(),
            "draw-box": lambda: self.steering.box.draw(),
            "draw-slices": lambda: self.steering.draw(),
            "crop-ct": lambda: slicer.util.selectModule("CropVolume"),
            "copy-diagnostics": self._on_copy_diagnostics,
        }

    # The parameter node

    def _follow(self, parameters: Any) -> None:
        """Show and write a parameter node, or none."""
        if self._parameters is not None:
            self._parameters.disconnectGui(self._gui_tag)
            self.removeObserver(self._parameters, vtk.vtkCommand.ModifiedEvent, self._on_parameters_modified)
        self._parameters = parameters
        if parameters is None:
            return
        if parameters.input_volume is None:
            # Of that very class, as the selector lists them: a label map is a scalar volume too.
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            exact = (volume for volume in volumes if volume.GetClassName() == "vtkMRMLScalarVolumeNode")
            parameters.input_volume = next(exact, None)
        if not parameters.model:
            parameters.model = self.models.selected_id
        self._gui_tag = parameters.connectGui(self.ui)
        self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._on_parameters_modified)
        self._update()

    def _on_parameters_modified(self, _caller: Any = None, _event: Any = None) -> None:
        if self._parameters is None:
            return
        # While a scene is added, CT and segmentation change one after the other; the end of that comes here too.
        if not self.running and not slicer.mrmlScene.IsBatchProcessing():
            self._match_output()
        self._update()

    def _match_output(self) -> None:
        """A segmentation made for one CT is not the place for the result of another, nor exported with it."""
        output, ct = self._parameters.output_segmentation, self._parameters.input_volume
        is_known = self._ct_voxels.knows(ct)
        if output is None or belongs_to(output, ct):
            return
        # While nobody knows yet which CT it is, one that was loaded beside it may be its own.
        if is_known or reference_volume(output) not in (None, ct):
            self._parameters.output_segmentation = None

    def _on_model_selected(self, model_id: str) -> None:
        if self._parameters is not None:
            self._parameters.model = model_id
        self._update()

    def _on_device_selected(self, device: str) -> None:
        if self._parameters is not None:
            self._parameters.device = device

    def _on_scene_start_close(self, _caller: Any = None, _event: Any = None) -> None:
        self.runs.abort()
        self._ct_voxels.stop()
        self.history.clear()
        self._follow(None)
        self.result.clear()
        self.export.clear()
        self.approval.stop()
        self.learning.stop()
        self.card.hide()

    def _on_scene_replaced(self, _caller: Any = None, _event: Any = None) -> None:
        needs_parameters = self._entered or self.running
        self._follow(self.logic.getParameterNode() if needs_parameters else None)

    # Runs

    def _on_segment(self) -> None:
        if self.running:
            self.runs.cancel()
        elif not self._ask_first():
            self._start()

    def _ask_first(self) -> bool:
        """Whether a card asks for a box first: the CT's size or spacing is unlike what the model was trained on."""
        parameters = self._parameters
        ct, model = (parameters.input_volume if parameters is not None else None), self.models.selected
        if ct is None or model is None or parameters.box is not None or slicer.app.testingEnabled():
            return False
        doubts = doubts_before(ct, model)
        if doubts:
            self.card.show(Failure("unlike", "; ".join(doubts)))
        return bool(doubts)

    def _start(self, slices: tuple[int, int] | None = None) -> None:
        """Run the model with the panel's values; not beside another run, nor while PyTorch is being installed."""
        parameters = self._parameters
        if self._can_start(self._what_is_missing(parameters.input_volume if parameters is not None else None)):
            begin = partial(
                self.logic.segment,
                parameters.input_volume,
                self.models.selected or "",
                parameters.device,
                output=parameters.output_segmentation,
                slices=slices,
                region=parameters.box,
            )
            self._begin(begin, f"run: model {self.models.selected_id}, device {parameters.device}")

    def _complete(self, first: int | None, last: int | None) -> None:
        """Complete the outline from the slices that are a person's."""
        parameters = self._parameters
        if self._can_start(self._installing()):
            steered = self.steering
            is_the_models = steered.segment_id == our_segments(steered.node).get(self.models.region)
            begin = partial(
                self.logic.complete,
                steered.node,
                steered.segment_id,
                steered.ct,
                first=first,
                last=last,
                model=self.models.selected if is_the_models else None,
                device=parameters.device,
            )
            self._begin(begin, f"completion: device {parameters.device}")

    def _collect(self, begin: Any, line: str) -> None:
        if self._can_start(self._installing()):
            self._begin(begin, line)

    def _begin(self, begin: Any, line: str) -> None:
        self.runs.start(begin, line)
        self._update()

    def _can_start(self, missing: str) -> bool:
        """Whether a run may be started; if so, what the last one said is put away."""
        if self.running or self._parameters is None:
            return False
        if missing:
            self.result.show_text(missing)
            return False
        self.card.hide()
        self.result.clear()
        self.export.clear()
        return True

    def _run_on_cpu(self) -> None:
        self._parameters.device = "cpu"
        self._start()

    def _finished(self, outcome: Outcome) -> None:
        if self.learning.finished(outcome):
            pass
        elif outcome.failure is not None:
            self._show_failure(outcome.failure)
        else:
            self._show_result(outcome)
        self._on_parameters_modified()  # what was chosen meanwhile, as when the CT was removed

    def _show_result(self, outcome: Outcome) -> None:
        self.result.show(outcome)
        note_run(outcome)
        if advice := advice_on(outcome):
            self.card.show(advice)
        if outcome.undo is None:
            return
        self.history.add(replace(outcome.undo, title=title_of(outcome)))
        self._parameters.output_segmentation = outcome.segmentation
        self._parameters.outline = outcome.segment_id
        if isinstance(outcome.report, CompletionRecord):
            self.steering.ends_found(outcome.report.first, outcome.report.last)
        elif self._entered and outcome.change is None:
            # In another module the views would jump under the user's brush, and so they would while somebody steers.
            show_segment(outcome.segmentation, outcome.segment_id)

    def _show_failure(self, failure: Failure) -> None:
        self.log.add(f"failure: {failure.code}")
        if failure.code == "cancelled":
            self.result.show_text(str(failure))
        else:
            self.card.show(failure, on_gpu=self.devices.may_use_gpu)

    # Buttons

    def _on_edit(self) -> None:
        open_in_segment_editor(self.steering.node, self.steering.segment_id, self.steering.ct)

    def _output(self) -> Any:
        return self._parameters.output_segmentation if self._parameters is not None else None

    def _export(self, path: Path, wanted: Wanted) -> None:
        """Write a file, as a run of its own: not beside another one."""
        if self.running or self._parameters is None:
            return
        self.card.hide()
        begin = partial(
            self.logic.exportRTSTRUCT,
            self._output(),
            path,
            self._parameters.input_volume,
            segments=wanted.choices,
            addTo=wanted.base,
        )
        self.runs.start(begin, "export", self._exported, _("End the export; no file is written."))
        self._update()

    def _exported(self, outcome: Outcome) -> None:
        self.export.ended(outcome)
        self._on_parameters_modified()

    def _segment_id(self) -> str:
        """The result of the last run of the selected model's region; without one, that of another region, or ""."""
        output = self._parameters.output_segmentation if self._parameters is not None else None
        segments = our_segments(output) if output is not None else {}
        return segments.get(self.models.region, next(iter(segments.values()), ""))

    def _say(self, text: str) -> None:
        self.export.clear()
        self.result.show_text(text)

    def _on_copy_diagnostics(self) -> None:
        report = diagnostics(self.devices.selected, self.setup.answer, self.card.failure, self.log.text)
        slicer.app.clipboard().setText(report)

    def _update(self) -> None:
        """Bring every widget in line with the parameter node and the run."""
        parameters, ui = self._parameters, self.ui
        ct = parameters.input_volume if parameters is not None else None
        output = parameters.output_segmentation if parameters is not None else None
        if parameters is not None:
            self.models.select(parameters.model)
            self.devices.select(parameters.device)
        missing = self._what_is_missing(ct)
        ui.segmentButton.text = _("Cancel") if self.running else self._action()
        ui.segmentButton.enabled = self.running or not missing
        ui.segmentButton.toolTip = missing or (
            self.runs.words_to_cancel if self.running else _("Outline the tumour on the CT.")
        )
        has_segment = bool(self._segment_id())
        step = first_step(
            installing=self.setup.installing,
            has_torch=self.setup.has_torch,
            has_model=self.models.selected is not None,
            has_ct=ct is not None,
            action=self._action(),
        )
        ui.firstStepLabel.text = step
        ui.firstStepLabel.visible = not self.running and not has_segment
        for selector in (ui.inputSelector, ui.modelSelector, ui.outputSelector, ui.deviceSelector):
            selector.enabled = not self.running
        self.setup.lock(self.running or self.learning.running)
        self.card.lock(self.running)
        has_model = self.models.selected is not None
        self.steering.follow(parameters, self._segment_id(), running=self.running, has_model=has_model)
        has_segment = bool(self.steering.segment_id)
        ui.show3DButton.setSegmentationNode(output)
        ui.show3DButton.enabled = has_segment
        ui.editButton.enabled = has_segment and not self.running
        ui.exportButton.enabled = bool(candidates(output)) and ct is not None and not self.running
        for part in (self.approval, self.learning):
            part.follow(self.steering.node, self.steering.segment_id, ct, self.running)
        self.history.lock(self.running)

    def _action(self) -> str:
        """What a click does; a model of another volume, such as a PTV, must not be taken for one of the GTV."""
        region = self.models.region
        return _("Segment GTV") if is_gtv(region) or not region else _("Segment {region}").format(region=region)

    def _what_is_missing(self, ct: Any) -> str:
        if installing := self._installing():
            return installing
        if ct is None:
            return _("Select a CT.")
        return "" if self.models.selected is not None else _("Install a model.")

    def _installing(self) -> str:
        return _("PyTorch is being installed.") if self.setup.installing else ""
