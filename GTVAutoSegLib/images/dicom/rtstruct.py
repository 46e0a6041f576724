"""Reading DICOM structure sets (RTSTRUCT, PS3.3 A.19): regions of interest, their contours, and whose CT they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from ...errors import InputError
from ...system.names import counted, some_of
from ..volume import Volume
from .dataset import open_structure_set, reading
from .headers import Patient, read_patient
from .outline.filling import Raster, rasterise
from .structures.roi import Roi

# Contours that lie further than this beside the slice they are drawn on are remarked on.
MOVED_SLICES = 0.1


@dataclass(frozen=True)
class StructureSet:
    """An RTSTRUCT file.

    Attributes:
        path: of the file.
        uid: its SOPInstanceUID.
        label: StructureSetLabel.
        date: StructureSetDate, YYYYMMDD, or "".
        patient: whose it is.
        series: SeriesInstanceUIDs it refers to, in its order.
        rois: its regions of interest, in its order.
        frames: FrameOfReferenceUIDs it refers to.
        remarks: how it departs from the standard, a sentence each.
    """

    path: Path
    uid: str
    label: str
    date: str
    patient: Patient
    series: tuple[str, ...]
    rois: tuple[Roi, ...]
    frames: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """File, label and date."""
        return f"{self.path} ('{self.label}'{', ' + self.date if self.date else ''})"


def read_structure_set(path: Path) -> StructureSet:
    """Read a structure set; contours are decoded when they are asked for.

    Raises:
        InputError: the file is no RTSTRUCT, or is damaged.
    """
    with reading(path, "RTSTRUCT"):
        data = open_structure_set(path)
        references = list(data.get("ReferencedFrameOfReferenceSequence") or ())
        rois, remarks = _rois(data, path)
        return StructureSet(
            path,
            uid=str(data.get("SOPInstanceUID", "")),
            label=str(data.get("StructureSetLabel", "")),
            date=str(data.get("StructureSetDate", "")),
            patient=read_patient(data),
            series=tuple(dict.fromkeys(str(item.get("SeriesInstanceUID", "")) for item in series_items(references))),
            rois=rois,
            frames=tuple(dict.fromkeys(str(item.get("FrameOfReferenceUID", "")) for item in references)),
            remarks=remarks,
        )


def roi_mask(rois: Sequence[Roi], volume: Volume) -> tuple[np.ndarray, tuple[str, ...]]:
    """The union of some regions of interest on the grid of a volume.

    Each is drawn as `outline.filling.rasterise` says: voxel centres inside, inner contours are holes, a
    contour goes to the slice nearest to it.

    Returns:
        uint8 (z, y, x), 1 is inside; and what could not be drawn as it is, a sentence each.

    Raises:
        InputError: a contour is not planar on the CT's slices, or a region has contours and gives no voxel.
    """
    mask = np.zeros(volume.array.shape, np.uint8)
    notes: list[str] = []
    for roi in rois:
        if roi.ambiguous:
            raise InputError(
                f"{roi.source} leaves open which contours are those of ROI '{roi.name}' ({roi.ambiguous}); expected a "
                "number for each ROI, so export the structure set again"
            )
        try:
            raster = rasterise(roi.contours, volume, roi.exclusive)
        except InputError as error:
            raise InputError(f"{roi.source}, ROI '{roi.name}': {error}") from None
        _check_drawn(roi, raster, volume)
        mask[raster.mask] = 1
        notes += [*roi.remarks, *_notes(roi, raster, volume)]
    return mask, tuple(notes)


def _check_drawn(roi: Roi, raster: Raster, volume: Volume) -> None:
    """Raise for a region that has contours and gives no voxel: it is no sign that there is no tumour."""
    if not roi.items or raster.mask.any():
        return
    if roi.contours and raster.outside == len(roi.contours):
        raise InputError(
            f"{roi.source} has ROI '{roi.name}' with {counted(len(roi.contours), 'contour')} wholly outside the CT in "
            f"{volume.source}; expected contours drawn on this CT, so export both together"
        )
    why = "too small to hold a voxel's centre" if roi.contours else "points and open lines, which enclose nothing"
    raise InputError(
        f"{roi.source} has ROI '{roi.name}' with {counted(len(roi.items), 'contour')} and no voxel inside ({why}); "
        "expected closed contours, so draw it anew or choose other ROIs"
    )


def _notes(roi: Roi, raster: Raster, volume: Volume) -> list[str]:
    """What of a region could not be drawn as it is."""
    notes = [
        f"{counted(count, 'contour')} {text}"
        for count, text in (
            (roi.left_out, "left out, enclosing nothing (points, open lines)"),
            (raster.outside, "left out, outside the CT"),
            (raster.unused, "left out, between slices that others are closer to"),
            (raster.twice, "drawn twice and taken once"),
            (raster.joined, "overlapping others of the same slice: joined, not cut from each other"),
        )
        if count
    ]
    if raster.moved > MOVED_SLICES:
        notes.append(
            f"contours lie up to {raster.moved * volume.spacing[2]:.1f} mm beside the slice they were drawn on"
        )
    if raster.step > 1:
        notes.append(f"only every {raster.step}. slice has contours; those between stay empty")
    if raster.gaps:
        notes.append(
            f"{counted(len(raster.gaps), 'slice')} inside it without contour ({some_of(raster.gaps)}, counted from 0), "
            "empty unless import --fill-between fills them"
        )
    return [f"ROI '{roi.name}': {note}" for note in notes]


def series_items(frames: Sequence[pydicom.Dataset]) -> Iterator[pydicom.Dataset]:
    """The series that items of a Referenced Frame of Reference Sequence refer to."""
    for frame in frames:
        for study in frame.get("RTReferencedStudySequence") or ():
            yield from study.get("RTReferencedSeriesSequence") or ()


def _rois(data: pydicom.Dataset, path: Path) -> tuple[tuple[Roi, ...], tuple[str, ...]]:
    """The regions of interest, and what cannot be told of any."""
    drawn: dict[int, list[pydicom.Dataset]] = defaultdict(list)
    for item in data.get("ROIContourSequence") or ():
        drawn[int(item.ReferencedROINumber)].append(item)
    named = list(data.get("StructureSetROISequence") or ())
    uses = Counter(int(item.ROINumber) for item in named)
    rois = []
    for item in named:
        number = int(item.ROINumber)
        ambiguous = ""
        if uses[number] > 1:
            ambiguous = f"{uses[number]} ROIs have its number {number}"
        elif len(drawn[number]) > 1:
            ambiguous = f"{len(drawn[number])} sets of contours have its number {number}"
        rois.append(
            Roi(
                number,
                name=str(item.get("ROIName", "")),
                source=str(path),
                items=[contour for one in drawn[number] for contour in one.get("ContourSequence") or ()],
                frame_of_reference=str(item.get("ReferencedFrameOfReferenceUID", "")),
                ambiguous=ambiguous,
            )
        )
    nameless = sum(bool(one.get("ContourSequence")) for number in drawn if number not in uses for one in drawn[number])
    remark = f"{path} has contours of {counted(nameless, 'ROI')} that it does not name; they belong to nothing"
    return tuple(rois), (remark,) if nameless else ()
