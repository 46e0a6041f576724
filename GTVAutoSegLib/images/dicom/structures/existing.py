"""Structure sets that exist: adding regions to one, under a new identity, and never replacing one that was approved.

Its regions stay as they are: their contours to the digit, their numbers and names.
"""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from ....errors import InputError
from ..dataset import open_dataset, open_structure_set, reading
from ..rtstruct import read_structure_set, series_items
from ..source import DicomSource, fill_empty

# Its lengths have 32 bits; a long contour does not fit into the 16 bits of explicit VR (PS3.5 section 7.1.2).
TRANSFER_SYNTAX = ImplicitVRLittleEndian
APPROVED = "APPROVED"
REVIEW = ("ReviewDate", "ReviewTime", "ReviewerName")
# Attributes of the set that is added to which are not true of the new one.
_OUTDATED = (
    *REVIEW,
    "StationName",
    "DeviceSerialNumber",
    "DeviceUID",
    "InstanceCreatorUID",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
)
SEQUENCES = ("StructureSetROISequence", "ROIContourSequence", "RTROIObservationsSequence")


def check_not_approved(path: Path) -> None:
    """Raise InputError rather than let a structure set that somebody has approved be replaced."""
    if not path.is_file():
        return
    try:
        with reading(path):
            data = open_dataset(path, ["Modality", "ApprovalStatus", "ReviewerName"]) or Dataset()
            approved = data.get("Modality") == "RTSTRUCT" and data.get("ApprovalStatus") == APPROVED
            by = f" by {data.ReviewerName}" if data.get("ReviewerName") else ""
    except InputError:
        return  # damaged, and so no structure set
    if approved:
        raise InputError(
            f"{path} is a structure set that was approved{by}, which is never changed; expected another file for the "
            "result, so choose another name"
        )


def read_base(base: Path, source: DicomSource) -> Dataset:
    """A structure set to add to, after a check that it is for the same CT.

    Raises:
        InputError: it is none, is damaged, or is of another patient, series or frame of reference.
    """
    with reading(base, "RTSTRUCT"):
        structures = read_structure_set(base)
        for roi in structures.rois:
            roi.contours  # noqa: B018  damage is said now, and not by the system that the result goes to
        patient = source.slices[0].patient
        if structures.patient.unlike(patient) or structures.patient.id != patient.id:
            raise InputError(f"{base} is of another patient than {source}; expected a structure set of this CT")
        data = open_structure_set(base)
        syntax = data.file_meta.get("TransferSyntaxUID")
        if syntax is None or syntax.is_little_endian:  # the retired big-endian one stays as it is
            data.file_meta = data.file_meta or FileMetaDataset()
            data.file_meta.TransferSyntaxUID = TRANSFER_SYNTAX
        _refer_to_all(data, base, source)
        data.PredecessorStructureSetSequence = [reference(RTStructureSetStorage, structures.uid)]
        for name in _OUTDATED:
            data.pop(name, None)
        fill_empty(data)
        if "FrameOfReferenceUID" in data and "PositionReferenceIndicator" not in data:
            data.PositionReferenceIndicator = None
        for name in SEQUENCES:
            if data.get(name) is None:
                setattr(data, name, [])
        return data


def reference(sop_class: str, instance: str) -> Dataset:
    """An item that refers to an object by its SOP class and instance UID."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def _refer_to_all(data: Dataset, base: Path, source: DicomSource) -> None:
    """Let a structure set name all of the CT's slices; raises InputError when it was drawn on another CT."""
    first = source.slices[0]
    all_frames = data.get("ReferencedFrameOfReferenceSequence") or ()
    frames = [frame for frame in all_frames if frame.get("FrameOfReferenceUID") == first.frame_of_reference]
    if not frames:
        named = ", ".join(str(frame.get("FrameOfReferenceUID")) for frame in all_frames) or "none"
        raise InputError(
            f"{base} was drawn in another frame of reference than {source} ({named} and not "
            f"{first.frame_of_reference}); expected a structure set of this CT, so choose the one that belongs to it"
        )
    series = next((item for item in series_items(frames) if item.get("SeriesInstanceUID") == first.series), None)
    if series is None:
        raise InputError(
            f"{base} was drawn on another CT than {source}; expected a structure set that names the series "
            f"{first.series}, so choose the one that belongs to this CT"
        )
    images = series.get("ContourImageSequence") or ()
    there = {image.get("ReferencedSOPInstanceUID") for image in images}
    missing = [reference(one.sop_class, one.instance) for one in source.slices if one.instance not in there]
    series.ContourImageSequence = [*images, *missing]
