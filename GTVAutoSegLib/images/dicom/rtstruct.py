"""Reading DICOM structure sets (RTSTRUCT, PS3.3 A.19): regions of interest, their contours, and whose CT they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError

from ...errors import InputError
from ..volume import Volume
from .contours import rasterise

# An inner contour cuts a hole with either type; PS3.3 C.8.8.6.3.
CLOSED_TYPES = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}


@dataclass(frozen=True)
class Roi:
    """A region of interest.

    Attributes:
        number: ROINumber, which names it within its structure set.
        name: ROIName.
        source: the file it comes from, for messages.
        items: its ContourSequence.
    """

    number: int
    name: str
    source: str
    items: Sequence[pydicom.Dataset] = field(repr=False)

    @cached_property
    def contours(self) -> tuple[np.ndarray, ...]:
        """Its closed contours, float64 (n, 3) each, n > 2, points (x, y, z) in LPS, mm.

        Raises:
            InputError: a contour's points are not numbers in threes.
        """
        contours = (self._points(item) for item in self.items if item.get("ContourGeometricType") in CLOSED_TYPES)
        return tuple(points for points in contours if len(points) > 2)

    @property
    def left_out(self) -> int:
        """How many of its contours enclose nothing: points, open lines, less than three points."""
        return len(self.items) - len(self.contours)

    @cached_property
    def instances(self) -> frozenset[str]:
        """SOPInstanceUIDs of the images its contours were drawn on, where the file says so."""
        return frozenset(
            str(image.get("ReferencedSOPInstanceUID", ""))
            for item in self.items
            for image in item.get("ContourImageSequence") or ()
        )

    def _points(self, item: pydicom.Dataset) -> np.ndarray:
        # Millions of numbers: pydicom's own decoding of each one would take minutes.
        element = item.get_item("ContourData")
        raw = element.value if isinstance(element, RawDataElement) else None
        try:
            numbers = np.array(raw.split(b"\\") if raw else item.get("ContourData") or (), dtype=np.float64)
            points = numbers.reshape(-1, 3)
        except (ValueError, TypeError):
            points = np.full((1, 3), np.nan)
        if not np.isfinite(points).all():
            raise InputError(
                f"{self.source} has a contour of ROI '{self.name}' whose points are not numbers in threes; export the "
                "structure set again"
            )
        return points


@dataclass(frozen=True)
class StructureSet:
    """An RTSTRUCT file.

    Attributes:
        path: of the file.
        uid: its SOPInstanceUID.
        label: StructureSetLabel.
        date: StructureSetDate, YYYYMMDD, or "".
        patient: PatientID.
        series: SeriesInstanceUIDs it refers to, in its order.
        rois: its regions of interest, in its order.
    """

    path: Path
    uid: str
    label: str
    date: str
    patient: str
    series: tuple[str, ...]
    rois: tuple[Roi, ...]

    def __str__(self) -> str:
        """File, label and date."""
        return f"{self.path} ('{self.label}'{', ' + self.date if self.date else ''})"


def read_structure_set(path: Path) -> StructureSet:
    """Read a structure set; contours are decoded when they are asked for.

    Raises:
        InputError: the file is no RTSTRUCT, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom remarks on values that are longer than they should be
            data = pydicom.dcmread(path)
            if data.get("Modality") != "RTSTRUCT":
                raise InputError(f"{path} has the modality {data.get('Modality')}; expected an RTSTRUCT")
            return StructureSet(
                path,
                str(data.get("SOPInstanceUID", "")),
                str(data.get("StructureSetLabel", "")),
                str(data.get("StructureSetDate", "")),
                str(data.get("PatientID", "")),
                tuple(dict.fromkeys(_referenced_series(data))),
                _rois(data, path),
            )
    except InvalidDicomError:
        raise InputError(f"{path} is not a DICOM file; expected an RTSTRUCT") from None
    except (EOFError, OSError, ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        raise InputError(f"{path} is a damaged RTSTRUCT ({error}); export the structure set again") from None


def roi_mask(rois: Sequence[Roi], volume: Volume) -> tuple[np.ndarray, tuple[str, ...]]:
    """The union of some regions of interest on the grid of a volume.

    Each is drawn as `contours.rasterise` says: voxel centres inside, inner contours are holes, a
    contour goes to the slice nearest to it.

    Args:
        rois: of one structure set.
        volume: the CT.

    Returns:
        uint8 (z, y, x), 1 is inside; and what could not be drawn as it is, a sentence each.

    Raises:
        InputError: a contour is not planar on the CT's slices, or all of a region lies outside the CT.
    """
    mask = np.zeros(volume.array.shape, np.uint8)
    notes: list[str] = []
    for roi in rois:
        raster = rasterise(roi.contours, volume)
        if roi.contours and raster.outside == len(roi.contours):
            raise InputError(
                f"{roi.source} has all {len(roi.contours)} contours of ROI '{roi.name}' outside the CT in "
                f"{volume.source}; expected contours drawn on this CT, so export both together"
            )
        mask[raster.mask] = 1
        for count, text in (
            (roi.left_out, "contours that enclose nothing (points, open lines) were left out"),
            (raster.outside, "contours lie outside the CT and were left out"),
            (raster.unused, "contours lie between slices that others are closer to, and were left out"),
        ):
            if count:
                notes.append(f"ROI '{roi.name}': {count} {text}")
        if raster.step > 1:
            notes.append(f"ROI '{roi.name}': only every {raster.step}. slice has contours; those between stay empty")
        if roi.contours and not raster.mask.any():
            notes.append(f"ROI '{roi.name}': its contours are too small to hold a voxel's centre")
    return mask, tuple(notes)


def _referenced_series(data: pydicom.Dataset) -> Iterator[str]:
    for frame in data.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            for series in study.get("RTReferencedSeriesSequence") or ():
                yield str(series.get("SeriesInstanceUID", ""))


def _rois(data: pydicom.Dataset, path: Path) -> tuple[Roi, ...]:
    contours: dict[int, list[pydicom.Dataset]] = {}
    for item in data.get("ROIContourSequence") or ():
        contours.setdefault(int(item.ReferencedROINumber), []).extend(item.get("ContourSequence") or ())
    return tuple(
        Roi(int(item.ROINumber), str(item.get("ROIName", "")), str(path), contours.get(int(item.ROINumber), []))
        for item in data.get("StructureSetROISequence") or ()
    )
