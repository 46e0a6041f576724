"""What the scene's records tell of a segment: what a model had proposed, what a person made of it, on which CT."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import slicer

from GTVAutoSegLib.images.dicom.scanner import scanner_of_file
from GTVAutoSegLib.system.tags import AUTOMATIC_TAG, MASK_TAG, ORIGIN_TAGS

from ..ct_identity import INSTANCES, identities
from ..ownership import tag


def figure_tags(segment: Any) -> dict[str, str]:
    """The tags of a vtkSegment that records tell of, see `report.record.figures`."""
    return {name: value for name in (*ORIGIN_TAGS, MASK_TAG, AUTOMATIC_TAG) if (value := tag(segment, name))}


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
