"""What the panel shows: the parameter node, and what is chosen in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

from ..run.ct_voxels import CtVoxels
from ..scene.ownership import belongs_to, our_segments, reference_volume
from .model_part import ModelPart


class Shown(VTKObservationMixin):
    """Follows a parameter node, or none, as before the module is opened and while a scene closes.

    Args:
        ui: the panel's widgets.
        models: the model selector.
        is_running: tells whether a run is in progress.
        update: called when something else is chosen.
    """

    def __init__(self, ui: Any, models: ModelPart, is_running: Callable[[], bool], update: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui, self._models = ui, models
        self._is_running, self._update = is_running, update
        self._gui_tag: int | None = None
        self.node: Any = None
        self.ct_voxels = CtVoxels(self.changed)

    @property
    def ct(self) -> Any:
        """The CT, or None."""
        return self.node.input_volume if self.node is not None else None

    @property
    def output(self) -> Any:
        """The segmentation, or None."""
        return self.node.output_segmentation if self.node is not None else None

    @property
    def result_id(self) -> str:
        """The result of the last run of the selected model's region; without one, that of another region, or ""."""
        segments = our_segments(self.output) if self.output is not None else {}
        return segments.get(self._models.region, next(iter(segments.values()), ""))

    def follow(self, node: Any) -> None:
        """Show and write a parameter node, or none."""
        if self.node is not None:
            self.node.disconnectGui(self._gui_tag)
            self.removeObserver(self.node, vtk.vtkCommand.ModifiedEvent, self.changed)
        self.node = node
        if node is None:
            return
        if node.input_volume is None:
            # Of that very class, as the selector lists them: a label map is a scalar volume too.
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            exact = (volume for volume in volumes if volume.GetClassName() == "vtkMRMLScalarVolumeNode")
            node.input_volume = next(exact, None)
        if not node.model:
            node.model = self._models.selected_id
        self._gui_tag = node.connectGui(self._ui)
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.changed)
        self._update()

    def stop(self) -> None:
        """Follow nothing, and find out nothing about a CT any more."""
        self.ct_voxels.stop()
        self.follow(None)

    def changed(self, _caller: Any = None, _event: Any = None) -> None:
        """Something else is chosen, or more is known of it."""
        if self.node is None:
            return
        # While a scene is added, CT and segmentation change one after the other; the end of that comes here too.
        if not self._is_running() and not slicer.mrmlScene.IsBatchProcessing():
            self._match_output()
        self._update()

    def choose_model(self, model_id: str) -> None:
        """The user selects a model."""
        if self.node is not None:
            self.node.model = model_id
        self._update()

    def choose_device(self, device: str) -> None:
        """The user selects a device."""
        if self.node is not None:
            self.node.device = device

    def _match_output(self) -> None:
        """A segmentation made for one CT is not the place for the result of another, nor exported with it."""
        is_known = self.ct_voxels.knows(self.ct)
        if self.output is None or belongs_to(self.output, self.ct):
            return
        # While nobody knows yet which CT it is, one that was loaded beside it may be its own.
        if is_known or reference_volume(self.output) not in (None, self.ct):
            self.node.output_segmentation = None
