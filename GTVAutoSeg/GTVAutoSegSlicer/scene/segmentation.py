"""The segmentation node: one segment of ours among those of the user, and one step back.

What a person has edited or renamed, or copied within the segmentation, is never replaced and never removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, count
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.segment_info import SegmentInfo, is_gtv
from GTVAutoSegLib.images.structure import mask_sha256
from GTVAutoSegLib.images.volume import bounding_box
from GTVAutoSegLib.system.tags import CT_TAG, MASK_TAG, NAME_TAG, ORIGIN_TAGS, RESULT_TAG, ROI_TAG

from ..terminology import load_terminology
from .ct_identity import mark
from .ownership import disown, is_as_left, our_segments, own_again, reference_volume, tag

REFERENCE_ROLE = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
FILL_OPACITY = 0.25


class Undone(Enum):
    """What became of the wish to take a run back."""

    TAKEN_BACK = "taken back"
    EDITED = "edited"
    GONE = "gone"


@dataclass(frozen=True)
class Undo:
    """What `put_segment` did.

    Attributes:
        node: the segmentation.
        segment_id: of our segment in it.
        ct: the CT it was made on.
        segment: name, colour and tags of the segment it replaced, or None when there was none.
        labelmap: the voxels of that segment.
        disowned: ids of the segments that were the result until then and were kept.
        kept: name of the segment of an earlier run that was edited or copied, so that the result lies beside it; or "".
        made_node: the node was made for the result.
    """

    node: Any
    segment_id: str
    ct: Any
    segment: Any
    labelmap: Any
    disowned: Sequence[str]
    kept: str
    made_node: bool

    @property
    def name(self) -> str:
        """What our segment is called; "" when it is gone."""
        segment = self.node.GetSegmentation().GetSegment(self.segment_id)
        return segment.GetName() if segment is not None else ""

    def restore(self) -> Undone:
        """Bring back what was before the run, unless a person has edited or removed the result since."""
        if self.node.GetScene() is None:
            return Undone.GONE
        segmentation = self.node.GetSegmentation()
        gone = segmentation.GetSegment(self.segment_id) is None
        if not gone and not is_as_left(self.node, self.segment_id, self.ct):
            return Undone.EDITED
        own_again(self.node, self.disowned)
        if self.segment is not None:
            _replace(self.node, self.segment_id, self.segment, self.labelmap)
            return Undone.TAKEN_BACK
        if gone:
            return Undone.GONE
        segmentation.RemoveSegment(self.segment_id)
        if self.made_node and segmentation.GetNumberOfSegments() == 0:
            slicer.mrmlScene.RemoveNode(self.node)
        return Undone.TAKEN_BACK


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
    if not _same_place(node, ct):
        raise InputError(
            f"'{node.GetName()}' and '{ct.GetName()}' lie under different transforms, expected the same; select "
            "another segmentation or move one of them"
        )


def put_segment(node: Any, ct: Any, mask: np.ndarray, info: SegmentInfo) -> Undo:
    """Put a mask into a segmentation.

    It replaces the result of the last run of the same region only where that is still as the run left it. What a
    person has edited, renamed or copied stays as it is, and the mask becomes a segment of its own beside it.

    Args:
        node: vtkMRMLSegmentationNode that passed `check_output`, or None to make one named after the CT beside it.
        ct: the CT node; its voxels are where the mask's are.
        mask: uint8 (z, y, x), 0 or 1, not empty.
        info: name, colour, terminology and tags.

    Returns:
        What brings the former state back.
    """
    load_terminology()
    labelmap = _labelmap(mask, ct)
    with _made_if_none(node, ct, info.name) as target:
        segmentation = target.GetSegmentation()
        if segmentation.GetNumberOfSegments() == 0:
            _place_beside(target, ct)
        if reference_volume(target) is None:
            # As after loading a .seg.nrrd; without it the next CT's result would replace this one's.
            target.SetNodeReferenceID(REFERENCE_ROLE, ct.GetID())
        segment_id, kept, former = our_segments(target).get(info.name, ""), "", (None, None)
        if segment_id and is_as_left(target, segment_id, ct):
            former = _remember(target, segment_id)
        else:
            kept = segmentation.GetSegment(segment_id).GetName() if segment_id else ""
            segment_id = segmentation.GenerateUniqueSegmentID(info.name)
            segmentation.AddSegment(slicer.vtkSegment(), segment_id)
        disowned = disown(target, info.name)
        info = replace(info, tags={**info.tags, MASK_TAG: mask_sha256(mask), CT_TAG: mark(ct)})
        _replace(target, segment_id, _described(target, segment_id, info), labelmap)
    return Undo(target, segment_id, ct, *former, disowned, kept, made_node=node is None)


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


def _place_beside(node: Any, ct: Any) -> None:
    """Same transform, same study in the subject hierarchy, same geometry as the CT; stored as labelmaps."""
    # Surfaces whose segments were all deleted would otherwise stay the source, and the mask be lost.
    node.GetSegmentation().SetSourceRepresentationName(
        slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    )
    node.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetOpacity2DFill(FILL_OPACITY)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(ct))
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)


def _remember(node: Any, segment_id: str) -> tuple[Any, Any]:
    metadata = slicer.vtkSegment()
    metadata.DeepCopyMetadata(node.GetSegmentation().GetSegment(segment_id))
    labelmap = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    return metadata, labelmap


def _replace(node: Any, segment_id: str, metadata: Any, labelmap: Any) -> None:
    """Give a segment other voxels and another description; segments that overlap it keep theirs."""
    segmentation = node.GetSegmentation()
    if segmentation.GetSegment(segment_id) is None:  # the user has removed it in the meantime
        segmentation.AddSegment(slicer.vtkSegment(), segment_id)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(labelmap, node, segment_id, logic.MODE_REPLACE)
    segment = segmentation.GetSegment(segment_id)
    value = segment.GetLabelValue()
    segment.DeepCopyMetadata(metadata)
    segment.SetLabelValue(value)


def _described(node: Any, segment_id: str, info: SegmentInfo) -> Any:
    segment = slicer.vtkSegment()
    segment.SetName(_free_name(node, segment_id, info.name))
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*info.color)
    segment.SetColorAutoGenerated(False)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), info.terminology)
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


def _labelmap(mask: np.ndarray, ct: Any) -> Any:
    """The bounding box of a mask, which is not empty, as an image in the CT's own coordinates."""
    box = bounding_box(mask)
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*(index for side in reversed(box) for index in (side.start, side.stop - 1)))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    scalars[:] = mask[box].ravel()
    to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(to_ras)
    image.SetGeometryFromImageToWorldMatrix(to_ras)
    return image


def _same_place(node: Any, ct: Any) -> bool:
    between = vtk.vtkMatrix4x4()
    first, second = node.GetParentTransformNode(), ct.GetParentTransformNode()
    if first is second:
        return True
    if any(transform is not None and not transform.IsTransformToWorldLinear() for transform in (first, second)):
        return False
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(first, second, between)
    return np.allclose(slicer.util.arrayFromVTKMatrix(between), np.eye(4), rtol=0, atol=1e-4)
