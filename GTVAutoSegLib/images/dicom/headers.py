"""Headers of DICOM slices: the few tags that say what a file is and where its slice lies."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import CTImageStorage

from ...errors import InputError
from ...system.files import files_below

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
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "ImageType",
)
# Objects with rows and columns, or without, that are not a scan.
NOT_A_SCAN = {"RTDOSE", "RTSTRUCT", "RTPLAN", "RTIMAGE", "RTRECORD", "SEG", "REG", "SR", "PR", "KO", "DOC", "FID"}


@dataclass(frozen=True)
class SliceHeader:
    """What is needed of one DICOM file; vectors are empty where the file lacks the tag or it makes no sense.

    Attributes:
        position: ImagePositionPatient, mm.
        orientation: ImageOrientationPatient, 6 direction cosines.
        spacing: PixelSpacing (between rows, between columns), mm.
        thickness: SliceThickness, else SpacingBetweenSlices, mm.
        rescale: RescaleSlope and RescaleIntercept.
        patient: PatientID.
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
    patient: str
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
        """The same for two exports of one slice, and different for two slices that wrongly share an instance UID."""
        return (self.instance, self.position) if self.instance else (str(self.path),)

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice, from its rows' and columns' directions (DICOM PS3.3 C.7.6.2.1.1)."""
        return np.cross(self.orientation[:3], self.orientation[3:])

    @property
    def height(self) -> float:
        """Position along the normal, mm."""
        return float(self.normal @ self.position)


def read_headers(folder: Path) -> tuple[list[SliceHeader], list[Path]]:
    """The headers of all images below a folder, and the files of 0 bytes."""
    headers, empty = [], []
    for path in sorted(path for path in files_below(folder) if path.is_file()):
        if path.stat().st_size == 0:
            empty.append(path)
        elif (header := read_header(path)) is not None:
            headers.append(header)
    return headers, empty


def read_header(path: Path) -> SliceHeader | None:
    """The header of an image, None for any other file; raises InputError when the file is damaged."""
    try:
        status = path.stat()
        return _read_header(path, status.st_size, status.st_mtime_ns)
    except InvalidDicomError:
        return None
    except (EOFError, OSError, ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        raise InputError(f"{path} is a damaged DICOM file ({error}); export the series again") from None


# A slice is looked at when it is found, read and referred to; parsing it costs more than all of that.
@lru_cache(maxsize=4096)
def _read_header(path: Path, size: int, changed_ns: int) -> SliceHeader | None:  # noqa: ARG001  they tell files apart
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom remarks on values that are longer than they should be
        data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
        modality = str(data.get("Modality", ""))
        if "Rows" not in data or "Columns" not in data or modality in NOT_A_SCAN:
            if data.file_meta.get("MediaStorageSOPClassUID") == CTImageStorage:
                raise EOFError("a CT slice without rows and columns")
            return None
        return SliceHeader(
            path,
            str(data.get("SeriesInstanceUID", "")),
            modality,
            str(data.get("SeriesDescription", "")),
            int(data.Rows),
            int(data.Columns),
            int(data.get("NumberOfFrames") or 1),
            _numbers(data, "ImagePositionPatient", 3),
            _numbers(data, "ImageOrientationPatient", 6),
            _positive(_numbers(data, "PixelSpacing", 2)),
            _positive(_numbers(data, "SliceThickness", 1)) or _positive(_numbers(data, "SpacingBetweenSlices", 1)),
            _numbers(data, "RescaleSlope", 1) + _numbers(data, "RescaleIntercept", 1),
            str(data.get("PatientID", "")),
            str(data.get("StudyInstanceUID", "")),
            str(data.get("FrameOfReferenceUID", "")),
            str(data.get("SOPInstanceUID", "")),
            str(data.get("SOPClassUID", "")),
            _texts(data, "ImageType"),
        )


def read_modality(path: Path) -> str:
    """The modality of any DICOM object, images or not; "" for one that does not say and for every other file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"]).get("Modality", ""))
    except (InvalidDicomError, EOFError, OSError, ValueError, TypeError, AttributeError, KeyError, NotImplementedError):
        return ""


def _texts(data: pydicom.Dataset, tag: str) -> tuple[str, ...]:
    value = data.get(tag) or ()
    return (value,) if isinstance(value, str) else tuple(str(text) for text in value)


def _numbers(data: pydicom.Dataset, tag: str, count: int) -> tuple[float, ...]:
    value = data.get(tag)
    values = (value,) if count == 1 else value
    try:
        numbers = tuple(float(number) for number in values)
    except (TypeError, ValueError):
        return ()
    return numbers if len(numbers) == count and all(math.isfinite(number) for number in numbers) else ()


def _positive(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return numbers if all(number > 0 for number in numbers) else ()
