"""Steps on a segment in place: its new voxels, what its tags then say, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import slicer

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.masks.stored import OF_BOX, Box
from GTVAutoSegLib.system.tags import BOX_TAG, CT_TAG, FORMER_TAG, MASK_TAG, NAME_TAG, RESULT_TAG, ROI_TAG

from ..ct_identity import mark
from ..files import volume_of
from ..history import SegmentState, Undo, describe
from ..ownership import disown, is_result, own_box, tag
from ..segmentation import check_output, labelmap_of
from .mine import left_tags, mine_slices


def segment_box(node: Any, segment_id: str, ct: Any) -> Box:
    """The box around the voxels of a segment on its CT.

    Raises:
        InputError: there is no such segment, it is stored as something else than a labelmap, lies under another
            transform, or has voxels that are none of the CT.
    """
    segment = node.GetSegmentation().GetSegment(segment_id) if node is not None else None
    if segment is None:
        raise InputError("there is no segment to work on; select one, or draw one in Segment Editor")
    check_output(node, ct)
    box = own_box(node, segment_id, ct)
    if box is None:
        raise InputError(
            f"the segment '{segment.GetName()}' lies on another grid than '{ct.GetName()}', expected its voxels; draw "
            "it in Segment Editor with that CT as the source volume"
        )
    return box


def only_segment(node: Any) -> str:
    """The id of the only segment of a segmentation.

    Raises:
        InputError: there is none, or there are several.
    """
    ids = list(node.GetSegmentation().GetSegmentIDs()) if node is not None else []
    if len(ids) != 1:
        raise InputError(f"there are {len(ids)} segments, expected one; say which, by its id")
    return ids[0]


def mine_of_segment(node: Any, segment_id: str, ct: Any, box: Box) -> tuple[int, ...]:
    """The slices of a segment that are a person's; see `mine.mine_slices`."""
    return mine_slices(node.GetSegmentation().GetSegment(segment_id), box, volume_of(ct))


def change_segment(
    node: Any,
    segment_id: str,
    ct: Any,
    box: Box,
    *,
    mine: Iterable[int],
    tags: Mapping[str, str | None],
    title: str = "",
) -> Undo:
    """Give a segment other voxels; what it is called and how it looks stays.

    Args:
        node: vtkMRMLSegmentationNode.
        segment_id: of a segment in it.
        ct: the CT it lies on.
        box: the voxels.
        mine: which slices are a person's from now on.
        tags: further tags; None takes one away.
        title: what the step is.

    Returns:
        The way back.
    """
    before = SegmentState.of(node, segment_id)
    if before is None:
        raise InputError("the segment is no longer there; select one, or draw one in Segment Editor")
    labelmap = labelmap_of(box, ct)
    disowned = _own(node, segment_id)
    after = SegmentState(
        _described(before.metadata, segment_id=segment_id, ct=ct, box=box, mine=mine, tags=tags), labelmap
    )
    after.put(node, segment_id)
    return Undo(node, segment_id=segment_id, ct=ct, before=before, disowned=disowned, title=title)


def declare(node: Any, segment_id: str, ct: Any, box: Box, mine: Iterable[int], title: str = "") -> Undo:
    """Say which slices are a person's; the voxels stay, and count as what this step left.

    Args:
        node: vtkMRMLSegmentationNode.
        segment_id: of a segment in it.
        ct: the CT it lies on.
        box: the segment's voxels.
        mine: the slices.
        title: what the step is.
    """
    before = SegmentState.of(node, segment_id)
    if before is None:
        raise InputError("the segment is no longer there; select one, or draw one in Segment Editor")
    disowned = _own(node, segment_id)
    describe(node, segment_id, _described(before.metadata, segment_id=segment_id, ct=ct, box=box, mine=mine, tags={}))
    node.GetSegmentation().Modified()
    return Undo(node, segment_id=segment_id, ct=ct, before=before, disowned=disowned, title=title)


def _own(node: Any, segment_id: str) -> list[str]:
    """Let no other segment of its region count as the last result; returns those that did."""
    region = tag(node.GetSegmentation().GetSegment(segment_id), ROI_TAG)
    return disown(node, region) if region and not is_result(node, segment_id) else []


def _described(
    metadata: Any, segment_id: str, ct: Any, box: Box, mine: Iterable[int], tags: Mapping[str, str | None]
) -> Any:
    segment = slicer.vtkSegment()
    segment.DeepCopyMetadata(metadata)
    left = {
        RESULT_TAG: segment_id,
        NAME_TAG: segment.GetName(),
        MASK_TAG: OF_BOX + box.sha256,
        BOX_TAG: None,
        CT_TAG: mark(ct),
        **left_tags(box, volume_of(ct), mine),
        **tags,
        FORMER_TAG: None,
    }
    for name, value in left.items():
        if value:
            segment.SetTag(name, value)
        else:
            segment.RemoveTag(name)
    return segment
