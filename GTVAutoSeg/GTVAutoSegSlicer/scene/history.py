"""Steps back and forward: what a step has changed in a segmentation, and the steps one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import slicer

from .ownership import give_up, indices_in_world, is_as_left, own_again
from .place import place_beside


class Undone(Enum):
    """What became of the wish to take a step back, or to make it again."""

    DONE = "done"
    EDITED = "edited"
    GONE = "gone"


@dataclass(frozen=True)
class SegmentState:
    """A segment as it was.

    Attributes:
        metadata: vtkSegment with its name, colour and tags.
        labelmap: vtkOrientedImageData with its voxels.
    """

    metadata: Any
    labelmap: Any

    @classmethod
    def of(cls, node: Any, segment_id: str) -> SegmentState | None:
        """A copy of a segment, or None when there is none of that id."""
        segment = node.GetSegmentation().GetSegment(segment_id)
        if segment is None:
            return None
        metadata, labelmap = slicer.vtkSegment(), slicer.vtkOrientedImageData()
        metadata.DeepCopyMetadata(segment)
        node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
        return cls(metadata, labelmap)

    def put(self, node: Any, segment_id: str) -> None:
        """Give a segment these voxels and this description; segments that overlap it keep theirs."""
        segmentation = node.GetSegmentation()
        if segmentation.GetSegment(segment_id) is None:  # the user has removed it in the meantime
            segmentation.AddSegment(slicer.vtkSegment(), segment_id)
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.SetBinaryLabelmapToSegment(self.labelmap, node, segment_id, logic.MODE_REPLACE)
        describe(node, segment_id, self.metadata)

    def is_still(self, node: Any, segment_id: str) -> bool:
        """Whether a segment has this name and these voxels."""
        now = SegmentState.of(node, segment_id)
        if now is None or now.metadata.GetName() != self.metadata.GetName():
            return False
        places, were = indices_in_world(now.labelmap), indices_in_world(self.labelmap)
        return places.shape == were.shape and np.allclose(places, were, rtol=0, atol=1e-3)


def describe(node: Any, segment_id: str, metadata: Any) -> None:
    """Give a segment another name, colour and tags; its voxels stay."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    value = segment.GetLabelValue()
    segment.DeepCopyMetadata(metadata)
    segment.SetLabelValue(value)


@dataclass(frozen=True)
class Undo:
    """A step, and the way back.

    Attributes:
        node: the segmentation.
        segment_id: of the segment that was made or changed.
        ct: the CT it lies on.
        before: the segment as it was, or None when there was none.
        disowned: ids of the segments that were the result until then and were kept.
        kept: name of the segment of an earlier run that was edited or copied, so that the result lies beside it; or "".
        made_node: the node was made for the result.
        title: what the step was, for the sentence about taking it back.
    """

    node: Any
    segment_id: str
    ct: Any
    before: SegmentState | None
    disowned: Sequence[str] = ()
    kept: str = ""
    made_node: bool = False
    title: str = ""

    @property
    def name(self) -> str:
        """What the segment is called; "" when it is gone."""
        segment = self.node.GetSegmentation().GetSegment(self.segment_id)
        return segment.GetName() if segment is not None else ""

    def restore(self) -> Undone:
        """Bring back what was before the step, unless a person has edited or removed the segment since."""
        if self.node.GetScene() is None:
            return Undone.GONE
        segmentation = self.node.GetSegmentation()
        gone = segmentation.GetSegment(self.segment_id) is None
        if not gone and not is_as_left(self.node, self.segment_id, self.ct):
            return Undone.EDITED
        own_again(self.node, self.disowned)
        if self.before is not None:
            self.before.put(self.node, self.segment_id)
            return Undone.DONE
        if gone:
            return Undone.GONE
        segmentation.RemoveSegment(self.segment_id)
        if self.made_node and segmentation.GetNumberOfSegments() == 0:
            slicer.mrmlScene.RemoveNode(self.node)
        return Undone.DONE


@dataclass(frozen=True)
class Redo:
    """A step that was taken back, and the way forward again.

    Attributes:
        step: what was taken back.
        after: the segment as the step had left it.
    """

    step: Undo
    after: SegmentState

    def repeat(self) -> Undone:
        """Make the step again, unless what it started from was edited or removed since."""
        step = self.step
        node, before = step.node, step.before
        if node.GetScene() is None:
            if not step.made_node or step.ct.GetScene() is None:
                return Undone.GONE
            slicer.mrmlScene.AddNode(node)
            place_beside(node, step.ct)  # what shows it went with it
        found = node.GetSegmentation().GetSegment(step.segment_id) is not None
        if before is not None and not found:
            return Undone.GONE
        if found and (before is None or not before.is_still(node, step.segment_id)):
            return Undone.EDITED
        give_up(node, step.disowned)
        self.after.put(node, step.segment_id)
        return Undone.DONE


class History:
    """The steps that can be taken back, and those that can be made again."""

    def __init__(self) -> None:
        self._done: list[Undo] = []
        self._undone: list[Redo] = []

    def add(self, step: Undo) -> None:
        """A step was made; those taken back before it are forgotten."""
        self._done.append(step)
        self._undone.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()

    @property
    def last(self) -> Undo | None:
        """The step that would be taken back."""
        return self._done[-1] if self._done else None

    @property
    def next(self) -> Undo | None:
        """The step that would be made again."""
        return self._undone[-1].step if self._undone else None

    def undo(self) -> Undone:
        """Take the last step back. One whose ground is gone is forgotten; one edited since waits."""
        step = self._done[-1]
        after = SegmentState.of(step.node, step.segment_id)
        undone = step.restore()
        if undone is not Undone.EDITED:
            self._done.pop()
        if undone is Undone.DONE and after is not None:
            self._undone.append(Redo(step, after))
        return undone

    def redo(self) -> Undone:
        """Make the step again that was taken back last. One whose ground is gone is forgotten."""
        redone = self._undone[-1].repeat()
        if redone is Undone.DONE:
            self._done.append(self._undone.pop().step)
        elif redone is Undone.GONE:
            self._undone.clear()
        return redone
