"""Tiny synthetic DICOM series for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    PositronEmissionTomographyImageStorage,
    RTStructureSetStorage,
    generate_uid,
)

INTERCEPT = -1024
SOP_CLASSES = {"CT": CTImageStorage, "PT": PositronEmissionTomographyImageStorage, "RTSTRUCT": RTStructureSetStorage}


def patient_array(shape=(5, 20, 24), seed: int = 0) -> np.ndarray:
    """HU, int16 (z, y, x), no two slices alike."""
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)


def stack_positions(count: int, step=(0.0, 0.0, 3.0), first=(-10.0, -20.0, -30.0)) -> np.ndarray:
    """Positions (count, 3) of slices, mm LPS; a step that is not along the normal is a tilted gantry."""
    return np.asarray(first) + np.arange(count)[:, None] * np.asarray(step)


def slice_dataset(
    pixels: np.ndarray,
    position,
    *,
    series: str,
    study: str = "1.2.826.0.1.3680043.8.498.1",
    frame_of_reference: str = "1.2.826.0.1.3680043.8.498.2",
    modality: str = "CT",
    description: str = "Planning CT",
    orientation=(1, 0, 0, 0, 1, 0),
    pixel_spacing=(1.5, 1.25),
    thickness: float | None = 3.0,
    number: int = 1,
    **tags,
) -> Dataset:
    """One slice of HU (y, x) as a DICOM data set; ``tags`` overwrite attributes, None removes them."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = SOP_CLASSES[modality]
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = "Phantom^One", "P1", "", "O"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame_of_reference
    data.StudyDate, data.StudyTime, data.StudyID, data.AccessionNumber = "20240102", "101112", "1", ""
    data.Modality, data.SeriesDescription, data.InstanceNumber, data.SeriesNumber = modality, description, number, 2
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.ImagePositionPatient = [f"{value:.6g}" for value in position]
    data.ImageOrientationPatient = [f"{value:.12g}" for value in orientation]
    data.PixelSpacing = list(pixel_spacing)
    if thickness is not None:
        data.SliceThickness = thickness
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.RescaleIntercept, data.RescaleSlope = INTERCEPT, 1
    data.PixelData = (pixels.astype(np.int32) - INTERCEPT).astype("<u2").tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    return data


def write_series(
    folder: Path, array: np.ndarray, positions=None, *, series: str | None = None, **options
) -> list[Path]:
    """Write HU (z, y, x) as a series; files are named so that their order is not that of the slices.

    Args:
        folder: made if it does not exist.
        array: HU.
        positions: of the slices, mm; 3 mm apart along z by default.
        series: SeriesInstanceUID.
        options: for `slice_dataset`.

    Returns:
        The files, ``files[i]`` holds ``array[i]``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series = series or generate_uid(entropy_srcs=[str(folder)])
    positions = stack_positions(len(array)) if positions is None else positions
    paths = [folder / f"{(7 * index) % 101:03d}_{index}.dcm" for index in range(len(array))]
    for index, path in enumerate(paths):
        data = slice_dataset(array[index], positions[index], series=series, number=index + 1, **options)
        data.save_as(path, enforce_file_format=True)
    return paths


def write_structure_set(path: Path) -> Path:
    """A DICOM object without pixels, as planning systems leave beside a CT."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.9")
    data.Modality, data.SeriesInstanceUID, data.StructureSetLabel = "RTSTRUCT", "1.2.826.0.1.3680043.8.498.10", "PLAN"
    data.save_as(path, enforce_file_format=True)
    return path
