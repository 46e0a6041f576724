"""What the scene's records tell of a segment: what a model had proposed, what a person made of it, on which CT."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import slicer

from GTVAutoSegLib.images.dicom.scanner import scanner_of_file
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.report.record.edits import Edit, edit_of
from GTVAutoSegLib.report.record.figures import region_figures
from GTVAutoSegLib.system.tags import AUTOMATIC_TAG, MASK_TAG, ORIGIN_TAGS

from ..ct_identity import INSTANCES, identities
from ..ownership import tag


def segment_figures(
    node: Any, segment_id: str, volume: Volume, structure: Structure
) -> tuple[dict[str, Any], Edit | None]:
    """For a record of the trail, and the edit that it tells of.

    Args:
        node: vtkMRMLSegmentationNode.
        segment_id: of a segment in it.
        volume: its CT.
        structure: the segment on the CT's grid.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    tags = {name: value for name in (*ORIGIN_TAGS, MASK_TAG, AUTOMATIC_TAG) if (value := tag(segment, name))}
    info = SegmentInfo(structure.segment.name, tags=tags)
    known = Structure(structure.mask, info, structure.algorithm, review=structure.review)
    edit = edit_of(known, volume)
    return region_figures(known, volume, edit), edit


def ct_figures(ct: Any) -> dict[str, str]:
    """Which CT it was, as a hash, and which scanner made it."""
    known = next(iter(identities(ct)), "")
    return {"ct": hashlib.sha256(known.encode()).hexdigest()[:16], "scanner": scanner_of_node(ct)}


def scanner_of_node(ct: Any) -> str:
    """Manufacturer and model of a CT node's scanner; "" where it does not come from DICOM, or nobody knows."""
    instances = (ct.GetAttribute(INSTANCES) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None or not database.isOpen:
        return ""
    file = Path(database.fileForInstance(instances[0]) or "")
    return scanner_of_file(file) if file.is_file() else ""
