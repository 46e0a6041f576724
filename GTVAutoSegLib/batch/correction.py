"""A mask that a person corrected: structure set, report and figures follow it, and what the model made is kept.

What the person saved is never written to. The files that follow it are marked SEMIAUTOMATIC; those of the model go to
the folder ``automatic`` within the case's. ``result.json`` is written last, so a run that is killed begins anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cascade.result import describe_segment
from ..errors import InputError
from ..images.dicom.rtstruct import read_structure_set, roi_mask
from ..images.dicom.structures.writer import write_rtstruct
from ..images.masks.files import read_structures
from ..images.masks.packed import unpack
from ..images.masks.structure import Structure, mask_sha256
from ..images.masks.terms import describe as describe_name
from ..images.placement import extent_mm, tumour_slices
from ..images.write import mask_format, write_structure
from ..report.case_record import CaseRecord, Correction
from ..report.measures import measure
from ..report.record.approval import lapsed
from ..report.record.audit import now
from ..report.record.edits import describe_edit, measure_edit
from ..system.files import whole_file
from .case import Outcome, failure, read_case, write_report
from .earlier import NOT_FOLLOWED, Earlier, keep_approved
from .plan import AUTOMATIC, REPORT, Plan

if TYPE_CHECKING:
    from ..images.volume import Volume
    from ..model.bundle import Bundle

RTSTRUCT = ".dcm"


def correct(plan: Plan, earlier: Earlier, bundle: Bundle) -> Outcome:
    """Let the files of a case follow the mask that a person corrected.

    Args:
        plan: of the case.
        earlier: what lies in its folder, with masks that were changed.
        bundle: the model, for name and colour.

    Returns:
        What was done. Where it could not be done everything stays as it is, and the outcome has a warning.
    """
    try:
        record = _correct(plan, earlier, bundle)
    except Exception as error:
        said = failure(plan, error)
        names = ", ".join(earlier.changed_masks)
        warning = f"{names} cannot be followed: {said.text}. {NOT_FOLLOWED}"
        return Outcome(plan.case.name, f"{names}: kept as it is", (warning,), details=said.details)
    fix, former = record.correction, earlier.record.approval if earlier.record else None
    warnings = (lapsed(former, plan.case.name),) if former and record.approval is None else ()
    if fix is None:
        text = "saved anew by a person, and no voxel differs from the model's outline"
        return Outcome(plan.case.name, text, warnings)
    more = f"; further regions: {', '.join(fix.others)}" if fix.others else ""
    text = f"{fix.source} was {describe_edit(fix.edit)}{more}; report and other masks follow it"
    return Outcome(plan.case.name, text, warnings)


def _correct(plan: Plan, earlier: Earlier, bundle: Bundle) -> CaseRecord:
    record = earlier.record
    assert record is not None  # noqa: S101 - it has changed masks
    volume = read_case(plan, new=False)
    before = _automatic(plan, earlier, record, volume)
    own, others, source = _corrected(plan, earlier, record, volume)
    sha256 = mask_sha256(own.mask)
    edited = sha256 != record.result.mask_sha256
    approval = record.approval
    if approval is not None and (approval.mask_sha256 != sha256 or others):
        approval = None
    own = replace(
        own,
        segment=describe_segment(bundle, record.result),
        algorithm="SEMIAUTOMATIC" if edited else "AUTOMATIC",
        contours=plan.settings.contours,
        review=approval.review if approval else None,
    )
    fix = None
    if edited or others:
        fix = Correction(
            found=now(),
            source=source,
            mask_sha256=sha256,
            edit=measure_edit(before, own.mask, volume),
            tumour_slices=tuple(np.flatnonzero(tumour_slices(own.mask, volume)).tolist()),
            extent_mm=tuple(extent_mm(own.mask, volume)),
            measures=measure(own.mask, volume),
            others=tuple(one.segment.name for one in others),
        )
    _keep_automatic(plan, earlier, record)
    record = replace(record, correction=fix, approval=approval)
    _write_masks(plan, earlier, volume, [own, *others])
    return write_report(
        plan,
        record=record,
        mask=own.mask,
        volume=volume,
        window=bundle.info.preprocessing.window,
        before=before if fix else None,
        page=REPORT not in earlier.changed,
    )


def _automatic(plan: Plan, earlier: Earlier, record: CaseRecord, volume: Volume) -> np.ndarray:
    """The mask as the model made it: from the record, or from a file that nobody has changed."""
    found = []
    if record.automatic:
        with suppress(ValueError):  # changed by hand
            found.append(unpack(record.automatic))
    elif record.correction is None:
        untouched = [path for path in plan.masks if path.name not in earlier.changed and path.is_file()]
        found += [one[0].mask for path in untouched if (one := _read(path, volume))]
    for mask in found:
        if mask.shape == volume.array.shape and mask_sha256(mask) == record.result.mask_sha256:
            return mask
    raise InputError(
        f"{plan.folder} no longer holds the outline as the model made it, to which the correction is to be compared; "
        "do the case again in another folder"
    )


def _corrected(
    plan: Plan, earlier: Earlier, record: CaseRecord, volume: Volume
) -> tuple[Structure, list[Structure], str]:
    """The region of the model as a person left it, further regions of the same file, and its name."""
    changed = [path for path in plan.masks if path.name in earlier.changed_masks]
    read = {path: _read(path, volume) for path in changed}
    unreadable = [path.name for path, structures in read.items() if not structures]
    if unreadable:
        raise InputError(f"{', '.join(unreadable)} cannot be read back; correct a .seg.nrrd or an image file instead")
    own = {path: _own(path, structures, record.result.roi) for path, structures in read.items()}
    first = changed[0]
    for path in changed[1:]:
        if not np.array_equal(own[path].mask > 0, own[first].mask > 0):
            raise InputError(
                f"{first.name} and {path.name} were both changed and differ from each other; expected one corrected "
                "mask, so take the other one away"
            )
    most = max(changed, key=lambda path: len(read[path]))
    others = [one for one in read[most] if one is not own[most] and one.mask.any()]
    return own[most], [replace(one, contours=plan.settings.contours) for one in others], most.name


def _read(path: Path, volume: Volume) -> list[Structure]:
    """The regions of a mask's file; [] for a format that is written only."""
    suffix, kind = mask_format(path)
    if suffix == RTSTRUCT:
        rois = read_structure_set(path).rois
        named = [(roi, describe_name(roi.name, number=number)) for number, roi in enumerate(rois)]
        return [Structure(roi_mask([roi], volume)[0], info, "") for roi, info in named]
    if kind.needs_dicom:
        return []
    return read_structures(path, volume, empty=True)


