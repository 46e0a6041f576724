"""A person's approval of a case put into its record, its report and its structure set.

The structure set becomes a new object with the same contours: one that was sent before says UNAPPROVED.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..images.dicom.structures.writer import approve_set
from ..images.write import FORMATS
from ..report.case_record import CaseRecord
from ..report.case_report import with_approval
from ..report.record.approval import Approval, approval_of_file, approve, lapsed
from ..system.files import sha256_of, whole_file, write_json, write_text
from .earlier import record_beside, seal
from .plan import REPORT, RESULT

RTSTRUCT = ".dcm"


def check_case(folder: Path) -> CaseRecord:
    """The record of a case that can be approved.

    Raises:
        InputError: the folder holds no result, nothing was found, or a mask was changed since.
    """
    record = record_beside(folder / RESULT)
    if record is None:
        raise InputError(f"{folder} holds no {RESULT}; expected the folder of a batch's case")
    for name in record.sha256:
        if any(name.endswith(suffix) for suffix in FORMATS) and sha256_of(folder / name) != record.sha256[name]:
            raise InputError(
                f"{folder / name} was changed or taken away since report and figures were made; run batch --resume, "
                "look at the report of the correction, and approve then"
            )
    if not record.current.result.tumour_slices:
        raise InputError(f"{folder} has no outline ({record.current.result.reason}); there is nothing to approve")
    return record


def approve_case(folder: Path, reviewer: str) -> Approval:
    """Put a person's approval on a case; ``result.json`` is written last.

    Raises:
        InputError: as for `check_case`, or the name does not fit.
        DiskError: writing failed.
    """
    record = check_case(folder)
    approval = approve(reviewer, record.current.result.mask_sha256)
    record = replace(record, approval=approval)
    for name in record.files:
        path = folder / name
        if name.endswith(RTSTRUCT) and not name.endswith(".seg.dcm"):
            with whole_file(path) as temporary:
                approve_set(path, temporary, approval.review)
    page = folder / REPORT
    if page.is_file() and sha256_of(page) == record.sha256.get(REPORT):
        write_text(page, with_approval(page.read_text(encoding="utf-8"), approval))
    record = seal(record, [folder / name for name in record.files if (folder / name).is_file()])
    write_json(folder / RESULT, record.to_json())
    return approval


def approval_of(path: Path) -> tuple[Approval | None, str]:
    """The approval of a mask's file, from beside it or from its case; and a sentence when one no longer holds."""
    approval, said = approval_of_file(path)
    if approval is not None or said:
        return approval, said
    record = record_beside(path)
    if record is None or record.approval is None or path.name not in record.sha256:
        return None, ""
    if sha256_of(path) != record.sha256[path.name]:
        return None, lapsed(record.approval, path.name)
    return record.approval, ""
