"""Writing DICOM structure sets (RTSTRUCT, PS3.3 A.19) that refer to the CT's own slices.

Contours are those of `contour_tracing`: filled by pixel centres they give the mask back voxel for voxel.
They lie in the plane of the slice they name, wherever that is in space.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from ...errors import InputError
from ...system.files import check_writable, whole_file
from ...system.tags import DIGEST_TAG, MODEL_TAG, VERSION_TAG
from ..placement import volume_ml
from ..segment_info import SegmentInfo
from ..volume import Volume
from .codes import ARTIFICIAL_INTELLIGENCE, segment_codes
from .contour_tracing import trace
from .rtstruct import read_structure_set
from .source import (
    LONG_STRING,
    MANUFACTURER,
    DicomSource,
    fill_empty,
    model_name,
    quiet_pydicom,
    read_source,
    series_description,
    software_versions,
    use_characters,
)

ALGORITHMS = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL")
LABEL = "GTVAutoSeg"
# Longest ROI name (AAPM TG-263) and StructureSetLabel (VR SH).
SHORT_STRING = 16
MM_DECIMALS = 6
# Retired, but what PS3.3 C.8.8.5 has a structure set name for its study.
STUDY_CLASS = UID("1.2.840.10008.3.1.2.3.1")
# Its lengths have 32 bits; a long contour does not fit into the 16 bits of explicit VR (PS3.5 section 7.1.2).
TRANSFER_SYNTAX = ImplicitVRLittleEndian
NOT_CHECKED = "Made by software; has to be checked and corrected by a qualified person before any use."
# What of an extended structure set is no longer true of the new one.
_OUTDATED = (
    "ReviewDate",
    "ReviewTime",
    "ReviewerName",
    "StationName",
    "DeviceSerialNumber",
    "DeviceUID",
    "InstanceCreatorUID",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
)


def write_rtstruct(
    mask: np.ndarray,
    volume: Volume,
    path: str | Path,
    segment: SegmentInfo | None = None,
    *,
    algorithm: str = "AUTOMATIC",
    base: Path | None = None,
) -> None:
    """Write a mask as a region of interest in a structure set, whole or not at all.

    Args:
        mask: (z, y, x), 0 or 1, in the volume's storage order; an empty one gives a region without contours.
        volume: the CT, read from DICOM.
        path: where to; a file already there is replaced.
        segment: name (at most 16 characters), colour, meaning and model.
        algorithm: AUTOMATIC, SEMIAUTOMATIC once a person has edited it, or MANUAL.
        base: a structure set of this CT to add the region to; ``path`` then holds all its regions and the new one,
            under identifiers of its own and unapproved, and ``base`` stays as it is. A name that is taken gets a
            number.

    Raises:
        InputError: the volume was not read from DICOM, the name does not fit, or ``base`` is for another CT.
        DiskError: writing failed; nothing is left behind.
        ValueError: the mask has another shape than the volume, or ``algorithm`` is none of the three.
    """
    path = Path(path)
    check_writable(path)
    if base is not None and path.exists() and path.samefile(base):
        raise InputError(f"{path} is the structure set to add to; expected another file for the result")
    data = make_rtstruct(mask, read_source(volume, path), segment or SegmentInfo(), algorithm, base)
    with whole_file(path) as temporary:
        data.save_as(temporary, enforce_file_format=True)


def make_rtstruct(
    mask: np.ndarray, source: DicomSource, segment: SegmentInfo, algorithm: str = "AUTOMATIC", base: Path | None = None
) -> Dataset:
    """The structure set `write_rtstruct` writes, as a data set."""
    if mask.shape != source.volume.array.shape:
        raise ValueError(f"the mask has shape {mask.shape}, expected the volume's {source.volume.array.shape}")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"the algorithm is {algorithm}, expected one of {', '.join(ALGORITHMS)}")
    if len(segment.name) > SHORT_STRING or "\\" in segment.name:
        raise InputError(
            f"the segment is called '{segment.name}'; expected at most {SHORT_STRING} characters and no backslash, as "
            "planning systems do, so rename it"
        )
    with quiet_pydicom():
        data = _empty_set(source) if base is None else _read_base(base, source)
        _identify(data, segment)
        use_characters(data, f"{segment.name}{segment.terminology}{model_name(segment)}")
        _add_region(data, mask, source, segment, algorithm)
    return data


def _empty_set(source: DicomSource) -> Dataset:
    data = source.patient_and_study()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = TRANSFER_SYNTAX
    data.StructureSetLabel = LABEL
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = source.slices[0].frame_of_reference, None
    data.ReferencedFrameOfReferenceSequence = [_reference(source)]
    data.StructureSetROISequence, data.ROIContourSequence, data.RTROIObservationsSequence = [], [], []
    return data


def _reference(source: DicomSource) -> Dataset:
    """The item of the referenced frame of reference sequence for the CT."""
    first = source.slices[0]
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = first.series
    series.ContourImageSequence = [_image(source, index) for index in range(len(source.slices))]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = STUDY_CLASS, first.study
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = first.frame_of_reference, [study]
    return frame


def _image(source: DicomSource, index: int) -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID = source.slices[index].sop_class
    image.ReferencedSOPInstanceUID = source.slices[index].instance
    return image


def _read_base(base: Path, source: DicomSource) -> Dataset:
    """A structure set to add to, after a check that it is for the same CT."""
    structures = read_structure_set(base)
    first = source.slices[0]
    if structures.patient.unlike(first.patient) or structures.patient.id != first.patient.id:
        raise InputError(f"{base} is of another patient than {source}; expected a structure set of this CT")
    data = pydicom.dcmread(base)
    if data.file_meta.TransferSyntaxUID.is_little_endian:  # the retired big-endian one stays as it is
        data.file_meta.TransferSyntaxUID = TRANSFER_SYNTAX
    frames = [
        frame
        for frame in data.get("ReferencedFrameOfReferenceSequence") or ()
        if frame.get("FrameOfReferenceUID") == first.frame_of_reference
    ]
    series = next((item for item in _series_items(frames) if item.get("SeriesInstanceUID") == first.series), None)
    if series is None:
        raise InputError(
            f"{base} was drawn on another CT than {source}; expected a structure set that names the series "
            f"{first.series} and its frame of reference, so choose the one that belongs to this CT"
        )
    named = {image.get("ReferencedSOPInstanceUID") for image in series.get("ContourImageSequence") or ()}
    missing = [_image(source, index) for index, header in enumerate(source.slices) if header.instance not in named]
    series.ContourImageSequence = [*(series.get("ContourImageSequence") or ()), *missing]
    predecessor = Dataset()
    predecessor.ReferencedSOPClassUID, predecessor.ReferencedSOPInstanceUID = RTStructureSetStorage, structures.uid
    data.PredecessorStructureSetSequence = [predecessor]
    for name in _OUTDATED:
        if name in data:
            delattr(data, name)
    fill_empty(data)
    if "FrameOfReferenceUID" in data and "PositionReferenceIndicator" not in data:
        data.PositionReferenceIndicator = None
    for name in ("StructureSetROISequence", "ROIContourSequence", "RTROIObservationsSequence"):
        if data.get(name) is None:
            setattr(data, name, [])
    return data


def _series_items(frames: list[Dataset]) -> list[Dataset]:
    studies = [study for frame in frames for study in frame.get("RTReferencedStudySequence") or ()]
    return [series for study in studies for series in study.get("RTReferencedSeriesSequence") or ()]


def _identify(data: Dataset, segment: SegmentInfo) -> None:
    """Make the data set an object of its own: identifiers, dates, equipment, approval."""
    now = datetime.now()
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    # No root of our own: an identifier derived from a random UUID (PS3.5 section B.2).
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    data.SeriesInstanceUID = generate_uid(prefix=None)
    data.Modality, data.SeriesNumber, data.InstanceNumber, data.OperatorsName = "RTSTRUCT", 1, 1, None
    data.SeriesDescription = series_description(segment)
    data.InstanceCreationDate = data.SeriesDate = data.StructureSetDate = date
    data.InstanceCreationTime = data.SeriesTime = data.StructureSetTime = time
    data.Manufacturer = data.ManufacturerModelName = MANUFACTURER
    data.SoftwareVersions = software_versions(segment)
    data.ApprovalStatus = "UNAPPROVED"


def _add_region(data: Dataset, mask: np.ndarray, source: DicomSource, segment: SegmentInfo, algorithm: str) -> None:
    number = 1 + max((int(item.ROINumber) for item in data.StructureSetROISequence), default=0)
    codes = segment_codes(segment.terminology)

    region = Dataset()
    region.ROINumber, region.ReferencedFrameOfReferenceUID = number, source.slices[0].frame_of_reference
    region.ROIName = _free_name(segment.name, {str(item.get("ROIName", "")) for item in data.StructureSetROISequence})
    region.ROIVolume = format_number_as_ds(round(volume_ml(mask, source.volume), 3))
    region.ROIGenerationAlgorithm = algorithm
    if algorithm == "AUTOMATIC":
        region.ROIDescription = NOT_CHECKED
    if model_name(segment):
        region.ROIGenerationDescription = _generation(segment)
        region.ROIDerivationAlgorithmIdentificationSequence = [_algorithm_item(segment)]
    data.StructureSetROISequence.append(region)

    drawing = Dataset()
    drawing.ReferencedROINumber = number
    drawing.ROIDisplayColor = [round(255 * part) for part in segment.color]
    if contours := _contours(mask, source):
        drawing.ContourSequence = contours
    data.ROIContourSequence.append(drawing)

    observation = Dataset()
    numbers = (int(item.get("ObservationNumber") or 0) for item in data.RTROIObservationsSequence)
    observation.ObservationNumber, observation.ReferencedROINumber = 1 + max(numbers, default=0), number
    observation.RTROIInterpretedType, observation.ROIInterpreter = codes.interpreted_type, None
    for name, code in (
        ("RTROIIdentificationCodeSequence", codes.type),
        ("SegmentedPropertyCategoryCodeSequence", codes.category),
        ("AnatomicRegionSequence", codes.region),
    ):
        if code:
            setattr(observation, name, [code.item()])
    data.RTROIObservationsSequence.append(observation)


def _free_name(name: str, taken: set[str]) -> str:
    """The name, with the first number that makes it one of its own."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: SHORT_STRING - len(f'_{number}')]}_{number}"
    return free


