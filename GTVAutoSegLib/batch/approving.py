"""A person's approval of a case put into its record, its report and its structure set.

The structure set becomes a new object with the same contours: one that was sent before says UNAPPROVED.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..images.dicom.structures.writer import review_set
from ..images.masks.files import read_structures, voxels_of
from ..images.write import FORMATS
from ..report.case_record import CaseRecord
from ..report.case_report import signed
from ..report.record.approval import (
    Approval,
    approval_beside,
    approval_of_file,
    approval_of_tags,
    approve,
    lapsed,
    taken_back,
    withdraw_file,
)
from ..system.files import sha256_of, whole_file, write_json
from .earlier import keep_approved, record_beside, seal
from .plan import REPORT, RESULT

RTSTRUCT = ".dcm"


def check_case(folder: Path) -> CaseRecord:
    """The record of a case that can be approved.

    Raises:
        InputError: the folder holds no result, nothing was found, or a mask was changed since.
    """
    record = read_case_record(folder)
    for name in record.sha256:
        if any(name.endswith(suffix) for suffix in FORMATS) and not _as_left(record, folder / name):
            raise InputError(
                f"{folder / name} was changed or taken away since report and figures were made; run batch --resume, "
                "look at the report of the correction, and approve then"
            )
    if not record.current.result.tumour_slices:
        raise InputError(f"{folder} has no outline ({record.current.result.reason}); there is nothing to approve")
    return record


def read_case_record(folder: Path) -> CaseRecord:
    """The record of a case; raises InputError where there is none."""
    record = record_beside(folder / RESULT)
    if record is None:
        raise InputError(f"{folder} holds no {RESULT}; expected the folder of a batch's case")
    return record


def approve_case(folder: Path, reviewer: str) -> Approval:
    """Put a person's approval on a case; ``result.json`` is written last.

    Raises:
        InputError: as for `check_case`, or the name does not fit.
        DiskError: writing failed.
    """
    record = check_case(folder)
    approval = approve(reviewer, record.current.result.mask_sha256)
    after = replace(record, approval=approval, withdrawn=None)
    _put(folder, during=record, after=after, sets=_sets(folder, record))
    return approval


def withdraw_case(folder: Path, approval: Approval) -> None:
    """Take a case's approval back: in its record first, then in its structure set and report.

    The approved structure set is kept in the case's archive, for it may have been sent; what takes its place is another
    object that says UNAPPROVED. A run that was killed is finished by the same call.

    Args:
        folder: of the case.
        approval: with its withdrawal, see `report.record.approval.withdraw`.

    Raises:
        DiskError: writing failed; nothing is approved from then on.
    """
    record = read_case_record(folder)
    after = replace(record, approval=None, withdrawn=approval)
    sets = [path for path in _sets(folder, record) if _as_left(record, path) and keep_approved(path)]
    _put(folder, during=after, after=after, sets=sets)


def approval_to_withdraw(target: Path) -> Approval:
    """The approval of a case's folder or of a mask's file, whether it still holds, has lapsed or is withdrawn already.

    Raises:
        InputError: nobody has approved it, or it is approved with its case only.
    """
    if target.is_dir():
        record = read_case_record(target)
        found = record.approval or record.withdrawn
    else:
        try:
            found = approval_beside(target) or approval_in(target)
        except (OSError, ValueError) as error:
            raise InputError(
                f"the approval beside {target} cannot be read ({error}), and so counts for none; remove that file"
            ) from None
        case = record_beside(target)
        if found is None and case is not None and case.approval is not None and target.name in case.sha256:
            raise InputError(f"{target} was approved with its case; withdraw that of the folder {target.parent}")
    if found is None:
        raise InputError(f"nobody has approved {target}; expected an approval to withdraw")
    return found


def approval_in(path: Path) -> Approval | None:
    """The approval that a segment of a mask's file carries, as Slicer saves it; None for a file without one."""
    try:
        structures = read_structures(path, voxels_of(path)[0], empty=True)
    except InputError:
        return None
    return next((found for one in structures if (found := approval_of_tags(one.segment.tags))), None)


def withdraw_target(target: Path, approval: Approval) -> None:
    """Take an approval back, see `withdraw_case` and `report.record.approval.withdraw_file`."""
    if not target.is_dir():
        withdraw_file(target, approval)
        return
    for path in (target / name for name in read_case_record(target).files):
        with suppress(OSError, ValueError):
            beside = approval_beside(path)
            if beside is not None and beside.withdrawn is None:
                withdraw_file(path, replace(beside, withdrawn=approval.withdrawn))
    withdraw_case(target, approval)


def _put(folder: Path, *, during: CaseRecord, after: CaseRecord, sets: Sequence[Path]) -> None:
    """Replace structure sets and report, and say so in ``result.json`` before and after.

    A kill at any moment leaves files that the record knows: each as it was, or as it was to be.
    """
    during, after = _settled(folder, during), _settled(folder, after)
    review = after.approval.review if after.approval else None
    with ExitStack() as stack:
        made = {path: stack.enter_context(whole_file(path)) for path in sets}
        for path, temporary in made.items():
            review_set(path, temporary, review)
        report = folder / REPORT
        if _as_left(after, report):
            made[report] = stack.enter_context(whole_file(report))
            text = signed(report.read_text(encoding="utf-8"), after.approval or after.withdrawn)
            made[report].write_text(text, encoding="utf-8")
        pending = {path.name: sha256_of(temporary) for path, temporary in made.items()}
        write_json(folder / RESULT, replace(during, pending=pending).to_json())
    write_json(folder / RESULT, _settled(folder, replace(after, pending=pending)).to_json())


def _settled(folder: Path, record: CaseRecord) -> CaseRecord:
    """The record with the hashes of files that were replaced, and nothing pending; a person's files stay changed."""
    done = [folder / name for name, sha256 in record.pending.items() if sha256 == _sha256(folder / name)]
    sealed = seal(record, done)
    return replace(sealed, files={**record.files, **sealed.files}, sha256={**record.sha256, **sealed.sha256})


def _sets(folder: Path, record: CaseRecord) -> list[Path]:
    names = [name for name in record.files if name.endswith(RTSTRUCT) and not name.endswith(".seg.dcm")]
    return [folder / name for name in names if (folder / name).is_file()]


def _as_left(record: CaseRecord, path: Path) -> bool:
    """Whether a file is as the software left it; one that is gone is not."""
    return record.knows(path.name, _sha256(path))


def _sha256(path: Path) -> str:
    return sha256_of(path) if path.is_file() else ""


def approval_of(path: Path) -> tuple[Approval | None, str]:
    """The approval of a mask's file, from beside it or from its case; and a sentence when one no longer holds."""
    approval, said = approval_of_file(path)
    if approval is not None or said:
        return approval, said
    record = record_beside(path)
    if record is None or path.name not in record.sha256:
        return None, ""
    if record.approval is None:
        return None, taken_back(record.withdrawn, path.name) if record.withdrawn else ""
    if not _as_left(record, path):
        return None, lapsed(record.approval, path.name)
    return record.approval, ""
