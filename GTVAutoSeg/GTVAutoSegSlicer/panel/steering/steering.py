"""Steering: what a person does with the outline, slice by slice, and what the panel then shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.images.segment_info import SegmentInfo

from ...scene.files import volume_of
from ...scene.history import Undo
from ...scene.segmentation import add_empty_segment
from ...scene.steering.change import Change
from ...scene.steering.steps import declare
from ...scene.steering.threshold import ThresholdStep
from ...scene.views import axial_views, open_in_segment_editor, show_slice, shown_slice
from ..result_part import describe_change
from .box_part import BoxPart
from .completion_part import Actions, CompletionPart, Offer
from .outline_part import OutlinePart
from .probability_part import ProbabilityPart
from .reading import Reading
from .strip_part import StripPart

# What an outline can change by; a stroke of a brush gives several.
EVENTS = ("SourceRepresentationModified", "SegmentAdded", "SegmentRemoved", "SegmentModified")


@dataclass(frozen=True)
class SteeringHost:
    """What steering asks of the panel.

    Attributes:
        add_step: called with a step that was made.
        show_text: called with a sentence for the result line.
        segment: called with the first slice and the one after the last: runs the model on them.
        complete: called with the first and the last slice, None for an end to be found: completes the outline.
        new_segment: what a segment to be drawn by hand is called, and how it looks.
        updated: called when the outline is another.
    """

    add_step: Callable[[Undo], None]
    show_text: Callable[[str], None]
    segment: Callable[[tuple[int, int]], None]
    complete: Callable[[int | None, int | None], None]
    new_segment: Callable[[], SegmentInfo]
    updated: Callable[[], None]


class Steering(VTKObservationMixin):
    """The part of the panel that steers.

    Args:
        ui: the panel's widgets.
        host: what it asks of the panel.
    """

    def __init__(self, ui: Any, host: SteeringHost) -> None:
        VTKObservationMixin.__init__(self)
        self._ui, self._host = ui, host
        self._parameters: Any = None
        self.ct: Any = None
        self.node: Any = None
        self.segment_id = ""
        self._reading = Reading()
        self._found: tuple[int, int] | None = None
        self._locked, self._has_model = True, False
        self._due = False
        self._drag: ThresholdStep | None = None
        self.box = BoxPart(ui, lambda: (self.ct, self.node, self.segment_id), partial(self._set, "box"))
        self.outline = OutlinePart(ui, partial(self._set, "outline"))
        self.strip = StripPart(ui, self._go_to, self._on_range)
        self.probability = ProbabilityPart(ui, self._on_threshold)
        self.completion = CompletionPart(
            ui,
            Actions(
                self._on_end, mine=self._on_mine, segment=self._on_segment, complete=self._on_complete, draw=self.draw
            ),
        )

    def follow(self, parameters: Any, segment_id: str, *, running: bool, has_model: bool) -> None:
        """Take over what the panel works on.

        Args:
            parameters: the parameter node, or None.
            segment_id: what is steered where nobody has selected a segment: the last result, or "".
            running: whether a run goes on.
            has_model: whether a model can be run.
        """
        ct = parameters.input_volume if parameters is not None else None
        node = parameters.output_segmentation if parameters is not None else None
        self._parameters = parameters
        self._locked, self._has_model = running or ct is None, has_model
        self._observe(ct, node)
        chosen = (parameters.outline if parameters is not None else "") or segment_id
        self.segment_id = self.outline.show(node, chosen)
        self._ui.outlineSelector.enabled = bool(self.segment_id) and not running
        self.box.lock(self._locked)
        self._look()

    def stop(self) -> None:
        """Let go of the scene."""
        self.removeObservers()
        self.node = self.ct = self._parameters = None

    def ends_found(self, first: int, last: int) -> None:
        """A completion has found the ends; they are shown to be corrected."""
        self._found = (first, last)
        self._show()

    def draw(self) -> None:
        """Draw or correct some slices; where nothing is outlined yet, in a new segment."""
        if self.ct is None:
            return
        node, segment_id = self.node, self.segment_id
        if not segment_id:
            node, segment_id = add_empty_segment(node, self.ct, self._host.new_segment())
            self._set("output_segmentation", node)
            self._set("outline", segment_id)
        open_in_segment_editor(node, segment_id, self.ct)

    @property
    def ends(self) -> tuple[int | None, int | None]:
        """The ends a person has named."""
        parameters = self._parameters
        if parameters is None:
            return None, None
        first, last = parameters.first_slice, parameters.last_slice
        return (first if first >= 0 else None), (last if last >= 0 else None)

    # The scene

    def _set(self, name: str, value: Any) -> None:
        if self._parameters is not None:
            setattr(self._parameters, name, value)

    def _observe(self, ct: Any, node: Any) -> None:
        if ct is self.ct and node is self.node and self.Observations:
            return
        self.removeObservers()
        self.ct, self.node, self._found = ct, node, None
        for view in axial_views():
            self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._on_view)
        if ct is not None:  # a volume may get its image after it was added to the scene
            self.addObserver(ct, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._on_changed)
        if node is not None:
            for name in EVENTS:
                self.addObserver(node.GetSegmentation(), getattr(slicer.vtkSegmentation, name), self._on_changed)

    def _on_view(self, _caller: Any = None, _event: Any = None) -> None:
        if shown_slice(self.ct) != self.strip.strip.shown:
            self._show()

    def _on_changed(self, _caller: Any = None, _event: Any = None) -> None:
        if not self._due and self._drag is None:
            self._due = True
            qt.QTimer.singleShot(0, self._look_again)

    def _look_again(self) -> None:
        self._due = False
        if self._parameters is not None and self._drag is None:
            self._host.updated()

    def _look(self) -> None:
        """Read the segment anew."""
        self._reading = Reading.of(self.node, self.segment_id, self.ct)
        self._show()

    def _show(self, threshold: float | None = None) -> None:
        """Bring strip, slider and buttons in line with what was read; while the slider is dragged, what follows it."""
        reading = self._reading
        strip = reading.strip(self.ends, self._found, shown_slice(self.ct))
        self.strip.show(strip)
        self._ui.stripLabel.enabled = not self._locked
        self._ui.sliceLabel.text = reading.describe(strip)
        probability = reading.evidence.probability
        own = None if probability is None or self._locked else probability.threshold
        chosen = reading.evidence.threshold if self._drag is None else threshold
        self.probability.show(own, chosen, reading.ml)
        self.completion.show(
            Offer(
                strip.shown,
                count=strip.count,
                ends=strip.ends,
                given=strip.given,
                mine=reading.mine,
                drawn=reading.drawn,
                locked=self._locked,
                has_model=self._has_model,
                has_outline=reading.box is not None,
            )
        )

    # What a person does

    def _go_to(self, index: int) -> None:
        show_slice(self.ct, index)
        self._on_view()

    def _on_range(self, first: int, last: int) -> None:
        if first < 0 and last < 0:
            self._found = None
        self._set("first_slice", first)
        self._set("last_slice", last)
        self._show()

    def _on_end(self, which: int) -> None:
        shown = shown_slice(self.ct)
        if shown is None:
            return
        ends = [-1 if end is None else end for end in self.ends]
        ends[which] = shown
        if -1 not in ends and ends[0] > ends[1]:  # the other end is no longer one
            ends[1 - which] = -1
        self._on_range(*ends)

    def _on_segment(self) -> None:
        first, last = self.strip.strip.ends
        self._host.segment((first, last + 1))

    def _on_complete(self) -> None:
        self._host.complete(*self.ends)

    def _on_mine(self, is_mine: bool) -> None:
        shown, box = self.strip.strip.shown, self._reading.box
        if shown is None or box is None:
            return
        mine = set(self._reading.mine)
        mine = mine | {shown} if is_mine else mine - {shown}
        title = (_("slice {index} kept as mine") if is_mine else _("slice {index} given back")).format(index=shown)
        step = declare(self.node, segment_id=self.segment_id, ct=self.ct, box=box, mine=mine, title=title)
        self._made(step, Change.between(box, box, volume_of(self.ct)))

    def _on_threshold(self, threshold: float | None, is_final: bool) -> None:
        try:
            if self._drag is None:
                self._drag = ThresholdStep(self.node, self.segment_id, self.ct)
            if is_final:
                made = self._drag.finish(threshold)
                self._drag = None
                self._made(*made)
            else:
                self._reading = replace(self._reading, area=self._drag.show(threshold))
                self._show(threshold)
        except GTVAutoSegError as error:
            self._drag = None
            self._host.show_text(str(error))

    def _made(self, step: Undo, change: Change) -> None:
        self._host.add_step(step)
        self._host.show_text(f"{step.title[:1].upper()}{step.title[1:]}. {describe_change(step.name, change)}")
        self._host.updated()