def _generation(segment: SegmentInfo) -> str:
    digest = segment.tags.get(DIGEST_TAG, "")[:12]
    return ", ".join(part for part in (f"Model {model_name(segment)}", digest) if part)[:LONG_STRING]


def _algorithm_item(segment: SegmentInfo) -> Dataset:
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [ARTIFICIAL_INTELLIGENCE.item()]
    item.AlgorithmName = segment.tags[MODEL_TAG][:LONG_STRING]
    item.AlgorithmVersion = segment.tags.get(VERSION_TAG, "unknown")[:LONG_STRING]
    item.AlgorithmSource = MANUFACTURER
    return item


def _contours(mask: np.ndarray, source: DicomSource) -> list[Dataset]:
    contours: list[Dataset] = []
    for index in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
        for polygon in trace(mask[index]):
            contour = Dataset()
            contour.ContourNumber, contour.ContourGeometricType = len(contours) + 1, "CLOSED_PLANAR"
            contour.ContourImageSequence = [_image(source, index)]
            contour.NumberOfContourPoints = len(polygon)
            coordinates = source.points(index, polygon).round(MM_DECIMALS).ravel() + 0.0  # no -0.0
            contour.ContourData = [format_number_as_ds(value) for value in coordinates.tolist()]
            contours.append(contour)
    return contours
