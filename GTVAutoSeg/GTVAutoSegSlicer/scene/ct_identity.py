"""Which CT a result was made on, in words that outlive node ids, saved scenes and scenes that are added to others."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import slicer

from GTVAutoSegLib.images.dicom.headers import read_header
from GTVAutoSegLib.system.tags import CT_MARK
from GTVAutoSegLib.training.data.collected.collect import Origin

# What Slicer's DICOM plugins leave at a volume: the SOP instance UIDs of its slices, with spaces between.
INSTANCES = "DICOM.instanceUIDs"


def mark(ct: Any) -> str:
    """Make sure that a CT has an identity, and return it; only a CT that is not from DICOM is changed."""
    if not ct.GetAttribute(INSTANCES) and not ct.GetAttribute(CT_MARK):
        ct.SetAttribute(CT_MARK, secrets.token_hex(16))
    return identity(ct)


def identity(ct: Any) -> str:
    """What a CT is, for comparison: its slices or its mark, its size and its spacing; "" when no run has seen it.

    The SOP instance UIDs say more than the series UID: the phases of a 4D CT may share a series and a geometry.

    Args:
        ct: vtkMRMLScalarVolumeNode.
    """
    instances = sorted((ct.GetAttribute(INSTANCES) or "").split())
    if instances:
        name = "DICOM " + hashlib.sha256(" ".join(instances).encode()).hexdigest()
    elif ct.GetAttribute(CT_MARK):
        name = "node " + ct.GetAttribute(CT_MARK)
    else:
        return ""
    image = ct.GetImageData()
    size = image.GetDimensions() if image is not None else (0, 0, 0)
    # Five digits: a saved scene does not keep all of them.
    return " ".join([name, "x".join(map(str, size)), "x".join(f"{length:.5g}" for length in ct.GetSpacing())])


def dicom_origin(ct: Any) -> Origin:
    """Which series of whom a CT is, as far as Slicer's DICOM database still has one of its slices.

    Args:
        ct: vtkMRMLScalarVolumeNode.
    """
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return Origin()
    for instance in (ct.GetAttribute(INSTANCES) or "").split():
        file = Path(database.fileForInstance(instance) or "")
        header = read_header(file) if file.is_file() else None
        if header is not None and header.instance == instance:
            return Origin(header.series, header.patient.id)
    return Origin()
