"""Carrying out an order: the segments on the CT's voxels, the file, and the file read back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import Cancelled, ExportError, GTVAutoSegError, InputError
from ...images.dicom.segmentation import check_highdicom, make_dicom_seg
from ...images.dicom.source import DicomSource, read_source
from ...images.dicom.structures.existing import APPROVED
from ...images.dicom.structures.writer import check_name, check_target, make_rtstruct, save
from ...images.masks.stored import Box, by_hand
from ...images.masks.structure import Review, Structure
from ...images.masks.terms import describe, kind_of
from ...images.probability import following_tags
from ...images.segment_info import SegmentInfo
from ...images.volume import Volume
from ...system.files import whole_file, written
from ...system.names import counted
from ...system.progress import Progress, stopping
from ...system.tags import APPROVED_BOX_TAG, AUTOMATIC_TAG, COMPLETION_TAG, MASK_TAG, ORIGIN_TAGS, ROI_TAG
from ..record.approval import approval_of_tags
from ..record.edits import edit_of
from ..record.figures import region_figures
from .exported import Exported, Region
from .order import Order, OrderedCT, OrderedSegment
from .slices import check_place, dicom_volume

SEG_SUFFIX = ".seg.dcm"
RTSTRUCT, SEG = "RTSTRUCT", "SEG"


def carry_out(
    order: Order,
    voxels: Sequence[np.ndarray],
    scratch: Path,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Exported:
    """Write segments as a DICOM file that refers to the slices of their CT; whole or not at all.

    Args:
        order: what is wanted.
        voxels: of each segment, (z, y, x), as it is stored.
        scratch: a folder in which the file is made; the place it is wanted at sees it whole only.
        progress: called at each step.
        cancelled: asked at each step.

    Raises:
        ExportError: nothing was written; its kind says whether a segment, the CT's slices or a file is the reason.
        Cancelled: nothing was written.
    """
    step = stopping(progress, cancelled, "the export was cancelled; nothing was written")
    path, base = Path(order.path), Path(order.base) if order.base else None
    with _failing_as("segment"):
        step("outlining", 0, 0)
        structures = [_structure(one, array, order.ct) for one, array in zip(order.segments, voxels)]
        _check_apart(structures)
    with _failing_as("no-dicom"):
        volume = dicom_volume(order.ct, step)
        source = read_source(volume, path)
    with _failing_as("export"):
        check_target(path, base)
        check_place(path, volume)
        made = scratch / f"made{SEG_SUFFIX}"
        step("writing", 0, 0)
        with written(scratch):
            names, approved = _make(structures, source, made, order)
        step("writing", 0, 0)  # the last moment for a cancel
        with whole_file(path) as temporary:
            shutil.copyfile(made, temporary)
    regions = tuple(_region(one, name, volume) for one, name in zip(structures, names))
    kind = SEG if _is_seg(path) else RTSTRUCT
    return Exported(path, kind, regions, base=base, approved=approved, ct=order.ct.figures)


@contextmanager
def _failing_as(kind: str) -> Iterator[None]:
    """Turn the library's errors into those of an export."""
    try:
        yield
    except Cancelled:
        raise
    except GTVAutoSegError as error:
        raise ExportError(kind, str(error)) from error


def _is_seg(path: Path) -> bool:
    return path.name.lower().endswith(SEG_SUFFIX)


def _make(structures: Sequence[Structure], source: DicomSource, made: Path, order: Order) -> tuple[list[str], bool]:
    """Make the file; what the regions are called in it, and whether it says that they are approved."""
    base = Path(order.base) if order.base else None
    if not _is_seg(Path(order.path)):
        data = make_rtstruct(structures, source, base)
        save(data, made, structures, source)
        names = [str(item.ROIName) for item in data.StructureSetROISequence][-len(structures) :]
        return names, data.ApprovalStatus == APPROVED
    if base is not None:
        raise InputError(f"{order.path} is a DICOM SEG, which no regions can be kept in; expected a .dcm, so rename it")
    check_highdicom(order.path)
    make_dicom_seg(structures, source).save_as(made, enforce_file_format=True)
    return [one.segment.name for one in structures], False


def _structure(wanted: OrderedSegment, voxels: np.ndarray, ct: OrderedCT) -> Structure:
    stored, tags = wanted.stored(voxels), wanted.tags
    info = _described(wanted)
    check_name(info.name)
    mask = stored.on(ct.shape)
    if not mask.any():
        raise InputError(
            f"the segment '{info.name}' is empty on the CT; expected voxels to draw contours around, so draw some"
        )
    outside = stored.outside(ct.shape)
    if outside:
        raise InputError(
            f"the segment '{info.name}' has {counted(outside, 'voxel')} outside the CT '{ct.name}', expected none: "
            "there is no slice to draw them on, so erase them or select the CT it was drawn on"
        )
    box = stored.box(ct.shape)
    algorithm = ""
    if tags.get(ROI_TAG) or tags.get(COMPLETION_TAG):
        # As stored: an edit finer than the CT's voxels does not show in the mask.
        is_automatic = not by_hand(tags) and box is not None and box.has_been_left(tags)
        algorithm = "AUTOMATIC" if is_automatic else "SEMIAUTOMATIC"
    structure = Structure(
        mask,
        info,
        algorithm=algorithm,
        interpreted_type=wanted.kind or kind_of(info.terminology),
        review=_review(tags, box),
    )
    return following_tags(structure, tags)


def _review(tags: Mapping[str, str], box: Box | None) -> Review | None:
    """Who approved these very voxels; None where nobody did, or they are not what was approved."""
    approval = approval_of_tags(tags)
    if approval is None or box is None:
        return None
    return approval.review if box.is_known_as(approval.mask_sha256, tags.get(APPROVED_BOX_TAG, "")) else None


def _described(wanted: OrderedSegment) -> SegmentInfo:
    """The segment under the name and with the code that were chosen."""
    name = wanted.name.strip() or wanted.own_name
    own_kind = kind_of(wanted.terminology)
    # Slicer gives every drawn segment a code ("Tissue"); one of radiotherapy, or none, says more.
    keep = own_kind and wanted.kind in ("", own_kind) and name == wanted.own_name
    by_name = describe(name, wanted.kind)
    terminology = wanted.terminology if keep else by_name.terminology
    # They say what the last step left, by which the region is known again when it is written.
    tags = {tag: wanted.tags[tag] for tag in (*ORIGIN_TAGS, MASK_TAG, AUTOMATIC_TAG) if tag in wanted.tags}
    return replace(by_name, color=wanted.color, terminology=terminology, tags=tags)


def _check_apart(structures: Sequence[Structure]) -> None:
    names = [one.segment.name for one in structures]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two regions are called '{twice}'; expected names of their own, so rename one")


def _region(structure: Structure, name: str, volume: Volume) -> Region:
    called = replace(structure, segment=replace(structure.segment, name=name))
    edit = edit_of(called, volume)
    slices = int(structure.mask.any(axis=(1, 2)).sum())
    return Region(
        name,
        algorithm=structure.algorithm,
        slices=slices,
        figures=region_figures(called, volume, edit),
        edit=edit,
    )
