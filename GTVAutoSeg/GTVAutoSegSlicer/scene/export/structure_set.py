"""From segments to a DICOM structure set that refers to the slices their CT was loaded from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from GTVAutoSegLib.errors import GTVAutoSegError, InputError
from GTVAutoSegLib.images.dicom.rtstruct_writer import check_name, check_target, make_rtstruct, save
from GTVAutoSegLib.images.dicom.source import read_source
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.masks.terms import describe, kind_of
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.report.record.edits import Edit
from GTVAutoSegLib.system.files import whole_file
from GTVAutoSegLib.system.tags import COMPLETION_TAG

from ...run.failures import Failure
from ..ownership import is_automatic, is_made_on, our_segments, reference_volume, tag, voxels_outside
from ..record.approval import approval_of
from ..record.figures import ct_figures, segment_figures
from ..segmentation import check_output, segment_info
from .candidates import Choice, candidates, is_ours
from .dicom_source import check_place, dicom_volume


@dataclass(frozen=True)
class Region:
    """A region that was written.

    Attributes:
        name: as it is called in the file.
        algorithm: AUTOMATIC; SEMIAUTOMATIC when a person changed or drew some of it; "" when no run made it.
        slices: how many of the CT's slices have contours.
        figures: of it for the audit trail, see `report.record.figures`.
        edit: what a person changed of the run's result; None where nothing, or where no run made it.
    """

    name: str
    algorithm: str
    slices: int
    figures: dict[str, Any]
    edit: Edit | None = None


@dataclass(frozen=True)
class Exported:
    """A structure set that was written.

    Attributes:
        path: the file.
        regions: what was put into it.
        base: the structure set that it continues, or None.
        approved: whether the file says that it is approved.
        ct: which CT it was, for the audit trail.
    """

    path: Path
    regions: tuple[Region, ...]
    base: Path | None = None
    approved: bool = False
    ct: dict[str, str] = field(default_factory=dict)

    @property
    def roi(self) -> str:
        """Name of the first region."""
        return self.regions[0].name

    @property
    def algorithm(self) -> str:
        """Algorithm of the first region."""
        return self.regions[0].algorithm

    @property
    def slices(self) -> int:
        """Slices of the first region."""
        return self.regions[0].slices


def export_structures(
    node: Any, path: Path, ct: Any = None, choices: Sequence[Choice] = (), base: Path | None = None
) -> Exported:
    """Write segments, as they are now, as a DICOM structure set.

    Args:
        node: vtkMRMLSegmentationNode.
        path: where to; a file already there is replaced, unless it was approved. It appears whole, and only when its
            contours, read back and filled, give every segment's voxels on the CT.
        ct: the CT, loaded from DICOM; None takes the one the segmentation was made for.
        choices: which segments; () takes the result of the last run of the only region.
        base: a structure set of this CT whose regions are kept beside the new ones; the file itself is left alone.

    Raises:
        Failure: nothing was written. Its code is "segment", "no-dicom" or "export": a segment, the CT's slices or
            a file is the reason.
    """
    with _failing_as("segment"):
        choices = choices or (_only_result(node),)
        ct = _ct_of(node, ct, choices)
        structures = [_structure(node, choice, ct) for choice in choices]
        _check_apart(structures)
    with _failing_as("no-dicom"):
        source = read_source(dicom_volume(ct), path)
    with _failing_as("export"):
        check_place(path, source.volume)
        check_target(path, base)
        data = make_rtstruct(structures, source, base)
        with whole_file(path) as temporary:
            save(data, temporary, structures, source)
    names = [str(item.ROIName) for item in data.StructureSetROISequence][-len(structures) :]
    regions = tuple(
        _region(node, choice, one, name, source.volume) for choice, one, name in zip(choices, structures, names)
    )
    return Exported(path, regions, base, approved=data.ApprovalStatus == "APPROVED", ct=ct_figures(ct))


@contextmanager
def _failing_as(code: str) -> Iterator[None]:
    """Turn the library's errors into failures with a code."""
    try:
        yield
    except GTVAutoSegError as error:
        raise Failure(code, str(error)) from error


