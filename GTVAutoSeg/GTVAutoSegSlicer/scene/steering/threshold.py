"""The outline at another threshold of its probability: live while it is chosen, one step once it is."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from GTVAutoSegLib.cascade.completion.merge import merge_boxes
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.system.tags import MASK_THRESHOLD_TAG

from ..files import volume_of
from ..history import SegmentState, Undo
from ..segmentation import labelmap_of
from .change import Change
from .evidence import Evidence
from .mine import areas
from .steps import change_segment, mine_of_segment, segment_box


class ThresholdStep:
    """Shows an outline at other thresholds; slices that are a person's, or that the probability does not cover, stay.

    Args:
        node: vtkMRMLSegmentationNode.
        segment_id: of a segment in it with a probability.
        ct: the CT it lies on.

    Raises:
        InputError: there is no probability, or the segment does not fit the CT.
    """

    def __init__(self, node: Any, segment_id: str, ct: Any) -> None:
        self._place = node, segment_id, ct
        self._before = segment_box(node, segment_id, ct)
        state = SegmentState.of(node, segment_id)
        evidence = Evidence.of(state.metadata) if state is not None else Evidence()
        if state is None or evidence.probability is None or evidence.probability.shape != self._before.shape:
            raise InputError("no probability was kept with this segment; run the model again")
        self._state, self.probability = state, evidence.probability
        self._volume = volume_of(ct)
        self._mine = mine_of_segment(node, segment_id, ct, self._before)
        count = self._volume.array.shape[self._volume.axial.axes[0]]
        self._fixed = set(range(count)) - set(evidence.covered) | set(self._mine)

    def show(self, threshold: float | None) -> tuple[int, ...]:
        """Show the outline at a threshold; nothing but its voxels changes yet.

        Args:
            threshold: None for the model's own.

        Returns:
            How many voxels of each slice of the CT are outlined.
        """
        node, segment_id, ct = self._place
        cut = self._cut(threshold)
        SegmentState(self._state.metadata, labelmap_of(cut, ct)).put(node, segment_id)
        return tuple(areas(cut, self._volume).tolist())

    def finish(self, threshold: float | None) -> tuple[Undo, Change]:
        """Make it a step: the way back, and what it has changed."""
        cut = self._cut(threshold)
        self._state.put(*self._place[:2])
        tags = {MASK_THRESHOLD_TAG: None if threshold is None else f"{threshold:g}"}
        value = self.probability.threshold if threshold is None else threshold
        title = _("threshold {value:.2f}").format(value=value)
        undo = change_segment(*self._place, cut, mine=self._mine, tags=tags, title=title)
        return undo, Change.between(self._before, cut, self._volume)

    def _cut(self, threshold: float | None) -> Box:
        """The outline: work is done in the box around both only, as a slider has no time for the whole CT."""
        new = Box(self.probability.cut(threshold)[0], self.probability.start, self.probability.shape)
        return merge_boxes(self._before, new, self._volume, mine=self._fixed)
