"""The segmentation node: one segment of ours among those of the user.

What a person has edited or renamed, or copied within the segmentation, is never replaced and never removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, count
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.masks.packed import pack_box
from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.segment_info import SegmentInfo, is_gtv
from GTVAutoSegLib.system.tags import (
    AUTOMATIC_TAG,
    BOX_TAG,
    CT_TAG,
    MASK_TAG,
    NAME_TAG,
    ORIGIN_TAGS,
    RESULT_TAG,
    ROI_TAG,
)

from .ct_identity import mark
from .history import SegmentState, Undo
from .ownership import disown, is_as_left, our_segments, reference_volume, tag
from .place import REFERENCE_ROLE, place_beside, same_place
from .terminology import load_terminology


def check_output(node: Any, ct: Any) -> None:
    """Check that a segmentation can take a result for a CT.

    Args:
        node: vtkMRMLSegmentationNode, or None when one shall be made.
        ct: the CT.

    Raises:
        InputError: its segments are surfaces or contours, or lie under another transform than the CT.
    """
    if node is None or node.GetSegmentation().GetNumberOfSegments() == 0:
        return
    source = node.GetSegmentation().GetSourceRepresentationName()
    if source != slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName():
        raise InputError(
            f"the segments of '{node.GetName()}' are stored as '{source}', expected binary labelmaps; select another "
            "segmentation or convert it in the Segmentations module"
        )
    if not same_place(node, ct):
        raise InputError(
            f"'{node.GetName()}' and '{ct.GetName()}' lie under different transforms, expected the same; select "
            "another segmentation or move one of them"
        )


def put_segment(node: Any, ct: Any, mask: np.ndarray | Box, info: SegmentInfo) -> Undo:
    """Put a mask into a segmentation.

    It replaces the result of the last run of the same region only where that is still as the run left it. What a
    person has edited, renamed or copied stays as it is, and the mask becomes a segment of its own beside it.

    Args:
        node: vtkMRMLSegmentationNode that passed `check_output`, or None to make one named after the CT beside it.
        ct: the CT node; its voxels are where the mask's are.
        mask: uint8 (z, y, x), 0 or 1, or the box around it; not empty.
        info: name, colour, terminology and tags; `MASK_TAG` and `AUTOMATIC_TAG` among them are not found out again.

    Returns:
        What brings the former state back.
    """
    load_terminology()
    box = mask if isinstance(mask, Box) else Box.of(mask)
    labelmap = labelmap_of(box, ct)
    digest = info.tags.get(MASK_TAG) or box.mask_sha256
    with _made_if_none(node, ct, info.name) as target:
        segmentation = target.GetSegmentation()
        if segmentation.GetNumberOfSegments() == 0:
            place_beside(target, ct)
        if reference_volume(target) is None:
            # As after loading a .seg.nrrd; without it the next CT's result would replace this one's.
            target.SetNodeReferenceID(REFERENCE_ROLE, ct.GetID())
        segment_id, kept, before = our_segments(target).get(info.name, ""), "", None
        if segment_id and is_as_left(target, segment_id, ct):
            before = SegmentState.of(target, segment_id)
        else:
            kept = segmentation.GetSegment(segment_id).GetName() if segment_id else ""
            segment_id = segmentation.GenerateUniqueSegmentID(info.name)
            segmentation.AddSegment(slicer.vtkSegment(), segment_id)
        disowned = disown(target, info.name)
        marks = {MASK_TAG: digest, BOX_TAG: f"{digest} {box.sha256}", CT_TAG: mark(ct)}
        marks[AUTOMATIC_TAG] = info.tags.get(AUTOMATIC_TAG) or pack_box(box)
        info = replace(info, tags={**info.tags, **marks})
        SegmentState(_described(target, segment_id, info), labelmap).put(target, segment_id)
    return Undo(
        target, segment_id=segment_id, ct=ct, before=before, disowned=disowned, kept=kept, made_node=node is None
    )


def add_empty_segment(node: Any, ct: Any, info: SegmentInfo) -> tuple[Any, str]:
    """Add a segment for a person to draw in; no run has made it, and none will replace it.

    Args:
        node: vtkMRMLSegmentationNode, or None to make one named after the CT beside it.
        ct: the CT.
        info: name, colour and terminology.

    Returns:
        The segmentation and the segment's id.
    """
    load_terminology()
    check_output(node, ct)
    with _made_if_none(node, ct, info.name) as target:
        segmentation = target.GetSegmentation()
        if segmentation.GetNumberOfSegments() == 0:
            place_beside(target, ct)
        segment_id = segmentation.GenerateUniqueSegmentID(info.name)
        segmentation.AddSegment(_looking(target, segment_id, info), segment_id)
    return target, segment_id


def segment_info(node: Any, segment_id: str) -> SegmentInfo:
    """Name, colour, meaning and origin of a segment as they are now.

    Raises:
        InputError: it has no name, or one that no file can hold.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    terminology = tag(segment, slicer.vtkSegment.GetTerminologyEntryTagName())
    tags = {name: value for name in ORIGIN_TAGS if (value := tag(segment, name))}
    try:
        return SegmentInfo(segment.GetName() or "", segment.GetColor(), terminology, tags)
    except ValueError as error:
        raise InputError(f"the segment '{segment.GetName()}' cannot be exported: {error}; rename it") from None


