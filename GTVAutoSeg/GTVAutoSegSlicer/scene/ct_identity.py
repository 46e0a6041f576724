"""Which CT a result was made on, in words that outlive node ids, saved scenes and scenes that are added to others."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import slicer

from GTVAutoSegLib.images.dicom.headers import read_header
from GTVAutoSegLib.system.tags import CT_MARK, CT_VOXELS
from GTVAutoSegLib.training.data.collected.collect import Origin

# What Slicer's DICOM plugins leave at a volume: the SOP instance UIDs of its slices, with spaces between.
INSTANCES = "DICOM.instanceUIDs"
# How the identity begins that a CT's voxels give.
OF_VOXELS = "voxels "


def is_dicom(ct: Any) -> bool:
    """Whether a CT was loaded from DICOM, so that its slices tell which one it is."""
    return bool(ct.GetAttribute(INSTANCES))


def mark(ct: Any) -> str:
    """Make sure that a CT has an identity, and return it; only a CT that is not from DICOM is changed."""
    if not identities(ct):
        ct.SetAttribute(CT_MARK, secrets.token_hex(16))
    return identities(ct)[0]


def remember(ct: Any, digest: str) -> None:
    """Keep the hash of a CT's voxels (`voxels_sha256`) at its node: one that is not from DICOM is known again by it."""
    if digest and not is_dicom(ct):
        ct.SetAttribute(CT_VOXELS, digest)


def identities(ct: Any) -> tuple[str, ...]:
    """What a CT is, for comparison, the best first; nothing for one that is not from DICOM and that no run has seen.

    The SOP instance UIDs say more than the series UID: the phases of a 4D CT may share a series and a geometry. The
    voxels of a CT from another file are known again after it was saved and loaded, alone or with a scene. A step that
    has not read the voxels leaves a mark instead, which only a saved scene keeps.

    Args:
        ct: vtkMRMLScalarVolumeNode.
    """
    instances = sorted((ct.GetAttribute(INSTANCES) or "").split())
    if instances:
        return (f"DICOM {hashlib.sha256(' '.join(instances).encode()).hexdigest()} {_grid(ct)}",)
    digest, token = ct.GetAttribute(CT_VOXELS), ct.GetAttribute(CT_MARK)
    return ((f"{OF_VOXELS}{digest}",) if digest else ()) + ((f"node {token} {_grid(ct)}",) if token else ())


def _grid(ct: Any) -> str:
    image = ct.GetImageData()
    size = image.GetDimensions() if image is not None else (0, 0, 0)
    # Five digits: a saved scene does not keep all of them.
    return " ".join(["x".join(map(str, size)), "x".join(f"{length:.5g}" for length in ct.GetSpacing())])


def dicom_origin(ct: Any) -> Origin:
    """Series and patient of a CT, as far as Slicer's DICOM database still has one of its slices.

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
