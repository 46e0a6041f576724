"""Which segments runs have left, which of them is the last result, and whether a person has touched it since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from GTVAutoSegLib.images.masks.stored import Box, Stored, by_hand
from GTVAutoSegLib.system.tags import CT_TAG, FORMER_TAG, NAME_TAG, OURS, RESULT_TAG, ROI_TAG

from .ct_identity import OF_VOXELS, identities


def our_segments(node: Any) -> dict[str, str]:
    """The segment of the last run, by region.

    If no segment counts as one any more, it is the one that did last, although it was edited or renamed since; without
    that one it is a copy of it.

    Args:
        node: vtkMRMLSegmentationNode.

    Returns:
        Id by region, in the order of the segmentation.
    """
    segmentation = node.GetSegmentation()
    found: dict[str, list[str]] = {}
    for segment_id in segmentation.GetSegmentIDs():
        if region := tag(segmentation.GetSegment(segment_id), ROI_TAG):
            found.setdefault(region, []).append(segment_id)
    return {region: _foremost(node, ids) for region, ids in found.items()}


def _foremost(node: Any, ids: Sequence[str]) -> str:
    for name in (RESULT_TAG, FORMER_TAG):
        if marked := [i for i in ids if tag(node.GetSegmentation().GetSegment(i), name) == i]:
            return marked[-1]
    return ids[-1]


def is_result(node: Any, segment_id: str) -> bool:
    """Whether a segment is the result of the last run of its region."""
    return tag(node.GetSegmentation().GetSegment(segment_id), RESULT_TAG) == segment_id


def is_made_on(node: Any, segment_id: str, ct: Any) -> bool:
    """Whether a run outlined a segment on a CT; the grid says too little, as the phases of a 4D CT share one."""
    made_on = tag(node.GetSegmentation().GetSegment(segment_id), CT_TAG)
    reference = reference_volume(node)
    if not made_on:
        return reference in (None, ct)
    # Of two CTs with the same voxels, as a copy has them, it is the one whose grid the segmentation has.
    is_the_others = reference not in (None, ct) and made_on.startswith(OF_VOXELS) and made_on in identities(reference)
    return made_on in identities(ct) and not is_the_others


def belongs_to(node: Any, ct: Any) -> bool:
    """Whether a segmentation is the place for the results on a CT: it has one of them, or none of another CT."""
    results = our_segments(node).values()
    if not results:
        return reference_volume(node) in (None, ct)
    return ct is not None and any(is_made_on(node, segment_id, ct) for segment_id in results)


def reference_volume(node: Any) -> Any:
    """The volume whose grid a segmentation has, or None. A person may choose another in Segment Editor."""
    return node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())


def is_as_left(node: Any, segment_id: str, ct: Any) -> bool:
    """Whether a segment is the result of the last run of its region with the voxels and the name that run gave it.

    Args:
        node: vtkMRMLSegmentationNode, under the same transform as the CT.
        segment_id: of a segment in it.
        ct: the CT of the run; on another one the answer is no.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    if not is_result(node, segment_id) or segment.GetName() != tag(segment, NAME_TAG):
        return False
    if not is_made_on(node, segment_id, ct):
        return False
    return is_unchanged(node, segment_id, ct)


def is_unchanged(node: Any, segment_id: str, ct: Any) -> bool:
    """Whether a segment has the voxels that the last step left, all of them on the CT's grid."""
    box = own_box(node, segment_id, ct)
    return box is not None and box.has_been_left(tags_of(node.GetSegmentation().GetSegment(segment_id)))


def is_automatic(node: Any, segment_id: str, ct: Any) -> bool:
    """Whether a segment is a model's alone: as the last step left it, and no slice of it drawn by a person."""
    drawn = by_hand(tags_of(node.GetSegmentation().GetSegment(segment_id)))
    return not drawn and is_unchanged(node, segment_id, ct)


def disown(node: Any, region: str) -> list[str]:
    """Let no segment of a region count as the result of the last run any more; where they came from stays.

    Returns:
        Ids of those that did.
    """
    segmentation = node.GetSegmentation()
    ids = [i for i in segmentation.GetSegmentIDs() if tag(segmentation.GetSegment(i), ROI_TAG) == region]
    ids = [segment_id for segment_id in ids if is_result(node, segment_id)]
    give_up(node, ids)
    return ids


def give_up(node: Any, segment_ids: Sequence[str]) -> None:
    """Let segments no longer count as the result of the last run; those that are gone are passed over."""
    _exchange(node, segment_ids, RESULT_TAG, FORMER_TAG)


def own_again(node: Any, segment_ids: Sequence[str]) -> None:
    """Let segments count as the result of the last run again; those that are gone are passed over."""
    _exchange(node, segment_ids, FORMER_TAG, RESULT_TAG)


def _exchange(node: Any, segment_ids: Sequence[str], old: str, new: str) -> None:
    """Give segments one mark in place of the other."""
    for segment_id in segment_ids:
        segment = node.GetSegmentation().GetSegment(segment_id)
        if segment is not None:
            segment.RemoveTag(old)
            segment.SetTag(new, segment_id)


def tag(segment: Any, name: str) -> str:
    """A segment's tag, or ""."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def tags_of(segment: Any) -> dict[str, str]:
    """Those tags of a segment that are ours and say something."""
    return {name: value for name in OURS if (value := tag(segment, name))}


def own_box(node: Any, segment_id: str, ct: Any) -> Box | None:
    """The box around a segment's voxels on a CT under the same transform; None when they are not all on its grid."""
    if ct.GetImageData() is None:
        return None
    return stored(node, segment_id, ct).box(ct.GetImageData().GetDimensions()[::-1])


def stored(node: Any, segment_id: str, ct: Any) -> Stored:
    """A copy of a segment's voxels as they are stored, and where on a CT under the same transform they lie."""
    labelmap = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    ct_to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(ct_to_ras)
    voxels, start = _voxels(labelmap)
    return Stored(voxels, start, np.linalg.inv(slicer.util.arrayFromVTKMatrix(ct_to_ras)) @ _to_world(labelmap))


def indices_in_world(labelmap: Any) -> np.ndarray:
    """Where a labelmap is set: (n, 3), x, y, z, RAS, mm."""
    voxels, start = _voxels(labelmap)
    return Stored(voxels, start, _to_world(labelmap)).places()


def _to_world(labelmap: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _voxels(labelmap: Any) -> tuple[np.ndarray, tuple[int, int, int]]:
    """The voxels (z, y, x) of a labelmap, which stay its own, and where they begin, (x, y, z)."""
    x0, x1, y0, y1, z0, z1 = labelmap.GetExtent()
    scalars = labelmap.GetPointData().GetScalars()
    if scalars is None or x1 < x0 or y1 < y0 or z1 < z0:
        return np.zeros((0, 0, 0), np.uint8), (0, 0, 0)
    return vtk_to_numpy(scalars).reshape(z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1), (x0, y0, z0)
