"""Writing DICOM structure sets (RTSTRUCT, PS3.3 A.19) that refer to the CT's own slices.

Contours are those of `outline.tracing`: filled by pixel centres they give the mask back voxel for voxel.
They lie in the plane of the slice they name, wherever that is in space.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, RTStructureSetStorage, generate_uid

from ....errors import InputError, RunError
from ....system.files import check_writable, whole_file
from ...masks.structure import Review, Structure
from ...segment_info import SegmentInfo
from ...volume import Volume
from ..dataset import open_structure_set, quiet_pydicom, reading
from ..rtstruct import read_structure_set, roi_mask
from ..source import (
    MANUFACTURER,
    DicomSource,
    model_name,
    read_source,
    series_description,
    software_versions,
)
from ..text import use_characters
from .existing import APPROVED, REVIEW, SEQUENCES, TRANSFER_SYNTAX, check_not_approved, read_base, reference
from .items import NOT_CHECKED, SHORT_STRING, add_structure

LABEL = "GTVAutoSeg"
# Retired, but what PS3.3 C.8.8.5 has a structure set name for its study.
STUDY_CLASS = UID("1.2.840.10008.3.1.2.3.1")


def write_rtstruct(
    structures: Sequence[Structure],
    volume: Volume,
    path: str | Path,
    *,
    base: Path | None = None,
    checked: bool = False,
) -> None:
    """Write regions of interest as a structure set, whole or not at all.

    Args:
        structures: at least one, on the volume's grid.
        volume: the CT, read from DICOM.
        path: where to; a file already there is replaced, unless it is a structure set that was approved.
        base: a structure set of this CT to add the regions to; ``path`` then holds all its regions and the new ones,
            under identifiers of its own and unapproved, and ``base`` stays as it is. A name that is taken gets a
            number.
        checked: whether `check_target`, or `images.write.check_outputs` and `check_not_base`, have passed the path.

    Raises:
        InputError: the volume was not read from DICOM, a name does not fit, ``base`` is for another CT, or ``path``
            was approved.
        DiskError: writing failed; nothing is left behind.
        RunError: the contours, read back, do not give the masks; nothing is left behind.
        ValueError: a mask has another shape than the volume.
    """
    path = Path(path)
    if not checked:
        check_target(path, base)
    source = read_source(volume, path)
    data = make_rtstruct(structures, source, base)
    with whole_file(path) as temporary:
        save(data, temporary, structures, source)


def save(data: Dataset, path: Path, structures: Sequence[Structure], source: DicomSource) -> None:
    """Save what `make_rtstruct` made, and read it back: a contour one slice off must never leave the house.

    Raises:
        OSError: it cannot be written.
        InputError: it holds values, of a set that was added to, that cannot be written.
        RunError: the regions that were added, read and filled, are not the masks voxel for voxel.
    """
    _write(data, path)
    rois = read_structure_set(path).rois[-len(structures) :]
    for one, roi in zip(structures, rois):
        found, _ = roi_mask([roi], source.volume)
        # Slice by slice: of a large CT a comparison in one piece takes three more copies in memory.
        different = sum(int(np.count_nonzero((a > 0) != (b > 0))) for a, b in zip(found, one.mask))
        if different:
            both = np.count_nonzero(found & (one.mask > 0))
            dsc = 2 * both / (np.count_nonzero(found) + np.count_nonzero(one.mask))
            raise RunError(
                f"the contours of '{roi.name}', read back, differ from the segment in {different} voxels (DSC "
                f"{dsc:.4f}), expected none, so nothing was written; report it"
            )


def check_target(path: Path, base: Path | None = None) -> None:
    """Raise InputError unless a structure set can be written to a path without harm to one that is there."""
    check_writable(path)
    check_not_approved(path)
    check_not_base(path, base)


def check_not_base(path: Path, base: Path | None) -> None:
    """Raise InputError where a structure set would take the place of the one that its regions are added to."""
    if base is not None and path.exists() and path.samefile(base):
        raise InputError(f"{path} is the structure set to add to; expected another file for the result")


def make_rtstruct(structures: Sequence[Structure], source: DicomSource, base: Path | None = None) -> Dataset:
    """The structure set `write_rtstruct` writes, as a data set."""
    for one in structures:
        if one.mask.shape != source.volume.array.shape:
            raise ValueError(f"the mask has shape {one.mask.shape}, expected the volume's {source.volume.array.shape}")
        check_name(one.segment.name)
    with quiet_pydicom() if base is None else reading(base, "RTSTRUCT"):
        data = _empty_set(source) if base is None else read_base(base, source)
        _identify(data, structures[0].segment)
        _judge(data, _review(structures) if base is None else None)
        for one in structures:
            reviewer = one.review.reviewer if one.review else ""
            texts = (one.segment.name, one.segment.terminology, model_name(one.segment), reviewer)
            use_characters(data, "".join(texts))
            add_structure(data, one, source)
    return data


def review_set(path: Path, target: Path, review: Review | None) -> None:
    """Write a structure set anew as approved by a person or by nobody: an object of its own with the same contours.

    Args:
        path: the structure set.
        target: where to.
        review: who has approved all its regions, and when; None takes an approval back.

    Raises:
        InputError: ``path`` is no structure set, or is damaged.
        OSError: ``target`` cannot be written.
    """
    with reading(path, "RTSTRUCT"):
        data = open_structure_set(path)
        use_characters(data, review.reviewer if review else "")
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
        _judge(data, review)
        for region in data.get("StructureSetROISequence") or ():
            if review is None and region.get("ROIGenerationAlgorithm") == "AUTOMATIC":
                region.ROIDescription = NOT_CHECKED
            elif review is not None and region.get("ROIDescription") == NOT_CHECKED:
                del region.ROIDescription
        for observation in data.get("RTROIObservationsSequence") or ():
            observation.ROIInterpreter = review.reviewer if review else None
    _write(data, target)


def _write(data: Dataset, path: Path) -> None:
    try:
        with quiet_pydicom():
            data.save_as(path, enforce_file_format=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # what pydicom raises over values of a damaged set is of many kinds
        raise InputError(
            "the structure set that is to be changed or added to is damaged: it holds values that cannot be written; "
            "export or copy it again"
        ) from error


def check_name(name: str) -> None:
    """Raise InputError for a name of a region that planning systems refuse."""
    if len(name) > SHORT_STRING or "\\" in name:
        raise InputError(
            f"the segment is called '{name}'; expected at most {SHORT_STRING} characters and no backslash, as "
            "planning systems do, so rename it"
        )


def _review(structures: Sequence[Structure]) -> Review | None:
    """The approval of a set, by a person who has approved all that is in it; None where there is none."""
    reviews = [one.review for one in structures if one.review is not None]
    if len(reviews) < len(structures) or len({review.reviewer for review in reviews}) > 1:
        return None
    return max(reviews, key=lambda review: review.at)


def _judge(data: Dataset, review: Review | None) -> None:
    """Say who has approved the set, a person or nobody (PS3.3 C.8.8.16)."""
    data.ApprovalStatus = "UNAPPROVED" if review is None else APPROVED
    for name in REVIEW:
        data.pop(name, None)
    if review is not None:
        data.ReviewDate, data.ReviewTime = review.at.strftime("%Y%m%d"), review.at.strftime("%H%M%S")
        data.ReviewerName = review.reviewer


def _empty_set(source: DicomSource) -> Dataset:
    data = source.patient_and_study()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = TRANSFER_SYNTAX
    data.StructureSetLabel = LABEL
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = source.slices[0].frame_of_reference, None
    data.ReferencedFrameOfReferenceSequence = [_reference(source)]
    for name in SEQUENCES:
        setattr(data, name, [])
    return data


def _reference(source: DicomSource) -> Dataset:
    """The item of the referenced frame of reference sequence for the CT."""
    first = source.slices[0]
    series, study, frame = Dataset(), reference(STUDY_CLASS, first.study), Dataset()
    series.SeriesInstanceUID = first.series
    series.ContourImageSequence = [reference(one.sop_class, one.instance) for one in source.slices]
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = first.frame_of_reference, [study]
    return frame


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
