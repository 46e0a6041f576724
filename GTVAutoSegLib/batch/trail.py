"""What a batch writes into the audit trail of its folder; names of cases and hashes, no patient's name."""

from __future__ import annotations

from ..report.record.audit import AUDIT, EDIT, LAPSE, RUN, append
from .earlier import Earlier, read_record
from .plan import Plan


def note_run(plan: Plan) -> None:
    """Add that a case was segmented."""
    record = read_record(plan)
    if record is None:
        return
    result = record.result
    details = {
        "case": plan.case.name,
        "model": result.model.id,
        "digest": result.model.digest,
        "threshold": result.threshold,
        "mask_sha256": result.mask_sha256,
        "files": record.sha256,
    }
    append(plan.folder.parent / AUDIT, RUN, details)


def note_edit(plan: Plan, earlier: Earlier) -> None:
    """Add that the files of a case followed a correction, and that its approval has lapsed with it."""
    record, before = read_record(plan), earlier.record
    if record is None or before is None or record == before:
        return
    trail, current = plan.folder.parent / AUDIT, record.current.result
    fix = record.correction
    details = {
        "case": plan.case.name,
        "source": fix.source if fix else ", ".join(earlier.changed_masks),
        "mask_sha256": current.mask_sha256,
        "mask_sha256_before": before.current.result.mask_sha256,
        "added_path_length_mm": fix.edit.added_path_length_mm if fix else 0.0,
        "files": record.sha256,
    }
    append(trail, EDIT, details)
    if before.approval is not None and record.approval is None:
        append(trail, LAPSE, {"case": plan.case.name, "reviewer": before.approval.reviewer})