def _only_result(node: Any) -> Choice:
    segments = our_segments(node) if node is not None else {}
    if not segments:
        raise InputError(
            "there is no segment made by GTVAutoSeg to export; expected one, so run Segment GTV first, or choose the "
            "segments with Export..."
        )
    if len(segments) > 1:
        raise InputError(
            f"'{node.GetName()}' has {len(segments)} segments made by GTVAutoSeg ({', '.join(segments)}), expected to "
            "be told which one to export; give its id"
        )
    return Choice(next(iter(segments.values())))


def _ct_of(node: Any, ct: Any, choices: Sequence[Choice]) -> Any:
    """The CT, after a check that all segments were drawn on it."""
    segmentation = node.GetSegmentation()
    for choice in choices:
        if segmentation.GetSegment(choice.segment_id) is None:
            known = ", ".join(one.segment_id for one in candidates(node))
            raise InputError(
                f"'{node.GetName()}' has no segment '{choice.segment_id}', expected one of: {known}; give its id"
            )
    ct = ct or reference_volume(node)
    if ct is None or ct.GetImageData() is None:
        raise InputError(f"the CT of '{node.GetName()}' is not in the scene; load it and select it as the CT")
    for choice in choices:
        if not is_made_on(node, choice.segment_id, ct):
            name = segmentation.GetSegment(choice.segment_id).GetName()
            raise InputError(
                f"the segment '{name}' was made on another CT than '{ct.GetName()}', expected its own, whose "
                "patient and slices go into the file; select that CT, or run on this one"
            )
    check_output(node, ct)
    return ct


def _structure(node: Any, choice: Choice, ct: Any) -> Structure:
    info = _described(segment_info(node, choice.segment_id), choice)
    check_name(info.name)
    approval = approval_of(node, choice.segment_id, ct)
    return Structure(
        _voxels(node, choice.segment_id, ct, info.name),
        info,
        _algorithm(node, choice.segment_id, ct),
        choice.kind or kind_of(info.terminology),
        review=approval.review if approval else None,
    )


def _described(info: SegmentInfo, choice: Choice) -> SegmentInfo:
    """The segment under the name and with the code that were chosen."""
    name = choice.name.strip() or info.name
    by_name = describe(name, choice.kind)
    own_kind = kind_of(info.terminology)
    # Slicer gives every drawn segment a code ("Tissue"); one of radiotherapy, or none, says more.
    keep = own_kind and choice.kind in ("", own_kind) and name == info.name
    return replace(info, name=name, terminology=info.terminology if keep else by_name.terminology)


def _algorithm(node: Any, segment_id: str, ct: Any) -> str:
    segment = node.GetSegmentation().GetSegment(segment_id)
    if not is_ours(segment) and not tag(segment, COMPLETION_TAG):
        return ""
    # As stored: an edit finer than the CT's voxels does not show in the mask.
    return "AUTOMATIC" if is_automatic(node, segment_id, ct) else "SEMIAUTOMATIC"


def _region(node: Any, choice: Choice, structure: Structure, name: str, volume: Volume) -> Region:
    called = replace(structure, segment=replace(structure.segment, name=name))
    figures, edit = segment_figures(node, choice.segment_id, volume, called)
    slices = int(structure.mask.any(axis=(1, 2)).sum())
    return Region(name, algorithm=structure.algorithm, slices=slices, figures=figures, edit=edit)


def _voxels(node: Any, segment_id: str, ct: Any, name: str) -> np.ndarray:
    """The segment on the CT's grid, uint8 (z, y, x), 0 or 1."""
    mask = (slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, ct) != 0).astype(np.uint8)
    if not mask.any():
        raise InputError(
            f"the segment '{name}' is empty on the CT; expected voxels to draw contours around, so draw some"
        )
    outside = voxels_outside(node, segment_id, ct)
    if outside:
        raise InputError(
            f"the segment '{name}' has {outside} voxels outside the CT '{ct.GetName()}', expected none: there is no "
            "slice to draw them on, so erase them or select the CT it was drawn on"
        )
    return mask


def _check_apart(structures: Sequence[Structure]) -> None:
    names = [one.segment.name for one in structures]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two regions are called '{twice}'; expected names of their own, so rename one")
