"""The DICOM slices a result belongs to, and what a new DICOM object of the same patient and study takes from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset

from ... import __version__
from ...errors import InputError
from ...system.tags import MODEL_TAG, VERSION_TAG
from ..segment_info import SegmentInfo
from ..volume import Volume
from .dataset import open_dataset, reading
from .headers import SliceHeader, read_header
from .series import DIRECTION_TOLERANCE, POSITION_TOLERANCE_MM, SPACING_TOLERANCE
from .text import carried_over

MANUFACTURER = "GTVAutoSeg"
# Longest value of VR LO.
LONG_STRING = 64
# Present in every object, empty where the CT does not tell (type 2).
_ALWAYS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
# Patient, study and trial (PS3.3 C.7.1.1, C.7.1.3, C.7.2.1 to C.7.2.3), with what says that identities were removed.
_COPIED = (
    *_ALWAYS,
    "SpecificCharacterSet",
    "StudyInstanceUID",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription",
)


@dataclass(frozen=True)
class DicomSource:
    """The slices of a volume.

    Attributes:
        volume: the volume.
        slices: ``slices[i]`` belongs to ``volume.array[i]``.
    """

    volume: Volume
    slices: tuple[SliceHeader, ...]

    def __str__(self) -> str:
        """Where the volume came from."""
        return self.volume.source

    def patient_and_study(self) -> Dataset:
        """Attributes of patient and study, as the first slice has them, with its character set; raises InputError."""
        header = read_without_pixels(self.slices[0].path)
        data = Dataset()
        with reading(self.slices[0].path):
            for name in _COPIED:
                if name in header:
                    data[name] = carried_over(header, name)
        fill_empty(data)
        return data

    def points(self, index: int, pixels: np.ndarray) -> np.ndarray:
        """Bring points (n, 2), (x, y) in pixels of a slice, to (n, 3), LPS, mm (PS3.3 C.7.6.2.1.1)."""
        header = self.slices[index]
        row, column = np.reshape(header.orientation, (2, 3))
        between_rows, between_columns = header.spacing
        return np.asarray(
            header.position + pixels[:, :1] * between_columns * row + pixels[:, 1:] * between_rows * column
        )


def read_source(volume: Volume, path: Path) -> DicomSource:
    """Read the headers of a volume's slices; once, however many files shall refer to them.

    Args:
        volume: read from DICOM.
        path: the file that shall refer to them, for messages.

    Raises:
        InputError: the volume was not read from DICOM, its slices lack an identifier or are not where it has them.
    """
    if not volume.dicom_files:
        raise InputError(
            f"{path} has to refer to the DICOM slices of the CT, but {volume.source or 'the volume'} was not read from "
            "DICOM; give the DICOM series, or write .seg.nrrd"
        )
    if "source" not in volume.kept:
        headers = [header for file in volume.dicom_files if (header := read_header(file)) is not None]
        _check_place(headers, volume)
        _check_identifiers(headers)
        volume.kept["source"] = tuple(headers)
    return DicomSource(volume, volume.kept["source"])


def read_without_pixels(path: Path) -> Dataset:
    """All of a slice's attributes but its pixels; raises InputError when the file went away or is a slice no more."""
    with reading(path):
        data = open_dataset(path, pixels=False)
        if data is None:
            raise InputError(f"{path} is no DICOM file any more; expected the CT where it was")
        return data


def fill_empty(data: Dataset) -> None:
    """Add the attributes that every object has, empty, where they are missing."""
    for name in _ALWAYS:
        data.setdefault(name, None)


def software_versions(segment: SegmentInfo) -> list[str]:
    """This library's version and, where the segment names one, its model's."""
    return [version[:LONG_STRING] for version in (__version__, model_name(segment)) if version]


def model_name(segment: SegmentInfo) -> str:
    """Id and version of the model that made a segment, or ""."""
    parts = (segment.tags.get(MODEL_TAG, ""), segment.tags.get(VERSION_TAG, ""))
    return " ".join(part for part in parts if part)


def series_description(segment: SegmentInfo) -> str:
    """What a list of series shows."""
    return f"{segment.name}, {MANUFACTURER} {model_name(segment)}".rstrip()[:LONG_STRING]


def _check_identifiers(headers: list[SliceHeader]) -> None:
    for what in ("study", "series", "frame_of_reference", "sop_class"):
        values = {getattr(header, what) for header in headers}
        if len(values) != 1 or not all(values):
            name = f"{what.replace('_', ' ').replace('sop', 'SOP')} UID"
            raise InputError(
                f"{headers[0].path.parent} has slices with {'several' if len(values) > 1 else 'no'} {name}; expected "
                "one, which a DICOM result has to name, so export the series again or write .seg.nrrd"
            )
    if len({header.instance for header in headers if header.instance}) < len(headers):
        raise InputError(
            f"{headers[0].path.parent} has slices without a SOP instance UID of their own; expected one each, which a "
            "DICOM result has to name, so export the series again or write .seg.nrrd"
        )


def _check_place(headers: list[SliceHeader], volume: Volume) -> None:
    """Raise unless every slice lies where the volume has it: a result one slice off must never be written."""
    count, rows, columns = volume.array.shape
    step = volume.steps[:, 2]
    fits = len(headers) == count and all(
        (header.rows, header.columns) == (rows, columns)
        and np.allclose(header.position, volume.origin + index * step, rtol=0, atol=2 * POSITION_TOLERANCE_MM)
        and np.allclose(header.orientation, np.ravel(volume.direction)[[0, 3, 6, 1, 4, 7]], atol=DIRECTION_TOLERANCE)
        and np.allclose(header.spacing, volume.spacing[1::-1], rtol=SPACING_TOLERANCE)
        for index, header in enumerate(headers)
    )
    if not fits:
        raise InputError(
            f"{volume.source} does not lie where its DICOM slices in {volume.dicom_files[0].parent} do; expected the "
            "CT as it was read, neither moved nor resampled and its files unchanged, so load it again"
        )
