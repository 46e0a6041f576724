"""The outline at another threshold of its probability: live while it is chosen, one step once it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from GTVAutoSegLib.cascade.completion.merge import merge
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.probability import Probability
from GTVAutoSegLib.images.volume import bounding_box
from GTVAutoSegLib.system.tags import MASK_THRESHOLD_TAG

from ..files import volume_of
from ..history import SegmentState, Undo
from ..segmentation import image_of
from .change import Change
from .evidence import Evidence
from .mine import by_slice
from .steps import change_segment, mine_of_segment, segment_mask


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
        self._before = segment_mask(node, segment_id, ct)
        state = SegmentState.of(node, segment_id)
        evidence = Evidence.of(state.metadata) if state is not None else Evidence()
        if state is None or evidence.probability is None or evidence.probability.shape != self._before.shape:
            raise InputError("no probability was kept with this segment; run the model again")
        self._state, self.probability = state, evidence.probability
        self._volume = volume_of(ct)
        self._mine = mine_of_segment(node, segment_id, ct, self._before)
        # All work is done in the box that anything can change in: a slider has no time for the whole CT.
        self._box = _around(self._before, self.probability)
        self._crop = replace(self._volume, array=self._volume.array[self._box])
        axis = self._volume.axial.axes[0]
        side = self._box[axis]
        fixed = set(range(self._volume.array.shape[axis])) - set(evidence.covered) | set(self._mine)
        self._fixed = [index - side.start for index in fixed if side.start <= index < side.stop]

    def show(self, threshold: float | None) -> tuple[int, ...]:
        """Show the outline at a threshold; nothing but its voxels changes yet.

        Args:
            threshold: None for the model's own.

        Returns:
            How many voxels of each slice of the CT are outlined.
        """
        node, segment_id, ct = self._place
        cut = self._cut(threshold)
        labelmap = image_of(cut, [side.start for side in self._box], ct)
        SegmentState(self._state.metadata, labelmap).put(node, segment_id)
        axis = self._volume.axial.axes[0]
        area = np.zeros(self._volume.array.shape[axis], int)
        area[self._box[axis]] = by_slice(cut, self._crop).sum(axis=(1, 2), dtype=int)
        return tuple(area.tolist())

    def finish(self, threshold: float | None) -> tuple[Undo, Change]:
        """Make it a step: the way back, and what it has changed."""
        mask = self._before.copy()
        mask[self._box] = self._cut(threshold)
        self._state.put(*self._place[:2])
        tags = {MASK_THRESHOLD_TAG: None if threshold is None else f"{threshold:g}"}
        value = self.probability.threshold if threshold is None else threshold
        title = _("threshold {value:.2f}").format(value=value)
        undo = change_segment(*self._place, mask, mine=self._mine, tags=tags, title=title)
        return undo, Change.between(self._before, mask, self._volume)

    def _cut(self, threshold: float | None) -> np.ndarray:
        """The outline within the box, uint8 (z, y, x)."""
        before = self._before[self._box]
        new = np.zeros_like(before)
        inside = tuple(slice(p.start - b.start, p.stop - b.start) for p, b in zip(self.probability.box, self._box))
        new[inside] = self.probability.cut(threshold)[0]
        return merge(before, new, self._crop, mine=self._fixed)


def _around(mask: np.ndarray, probability: Probability) -> tuple[slice, slice, slice]:
    """The box around a mask and a probability."""
    z, y, x = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(bounding_box(mask) or probability.box, probability.box)
    )
    return z, y, x