def _own(path: Path, structures: Sequence[Structure], roi: str) -> Structure:
    """The region of the model among those of a file."""
    if len(structures) == 1:
        return structures[0]
    named = [one for one in structures if one.segment.name == roi]
    if len(named) != 1:
        names = ", ".join(one.segment.name for one in structures)
        raise InputError(f"{path.name} has the regions {names}; expected one called {roi}, so rename the corrected one")
    return named[0]


def _keep_automatic(plan: Plan, earlier: Earlier, record: CaseRecord) -> None:
    """Copy what the model made into a folder of its own, unless it is there already."""
    if record.correction is not None:
        return
    folder = plan.folder / AUTOMATIC
    folder.mkdir(exist_ok=True)
    for name in record.files:
        path = plan.folder / name
        if path.is_file() and name not in earlier.changed and not (folder / name).exists():
            with whole_file(folder / name) as temporary:
                shutil.copyfile(path, temporary)


def _write_masks(plan: Plan, earlier: Earlier, volume: Volume, structures: Sequence[Structure]) -> None:
    """Write the masks that follow a correction; what the person saved is left alone."""
    for path in plan.masks:
        if path.name in earlier.changed:
            continue
        if mask_format(path)[0] == RTSTRUCT:
            if keep_approved(path):  # what a person has approved is not changed
                path.unlink()
            write_rtstruct(structures, volume, path)
        else:
            write_structure(structures[0], volume, path)
