"""The summary of a batch: ``summary.csv`` for programs, ``summary.html`` for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..model.bundle import Bundle
from ..report.pages import RESEARCH_ONLY, Html, Number, badge, page, paragraphs, table
from ..report.record.approval import taken_back
from ..report.record.edits import describe_edit
from ..system.csv_text import to_csv
from ..system.files import write_text
from .cohort import Skipped
from .earlier import look
from .plan import REPORT, THUMBNAIL, Plan

CSV, HTML = "summary.csv", "summary.html"
# What a case can be, in the order of the page: what needs a person first.
FAILED, CHECK, CHANGED, NOT_DONE, DONE = "failed", "check", "changed", "not done", "done"
STATES = (FAILED, CHECK, CHANGED, NOT_DONE, DONE)
BROKEN_OFF = "its approval, or the withdrawal of it, was broken off: give that command again"
COLUMNS = (
    "case",
    "status",
    "volume_ml",
    "slices",
    "first_slice",
    "last_slice",
    "extent_x_mm",
    "extent_y_mm",
    "extent_z_mm",
    "diameter_mm",
    "axial_diameter_mm",
    "components",
    "hu_mean",
    "hu_sd",
    "border_mm",
    "reason",
    "warnings",
    "error",
    "seconds",
    "model",
    "model_version",
    "series_uid",
    "volume_before_ml",
    "edit_dsc",
    "edit_surface_dice_2mm",
    "added_path_length_mm",
    "slices_changed",
    "approved_by",
    "approved_at",
)
Row = dict[str, Any]


def write_summary(
    output: Path, plans: Sequence[Plan], failures: Mapping[str, str], skipped: Sequence[Skipped], bundle: Bundle
) -> int:
    """Write both summaries from what lies in the cases' folders.

    Args:
        output: folder of the batch.
        plans: all cases of the input, done or not.
        failures: sentence by name of the case; may name cases that have no plan.
        skipped: what was left aside.
        bundle: the model.

    Returns:
        How many cases have up-to-date results.

    Raises:
        DiskError: writing failed.
    """
    rows = [_row(plan, failures) for plan in plans]
    known = {row["case"] for row in rows}
    rows += [{"case": name, "status": FAILED, "error": text} for name, text in failures.items() if name not in known]
    rows.sort(key=lambda row: row["case"])
    write_text(output / CSV, to_csv([COLUMNS, *([row.get(column, "") for column in COLUMNS] for row in rows)]))
    write_text(output / HTML, _page(rows, skipped, bundle))
    return sum(row["status"] in (DONE, CHECK, CHANGED) for row in rows)


def _row(plan: Plan, failures: Mapping[str, str]) -> Row:
    name = plan.case.name
    earlier = look(plan)
    record = earlier.record
    row: Row = {"case": name, "series_uid": plan.case.series}
    if record is None or earlier.todo:
        return row | {"status": FAILED if name in failures else NOT_DONE, "error": failures.get(name, "")}
    if earlier.uncorrected:  # no figures: they would be taken for those of the mask that lies there now
        return row | {"status": CHANGED, "warnings": earlier.kept, "notes": [earlier.kept]}
    fix, record = record.correction, record.current
    result, measures, slices = record.result, record.measures, record.result.tumour_slices
    notes = [*([earlier.kept] if earlier.kept else []), *([BROKEN_OFF] if record.pending else []), *result.warnings]
    row |= {
        "status": CHANGED if fix else CHECK if record.check_first else DONE,
        "volume_ml": round(result.volume_ml, 4),
        "slices": len(slices),
        "reason": result.reason,
        "warnings": "; ".join(notes),
        "notes": notes,  # for the page, one by one
        "seconds": result.timings["total"],
        "model": result.model.id,
        "model_version": result.model.version,
    }
    if record.approval is not None:
        row |= {"approved_by": record.approval.reviewer, "approved_at": record.approval.at}
        row["notes"] = [f"approved by {record.approval}", *row["notes"]]
    elif record.withdrawn is not None:
        row["notes"] = [taken_back(record.withdrawn, name), *row["notes"]]
        row["warnings"] = "; ".join(row["notes"])
    if fix:
        row |= {
            "volume_before_ml": fix.edit.volume_before_ml,
            "edit_dsc": fix.edit.dsc,
            "edit_surface_dice_2mm": fix.edit.surface_dice_2mm,
            "added_path_length_mm": fix.edit.added_path_length_mm,
            "slices_changed": len(fix.edit.slices),
        }
        row["notes"] = [f"{fix.source} was {describe_edit(fix.edit)}", *row["notes"]]
        row["warnings"] = "; ".join(row["notes"])
    if measures:
        row |= {"first_slice": slices[0], "last_slice": slices[-1]}
        row |= {f"extent_{axis}_mm": round(length, 2) for axis, length in zip("xyz", result.extent_mm)}
        row |= {"diameter_mm": measures.diameter_mm, "axial_diameter_mm": measures.axial_diameter_mm}
        row |= {"components": measures.components, "border_mm": measures.border_mm}
        row |= {"hu_mean": measures.hu.mean, "hu_sd": measures.hu.sd}
    return row


def _page(rows: Sequence[Row], skipped: Sequence[Skipped], bundle: Bundle) -> str:
    by_status = {status: [row for row in rows if row["status"] == status] for status in STATES}
    info = bundle.info
    parts = [
        f"<h1>{escape(info.task.roi)}: {len(rows)} cases</h1>",
        *paragraphs([RESEARCH_ONLY], "notice"),
        _counts({status: len(found) for status, found in by_status.items()}),
        f"<p>Model {escape(info.id)}, version {escape(info.version)}. "
        f"Written on {datetime.now().astimezone():%Y-%m-%d at %H:%M}.</p>",
    ]
    if by_status[FAILED]:
        lines = [(row["case"], row["error"]) for row in by_status[FAILED]]
        parts += [*_heading(FAILED, "no result"), table(lines, ("case", "why"))]
    if by_status[CHECK]:
        parts += _heading(CHECK, "look at these before any use: the notes say why")
        parts += _results(by_status[CHECK])
    if by_status[CHANGED]:
        followed = [row for row in by_status[CHANGED] if "volume_ml" in row]
        others = [row for row in by_status[CHANGED] if "volume_ml" not in row]
        parts += _heading(CHANGED, "a person corrected these since: the files are kept as they are")
        parts += _results(followed) if followed else []
        parts += [table([_changed_cells(row) for row in others], ("case", "what", ""))] if others else []
    if by_status[NOT_DONE]:
        parts += _heading(NOT_DONE, "run again with --resume")
        parts += paragraphs([", ".join(row["case"] for row in by_status[NOT_DONE])], "small")
    if by_status[DONE]:
        parts += [*_heading(DONE, "every outline has to be checked all the same"), *_results(by_status[DONE])]
    if skipped:
        listed = table([(one.what, one.reason) for one in skipped], ["what", "why"])
        parts += ["<h2>Left aside</h2>", listed]
    return page(f"{info.task.roi}: {len(rows)} cases", parts, width="80em")


def _counts(counts: dict[str, int]) -> str:
    badges = " ".join(badge(status, f"{count} {status}") for status, count in counts.items() if count)
    return f'<p class="counts">{badges}</p>'


def _heading(status: str, meaning: str) -> list[str]:
    return [f"<h2>{badge(status, status)} {meaning}</h2>"]


def _results(rows: Sequence[Row]) -> list[str]:
    head = (
        "",
        "case",
        "volume, mL",
        "slices",
        "extent, mm",
        "largest diameter, mm",
        "within a slice, mm",
        "HU",
        "parts",
        "to the border, mm",
        "notes",
    )
    return [table([_cells(row) for row in rows], head, "scroll results")]


def _cells(row: Row) -> list[object]:
    name = row["case"]
    where = f"{quote(name)}/"
    # Linked, not included: with a thousand cases the page would take a browser minutes.
    shown = Html(f'<a href="{where}{REPORT}"><img src="{where}{THUMBNAIL}" alt="" width="128" loading="lazy"></a>')
    link = Html(f'<a href="{where}{REPORT}">{escape(name)}</a>')
    if row["reason"]:
        return [shown, link, row["volume_ml"], 0, "", "", "", "", "", "", _notes(row)]
    return [
        shown,
        link,
        Number(f"{row['volume_ml']:.2f}"),
        Number(f"{row['slices']} ({row['first_slice']} to {row['last_slice']})"),
        Number(" x ".join(f"{row[f'extent_{axis}_mm']:.0f}" for axis in "xyz")),
        Number(f"{row['diameter_mm']:.1f}"),
        Number(f"{row['axial_diameter_mm']:.1f}"),
        Number(f"{row['hu_mean']:g} ± {row['hu_sd']:g}"),
        row["components"],
        Number(f"{row['border_mm']:.0f}"),
        _notes(row),
    ]


def _changed_cells(row: Row) -> list[object]:
    report = Html(f'<a href="{quote(row["case"])}/{REPORT}">report of the outline before</a>')
    return [row["case"], row["warnings"], report]


def _notes(row: Row) -> Html:
    texts = [f"No tumour found: {row['reason']}"] if row["reason"] else []
    return Html("".join(paragraphs([*texts, *row["notes"]], "warning small")))
