"""Tiny synthetic structure sets for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid


def square(left: float, top: float, right: float, bottom: float, height: float) -> np.ndarray:
    """Points (4, 3) in mm."""
    return np.array([[left, top, height], [right, top, height], [right, bottom, height], [left, bottom, height]])


def write_rtstruct(
    path: Path,
    ct_files: Sequence[Path],
    rois: Mapping[str, Sequence[np.ndarray]],
    *,
    kind: str = "CLOSED_PLANAR",
    name_series: bool = True,
    name_instances: bool = True,
    **tags,
) -> Path:
    """Write a structure set that refers to a CT.

    Args:
        path: the file; its folder is made.
        ct_files: of the CT.
        rois: contours (n, 3) in mm by ROI name.
        kind: ContourGeometricType.
        name_series: whether the series is referred to by its UID.
        name_instances: whether contours refer to the images they lie on.
        tags: overwrite attributes, None removes them.
    """
    images = [pydicom.dcmread(file, stop_before_pixels=True) for file in ct_files]
    heights = np.array([float(image.ImagePositionPatient[2]) for image in images])
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    data.Modality, data.StructureSetLabel, data.StructureSetDate = "RTSTRUCT", "PLAN", "20240103"
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[str(path), "series"])
    data.PatientID, data.StudyInstanceUID = images[0].PatientID, images[0].StudyInstanceUID
    data.StructureSetROISequence, data.ROIContourSequence = DicomSequence(), DicomSequence()
    for number, (name, contours) in enumerate(rois.items(), start=7):
        item = Dataset()
        item.ROINumber, item.ROIName = number, name
        data.StructureSetROISequence.append(item)
        drawn = Dataset()
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = DicomSequence()
        for points in contours:
            nearest = images[int(np.argmin(abs(heights - points[:, 2].mean())))]
            drawn.ContourSequence.append(_contour(points, kind, nearest if name_instances else None))
        data.ROIContourSequence.append(drawn)
    if name_series:
        data.ReferencedFrameOfReferenceSequence = _reference(images)
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def _contour(points: np.ndarray, kind: str, image: Dataset | None) -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourData = [f"{value:.8g}" for value in points.ravel()]
    if image is not None:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CTImageStorage, image.SOPInstanceUID
        item.ContourImageSequence = DicomSequence([reference])
    return item


def _reference(images: Sequence[Dataset]) -> DicomSequence:
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = DicomSequence([series])
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = DicomSequence([study])
    return DicomSequence([frame])
