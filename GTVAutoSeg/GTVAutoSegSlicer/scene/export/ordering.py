"""From segments of the scene to an order that the library carries out, in this process or in another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from GTVAutoSegLib.errors import ExportError, GTVAutoSegError, InputError
from GTVAutoSegLib.report.export.order import Order, OrderedCT, OrderedSegment

from ..ct_identity import INSTANCES
from ..files import volume_of
from ..ownership import is_made_on, our_segments, reference_volume, stored, tags_of
from ..record.approval import approval_of
from ..record.figures import ct_figures
from ..segmentation import check_output, segment_info
from .candidates import Choice, candidates


def order_of(
    node: Any, path: Path, ct: Any = None, choices: Sequence[Choice] = (), base: Path | None = None
) -> tuple[Order, list[np.ndarray]]:
    """What the scene says about segments, as they are now, that are to be written as a DICOM file.

    Args:
        node: vtkMRMLSegmentationNode.
        path: where to.
        ct: the CT, loaded from DICOM; None takes the one the segmentation was made for.
        choices: which segments; () takes the result of the last run of the only region.
        base: a structure set of this CT whose regions are kept beside the new ones; the file itself is left alone.

    Returns:
        The order, and the voxels of each segment, a copy of what the scene has.

    Raises:
        ExportError: its kind is "segment" or "no-dicom".
    """
    try:
        choices = choices or (_only_result(node),)
        ct = _ct_of(node, ct, choices)
        for choice in choices:  # one that no longer holds, or was taken back, lapses now
            approval_of(node, choice.segment_id, ct)
        copies = [stored(node, choice.segment_id, ct) for choice in choices]
        segments = [_segment(node, choice, copy) for choice, copy in zip(choices, copies)]
    except GTVAutoSegError as error:
        raise ExportError("segment", str(error)) from error
    ordered = OrderedCT.of(volume_of(ct), ct.GetName(), _slices(ct), ct_figures(ct))
    order = Order(str(path), ordered, tuple(segments), str(base) if base is not None else "")
    return order, [one.voxels for one in copies]


def ct_for(node: Any, ct: Any) -> Any:
    """The CT an export is about: the one given, or that whose grid the segmentation has."""
    return ct or (reference_volume(node) if node is not None else None)


def _only_result(node: Any) -> Choice:
    segments = our_segments(node) if node is not None else {}
    if not segments:
        raise InputError(
            "there is no segment made by GTVAutoSeg to export; expected one, so run Segment GTV first, or choose the "
            "segments with Export..."
        )
    if len(segments) > 1:
        raise InputError(
            f"'{node.GetName()}' has {len(segments)} segments made by GTVAutoSeg ({', '.join(segments)}), expected to "
            "be told which one to export; give its id"
        )
    return Choice(next(iter(segments.values())))


def _ct_of(node: Any, ct: Any, choices: Sequence[Choice]) -> Any:
    """The CT, after a check that all segments were drawn on it."""
    segmentation = node.GetSegmentation()
    for choice in choices:
        if segmentation.GetSegment(choice.segment_id) is None:
            known = ", ".join(one.segment_id for one in candidates(node))
            raise InputError(
                f"'{node.GetName()}' has no segment '{choice.segment_id}', expected one of: {known}; give its id"
            )
    ct = ct_for(node, ct)
    if ct is None or ct.GetImageData() is None:
        raise InputError(f"the CT of '{node.GetName()}' is not in the scene; load it and select it as the CT")
    for choice in choices:
        if not is_made_on(node, choice.segment_id, ct):
            name = segmentation.GetSegment(choice.segment_id).GetName()
            raise InputError(
                f"the segment '{name}' was made on another CT than '{ct.GetName()}', expected its own, whose "
                "patient and slices go into the file; select that CT, or run on this one"
            )
    check_output(node, ct)
    return ct


def _segment(node: Any, choice: Choice, copy: Any) -> OrderedSegment:
    info = segment_info(node, choice.segment_id)
    red, green, blue = info.color
    return OrderedSegment(
        choice.segment_id,
        name=choice.name.strip() or info.name,
        kind=choice.kind,
        own_name=info.name,
        color=(red, green, blue),
        terminology=info.terminology,
        start=copy.start,
        to_ct=tuple(copy.to_ct.ravel().tolist()),
        tags=tags_of(node.GetSegmentation().GetSegment(choice.segment_id)),
    )


def _slices(ct: Any) -> list[tuple[str, str]]:
    """SOP instance UID of each slice a CT was loaded from, and its file in Slicer's DICOM database or ""."""
    instances = (ct.GetAttribute(INSTANCES) or "").split()
    if not instances:
        raise ExportError(
            "no-dicom",
            f"'{ct.GetName()}' was not loaded from DICOM, so a structure set has no slices to refer to; import the "
            "DICOM series in the DICOM module and load it from there",
        )
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise ExportError(
            "no-dicom",
            f"Slicer's DICOM database, expected to know the slices of '{ct.GetName()}', is not open; open the DICOM "
            "module and choose its folder",
        )
    return [(instance, database.fileForInstance(instance) or "") for instance in instances]
