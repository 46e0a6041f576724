"""Which segments runs have left, which of them is the last result, and whether a person has touched it since."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from GTVAutoSegLib.images.masks.structure import mask_sha256
from GTVAutoSegLib.system.tags import (
    BOX_TAG,
    COMPLETION_TAG,
    CT_TAG,
    FORMER_TAG,
    MASK_TAG,
    MINE_TAG,
    NAME_TAG,
    RESULT_TAG,
    ROI_TAG,
)

from .ct_identity import identity

# A voxel on the CT's border is inside it.
VOXEL_TOLERANCE = 1e-3


def our_segments(node: Any) -> dict[str, str]:
    """The segment of the last run, by region.

    Where there is none any more, it is the last that was: edited or renamed since; without those it is a copy.

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
    return made_on == identity(ct) if made_on else reference_volume(node) in (None, ct)


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
    segment = node.GetSegmentation().GetSegment(segment_id)
    known, box = tag(segment, MASK_TAG), own_box(node, segment_id, ct)
    if box is None:
        return False
    of_mask, _, of_box = tag(segment, BOX_TAG).partition(" ")
    if of_mask == known:
        return box_sha256(*box) == of_box
    return mask_sha256(_whole(*box, ct)) == known


def is_automatic(node: Any, segment_id: str, ct: Any) -> bool:
    """Whether a segment is a model's alone: as the last step left it, and no slice of it drawn by a person."""
    segment = node.GetSegmentation().GetSegment(segment_id)
    by_hand = tag(segment, MINE_TAG) or tag(segment, COMPLETION_TAG)
    return not by_hand and is_unchanged(node, segment_id, ct)


def box_sha256(voxels: np.ndarray, start: Sequence[int]) -> str:
    """SHA-256 of the box around a mask, uint8 (z, y, x), 0 or 1, and of where it begins."""
    place = " ".join(map(str, [*voxels.shape, *start]))
    return hashlib.sha256(place.encode() + np.ascontiguousarray(voxels, np.uint8).tobytes()).hexdigest()


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
    for segment_id in segment_ids:
        segment = node.GetSegmentation().GetSegment(segment_id)
        if segment is not None:
            segment.RemoveTag(RESULT_TAG)
            segment.SetTag(FORMER_TAG, segment_id)


def own_again(node: Any, segment_ids: Sequence[str]) -> None:
    """Let segments count as the result of the last run again; those that are gone are passed over."""
    for segment_id in segment_ids:
        segment = node.GetSegmentation().GetSegment(segment_id)
        if segment is not None:
            segment.RemoveTag(FORMER_TAG)
            segment.SetTag(RESULT_TAG, segment_id)


def tag(segment: Any, name: str) -> str:
    """A segment's tag, or ""."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""


def voxels_outside(node: Any, segment_id: str, ct: Any) -> int:
    """How many voxels of a segment lie outside a CT under the same transform."""
    return int(np.count_nonzero(~_inside(_places(node, segment_id, ct), ct)))


def own_mask(node: Any, segment_id: str, ct: Any) -> np.ndarray | None:
    """A segment's voxels as they are stored, uint8 (z, y, x) on the CT's grid; None when they are not all on it.

    Unlike with a resampled segment, an edit between or beyond the CT's voxels cannot go unnoticed.
    """
    box = own_box(node, segment_id, ct)
    return None if box is None else _whole(*box, ct)


def own_box(node: Any, segment_id: str, ct: Any) -> tuple[np.ndarray, tuple[int, ...]] | None:
    """The box around a segment's voxels, uint8 (z, y, x), and where it begins; None as `own_mask`."""
    if ct.GetImageData() is None:
        return None
    places = _places(node, segment_id, ct)
    indices = np.rint(places).astype(int)
    if not np.allclose(places, indices, rtol=0, atol=VOXEL_TOLERANCE) or not _inside(places, ct).all():
        return None
    indices = indices[:, ::-1]
    if not len(indices):
        return np.zeros((0, 0, 0), np.uint8), (0, 0, 0)
    start = indices.min(axis=0)
    voxels = np.zeros(indices.max(axis=0) - start + 1, np.uint8)
    voxels[tuple((indices - start).T)] = 1
    return voxels, tuple(start.tolist())


def _whole(voxels: np.ndarray, start: Sequence[int], ct: Any) -> np.ndarray:
    mask = np.zeros(ct.GetImageData().GetDimensions()[::-1], np.uint8)
    mask[tuple(slice(first, first + count) for first, count in zip(start, voxels.shape))] = voxels
    return mask


def _places(node: Any, segment_id: str, ct: Any) -> np.ndarray:
    """Where a segment's voxels are, counted in voxels of the CT: (n, 3), x, y, z."""
    labelmap = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    to_ras, ct_to_ras = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(to_ras)
    ct.GetIJKToRASMatrix(ct_to_ras)
    to_ct = np.linalg.inv(slicer.util.arrayFromVTKMatrix(ct_to_ras)) @ slicer.util.arrayFromVTKMatrix(to_ras)
    return _indices(labelmap) @ to_ct[:3, :3].T + to_ct[:3, 3]


def indices_in_world(labelmap: Any) -> np.ndarray:
    """Where a labelmap is set: (n, 3), x, y, z, RAS, mm."""
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    to_ras = slicer.util.arrayFromVTKMatrix(matrix)
    return _indices(labelmap) @ to_ras[:3, :3].T + to_ras[:3, 3]


def _indices(labelmap: Any) -> np.ndarray:
    """Where a labelmap is set: (n, 3), x, y, z."""
    x0, x1, y0, y1, z0, z1 = labelmap.GetExtent()
    scalars = labelmap.GetPointData().GetScalars()
    if scalars is None or x1 < x0 or y1 < y0 or z1 < z0:
        return np.zeros((0, 3), int)
    array = vtk_to_numpy(scalars).reshape(z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)
    return np.argwhere(array)[:, ::-1] + (x0, y0, z0)


def _inside(places: np.ndarray, ct: Any) -> np.ndarray:
    """Which places (n, 3), in voxels of the CT, lie in it."""
    margin = 0.5 + VOXEL_TOLERANCE
    return ((places > -margin) & (places < np.array(ct.GetImageData().GetDimensions()) - 1 + margin)).all(axis=1)