@contextmanager
def _made_if_none(node: Any, ct: Any, region: str) -> Iterator[Any]:
    """The node, or a new one that goes away again when the block fails."""
    if node is not None:
        yield node
        return
    name = slicer.mrmlScene.GenerateUniqueName(f"{ct.GetName()} {'GTV' if is_gtv(region) else region}")
    made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    try:
        yield made
    except BaseException:
        slicer.mrmlScene.RemoveNode(made)
        raise


def _looking(node: Any, segment_id: str, info: SegmentInfo) -> Any:
    segment = slicer.vtkSegment()
    segment.SetName(_free_name(node, segment_id, info.name))
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*info.color)
    segment.SetColorAutoGenerated(False)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), info.terminology)
    return segment


def _described(node: Any, segment_id: str, info: SegmentInfo) -> Any:
    segment = _looking(node, segment_id, info)
    segment.SetTag(ROI_TAG, info.name)
    segment.SetTag(RESULT_TAG, segment_id)
    segment.SetTag(NAME_TAG, segment.GetName())
    for name, value in info.tags.items():
        segment.SetTag(name, value)
    return segment


def _free_name(node: Any, segment_id: str, name: str) -> str:
    """The name, or one that tells it from segments that were drawn, edited or kept under the same name."""
    segmentation = node.GetSegmentation()
    taken = {segmentation.GetSegment(i).GetName() for i in segmentation.GetSegmentIDs() if i != segment_id}
    further = (f"{name}_auto{number}" for number in count(2))
    return next(free for free in chain((name, f"{name}_auto"), further) if free not in taken)


def labelmap_of(box: Box, ct: Any) -> Any:
    """A mask, or one empty voxel, as an image in the CT's own coordinates."""
    return image_of(box.voxels if box.voxels.size else np.zeros((1, 1, 1), np.uint8), box.start, ct)


def image_of(voxels: np.ndarray, start: Sequence[int], ct: Any) -> Any:
    """Some voxels, uint8 (z, y, x), that begin at a voxel (z, y, x) of a CT, as an image in its own coordinates."""
    image = slicer.vtkOrientedImageData()
    ends = [index for first, count in zip(start, voxels.shape) for index in (first + count - 1, first)]
    image.SetExtent(*reversed(ends))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    scalars[:] = voxels.ravel()
    to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(to_ras)
    image.SetGeometryFromImageToWorldMatrix(to_ras)
    return image
