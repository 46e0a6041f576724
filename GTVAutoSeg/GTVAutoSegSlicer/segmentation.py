"""The segmentation node: one segment of ours among those of the user, and one step back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.segment_info import SegmentInfo, is_gtv

from .scene import mask_sha256
from .terminology import load_terminology

# Which task's region a segment shows; a segment without it was drawn by somebody else.
ROI_TAG = "GTVAutoSeg.ROI"
# sha256 of the mask a run left on its CT's grid: whether a segment was edited since.
MASK_TAG = "GTVAutoSeg.MaskSHA256"
ORIGIN_TAGS = ("GTVAutoSeg.Model", "GTVAutoSeg.Version", "GTVAutoSeg.Digest")
REFERENCE_ROLE = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
FILL_OPACITY = 0.25
# A voxel on the CT's border is inside it.
VOXEL_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Undo:
    """What `put_segment` replaced.

    Attributes:
        node: the segmentation.
        segment_id: of our segment in it.
        segment: name, colour and tags of the segment it replaced, or None when there was none.
        labelmap: the voxels of that segment.
        made_node: the node was made for the result.
    """

    node: Any
    segment_id: str
    segment: Any
    labelmap: Any
    made_node: bool

    def restore(self) -> None:
        """Bring our segment back to what it was; the user's own segments are not touched."""
        if self.node.GetScene() is None:
            return
        segmentation = self.node.GetSegmentation()
        if self.segment is not None:
            _replace(self.node, self.segment_id, self.segment, self.labelmap)
            return
        segmentation.RemoveSegment(self.segment_id)
        if self.made_node and segmentation.GetNumberOfSegments() == 0:
            slicer.mrmlScene.RemoveNode(self.node)


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


def our_segments(node: Any) -> dict[str, str]:
    """The segments that runs have left in a segmentation: id by region; the first when the user made copies."""
    segmentation = node.GetSegmentation()
    segments: dict[str, str] = {}
    for segment_id in segmentation.GetSegmentIDs():
        segments.setdefault(tag(segmentation.GetSegment(segment_id), ROI_TAG), segment_id)
    segments.pop("", None)
    return segments


def put_segment(node: Any, ct: Any, mask: np.ndarray, info: SegmentInfo) -> Undo:
    """Put a mask into a segmentation, in place of our earlier segment of the same region if there is one.

    Args:
        node: vtkMRMLSegmentationNode that passed `check_output`, or None to make one named after the CT beside it.
        ct: the CT node; its voxels are where the mask's are.
        mask: uint8 (z, y, x), 0 or 1, not empty.
        info: name, colour, terminology and tags.

    Returns:
        What brings the former state back.
    """
    load_terminology()
    with _made_if_none(node, ct, info.name) as target:
        segmentation = target.GetSegmentation()
        if segmentation.GetNumberOfSegments() == 0:
            _place_beside(target, ct)
        if reference_volume(target) is None:
            # As after loading a .seg.nrrd; without it the next CT's result would replace this one's.
            target.SetNodeReferenceID(REFERENCE_ROLE, ct.GetID())
        segment_id = our_segments(target).get(info.name, "")
        former = _remember(target, segment_id) if segment_id else (None, None)
        if not segment_id:
            segment_id = segmentation.GenerateUniqueSegmentID(info.name)
            segmentation.AddSegment(slicer.vtkSegment(), segment_id)
        info = replace(info, tags={**info.tags, MASK_TAG: mask_sha256(mask)})
        _replace(target, segment_id, _described(target, segment_id, info), _labelmap(mask, ct))
    return Undo(target, segment_id, *former, made_node=node is None)


def reference_volume(node: Any) -> Any:
    """The volume a segmentation was made for, or None."""
    return node.GetNodeReference(REFERENCE_ROLE)


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


def voxels_outside(node: Any, segment_id: str, ct: Any) -> int:
    """How many voxels of a segment lie outside a CT under the same transform."""
    labelmap = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    x0, x1, y0, y1, z0, z1 = labelmap.GetExtent()
    array = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)
    indices = np.argwhere(array)[:, ::-1] + (x0, y0, z0)
    to_ras, ct_to_ras = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(to_ras)
    ct.GetIJKToRASMatrix(ct_to_ras)
    to_ct = np.linalg.inv(slicer.util.arrayFromVTKMatrix(ct_to_ras)) @ slicer.util.arrayFromVTKMatrix(to_ras)
    places = indices @ to_ct[:3, :3].T + to_ct[:3, 3]
    margin = 0.5 + VOXEL_TOLERANCE
    inside = (places > -margin) & (places < np.array(ct.GetImageData().GetDimensions()) - 1 + margin)
    return int(np.count_nonzero(~inside.all(axis=1)))


def tag(segment: Any, name: str) -> str:
    """A segment's tag, or ""."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


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
    for name, value in info.tags.items():
        segment.SetTag(name, value)
    return segment


def _free_name(node: Any, segment_id: str, name: str) -> str:
    """The name, or one that tells it from a segment the user drew under the same name."""
    segmentation = node.GetSegmentation()
    others = [segmentation.GetSegment(i).GetName() for i in segmentation.GetSegmentIDs() if i != segment_id]
    return f"{name}_auto" if name in others else name


def _labelmap(mask: np.ndarray, ct: Any) -> Any:
    """The mask's bounding box as an image in the CT's own coordinates."""
    bounds = [(int(used[0]), int(used[-1])) for used in map(np.flatnonzero, _used(mask))]
    cropped = np.ascontiguousarray(mask[tuple(slice(low, high + 1) for low, high in bounds)])
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*(index for pair in reversed(bounds) for index in pair))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    scalars[:] = cropped.ravel()
    to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(to_ras)
    image.SetGeometryFromImageToWorldMatrix(to_ras)
    return image


def _used(mask: np.ndarray) -> list[np.ndarray]:
    return [mask.any(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]


def _same_place(node: Any, ct: Any) -> bool:
    between = vtk.vtkMatrix4x4()
    first, second = node.GetParentTransformNode(), ct.GetParentTransformNode()
    if first is second:
        return True
    if any(transform is not None and not transform.IsTransformToWorldLinear() for transform in (first, second)):
        return False
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(first, second, between)
    return np.allclose(slicer.util.arrayFromVTKMatrix(between), np.eye(4), rtol=0, atol=1e-4)
