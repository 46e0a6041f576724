"""Headers of DICOM slices: the few tags that say what a file is and where its slice lies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage

from .dataset import open_dataset, reading

T = TypeVar("T")

TAGS = (
    "Modality",
    "SeriesInstanceUID",
    "SeriesDescription",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "RescaleSlope",
    "RescaleIntercept",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "ImageType",
)
# Objects with rows and columns, or without, that are not a scan.
NOT_A_SCAN = {"RTDOSE", "RTSTRUCT", "RTPLAN", "RTIMAGE", "RTRECORD", "SEG", "REG", "SR", "PR", "KO", "DOC", "FID"}


# Objects that are no patient's have no modality: directories (DICOMDIR), hanging protocols, palettes, implants.
NO_PATIENTS = ("1.2.840.10008.1.3.10", *(f"1.2.840.10008.5.1.4.{kind}." for kind in (38, 39, 43, 44, 45)))


@dataclass(frozen=True)
class Patient:
    """Whose an object is, as far as it says (PS3.3 C.7.1.1).

    Attributes:
        id: PatientID.
        name: PatientName.
        birth_date: PatientBirthDate.
    """

    id: str = ""
    name: str = ""
    birth_date: str = ""

    def unlike(self, other: Patient) -> str:
        """The name of the first attribute in which two objects name different patients, or "".

        An attribute that one of them lacks tells nothing. Case, spaces and trailing separators of a name mean nothing.
        """
        for attribute, mine, theirs in (
            ("PatientID", self.id, other.id),
            ("PatientName", _plain(self.name), _plain(other.name)),
            ("PatientBirthDate", self.birth_date, other.birth_date),
        ):
            if mine and theirs and mine != theirs:
                return attribute
        return ""


def _plain(name: str) -> str:
    """A name as letters only: systems spell the parts of one name with different separators and cases."""
    return " ".join(name.replace("^", " ").replace("=", " ").casefold().split())


@dataclass(frozen=True)
class SliceHeader:
    """What is needed of one DICOM file; vectors are empty where the file lacks the tag or it makes no sense.

    Attributes:
        position: ImagePositionPatient, mm.
        orientation: ImageOrientationPatient, 6 direction cosines.
        spacing: PixelSpacing (between rows, between columns), mm.
        thickness: SliceThickness, else SpacingBetweenSlices, mm.
        rescale: RescaleSlope and RescaleIntercept.
        patient: whose it is.
        study: StudyInstanceUID.
        frame_of_reference: FrameOfReferenceUID.
        instance: SOPInstanceUID.
        sop_class: SOPClassUID.
        image_type: ImageType, such as ORIGINAL, PRIMARY, AXIAL.
    """

    path: Path
    series: str
    modality: str
    description: str
    rows: int
    columns: int
    frames: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    thickness: tuple[float, ...]
    rescale: tuple[float, ...]
    patient: Patient
    study: str
    frame_of_reference: str
    instance: str
    sop_class: str
    image_type: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        """Names of the tags without which the slice has no place in space."""
        tags = {
            "ImagePositionPatient": self.position,
            "ImageOrientationPatient": self.orientation,
            "PixelSpacing": self.spacing,
        }
        return [name for name, value in tags.items() if not value]

    @property
    def identity(self) -> tuple[object, ...]:
        """The same for two exports of one slice; other places and patients that share an instance UID differ."""
        return (self.instance, self.position, self.patient) if self.instance else (str(self.path),)

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice, from its rows' and columns' directions (DICOM PS3.3 C.7.6.2.1.1)."""
        return np.cross(self.orientation[:3], self.orientation[3:])

    @property
    def height(self) -> float:
        """Position along the normal, mm."""
        return float(self.normal @ self.position)


def read_header(path: Path) -> SliceHeader | None:
    """The header of an image, None for any other file; raises InputError when the file is damaged or unreadable."""
    with reading(path):
        status = path.stat()
        return _read_header(path, status.st_size, status.st_mtime_ns)


# A slice is looked at when it is found, read and referred to; parsing it costs more than all of that.
@lru_cache(maxsize=4096)
def _read_header(path: Path, size: int, changed_ns: int) -> SliceHeader | None:  # noqa: ARG001  they tell files apart
    data = open_dataset(path, TAGS, pixels=False)
    if data is None:
        return None
    # The one of the file meta information, which comes first, is whole in a file that was cut later.
    sop_class = str(data.file_meta.get("MediaStorageSOPClassUID") or "") or _text(data, "SOPClassUID")
    modality = _text(data, "Modality") or ("CT" if sop_class == CTImageStorage else "")
    if "Rows" not in data or "Columns" not in data or modality in NOT_A_SCAN:
        if sop_class == CTImageStorage or (not modality and not sop_class.startswith(NO_PATIENTS)):
            raise EOFError("the header breaks off before it says what the file is")
        return None
    return SliceHeader(
        path,
        series=_text(data, "SeriesInstanceUID"),
        modality=modality,
        description=_text(data, "SeriesDescription"),
        rows=int(data.Rows),
        columns=int(data.Columns),
        frames=int(data.get("NumberOfFrames") or 1),
        position=_numbers(data, "ImagePositionPatient", 3),
        orientation=_numbers(data, "ImageOrientationPatient", 6),
        spacing=_numbers(data, "PixelSpacing", 2, above=0),
        thickness=_numbers(data, "SliceThickness", 1, above=0) or _numbers(data, "SpacingBetweenSlices", 1, above=0),
        rescale=_numbers(data, "RescaleSlope", 1) + _numbers(data, "RescaleIntercept", 1),
        patient=read_patient(data),
        study=_text(data, "StudyInstanceUID"),
        frame_of_reference=_text(data, "FrameOfReferenceUID"),
        instance=_text(data, "SOPInstanceUID"),
        sop_class=sop_class,
        image_type=_made_of(data, "ImageType", _texts) or (),
    )


def read_patient(data: pydicom.Dataset) -> Patient:
    """Whose object a data set is."""
    return Patient(_text(data, "PatientID"), _text(data, "PatientName"), _text(data, "PatientBirthDate"))


def read_modality(path: Path) -> str:
    """The modality of any DICOM object, images or not; "" for one that does not say and for every other file."""
    with reading(path):
        data = open_dataset(path, ["Modality"], pixels=False)
        return _text(data, "Modality") if data is not None else ""


def _made_of(data: pydicom.Dataset, tag: str, make: Callable[[Any], T]) -> T | None:
    """What is made of a value; None where there is none, or none that can be decoded."""
    try:
        return make(data.get(tag))
    except Exception:  # what pydicom raises over one bad value is of many kinds; the others may be good
        return None


def _text(data: pydicom.Dataset, tag: str) -> str:
    return _made_of(data, tag, lambda value: str(value or "").strip(" \0")) or ""


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(str(text) for text in value or ())


def _numbers(data: pydicom.Dataset, tag: str, count: int, above: float = -math.inf) -> tuple[float, ...]:
    numbers = _made_of(data, tag, lambda value: tuple(map(float, (value,) if count == 1 else value))) or ()
    return numbers if len(numbers) == count and all(above < number < math.inf for number in numbers) else ()
