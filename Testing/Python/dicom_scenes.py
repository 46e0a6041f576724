"""CTs loaded from DICOM into the scene, and segments on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from slicer_samples import ball

from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set, roi_mask
from GTVAutoSegLib.images.dicom.series import read_dicom_series
from GTVAutoSegLib.images.segment_info import SegmentInfo

SHAPE = (10, 64, 72)
INFO = SegmentInfo("GTVp", (1.0, 0.5, 0.0), tags={"GTVAutoSeg.Model": "m", "GTVAutoSeg.Version": "1.0.0"})


def load_dicom(folder: Path):
    """Import a folder and load its series with Slicer's reader, as its DICOM module does."""
    import slicer

    slicer.dicomDatabase.add_folder(folder)
    files = {str(path): pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.iterdir())}
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(next(iter(files)))
    storage.ResetFileNameList()
    for path in files:
        storage.AddFileName(path)
    storage.SetSingleFile(False)
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "2: Planning CT")
    assert storage.ReadData(ct)
    ct.CreateDefaultDisplayNodes()
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(header.SOPInstanceUID for header in files.values()))
    return ct


def put(ct, mask=None):
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    undo = put_segment(None, ct, ball(SHAPE) if mask is None else mask, INFO)
    return undo.node, undo.segment_id


def draw(node, segment_id, mask, ct):
    import slicer

    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, ct)


def read_back(path: Path, folder: Path) -> np.ndarray:
    """The structure set filled on the CT as the library, without Slicer, reads it."""
    mask, notes = roi_mask(read_structure_set(path).rois, read_dicom_series(folder))
    assert not [note for note in notes if "inside it without contour" not in note]
    return mask


def not_from_dicom(ct, folder):
    ct.RemoveAttribute("DICOM.instanceUIDs")


def files_gone(ct, folder):
    for path in sorted(folder.iterdir())[:4]:
        path.unlink()
