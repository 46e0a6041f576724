"""What a batch writes into the audit trail of its folder; names of cases and hashes, no patient's name."""

from __future__ import annotations

from typing import Any

from ..report.case_record import CaseRecord
from ..report.record.audit import AUDIT, EDIT, LAPSE, RUN, append
from ..report.record.figures import edit_figures, model_figures, run_figures
from .earlier import Earlier, read_record
from .plan import Plan


def case_figures(record: CaseRecord) -> dict[str, Any]:
    """What the model had proposed for a case, and what a person made of it."""
    fix, result = record.correction, record.result
    return {
        **model_figures(result.model),
        "scanner": result.input.scanner,
        "proposed_sha256": result.mask_sha256,
        **edit_figures(fix.edit if fix else None, result.volume_ml),
    }


def note_run(plan: Plan) -> None:
    """Add that a case was segmented."""
    record = read_record(plan)
    if record is None:
        return
    details = {"case": plan.case.name, **run_figures(record.result), "files": record.sha256}
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
        **case_figures(record),
        "files": record.sha256,
    }
    append(trail, EDIT, details)
    if before.approval is not None and record.approval is None:
        append(trail, LAPSE, {"case": plan.case.name, "reviewer": before.approval.reviewer})
