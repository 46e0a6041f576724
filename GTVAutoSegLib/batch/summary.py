"""The summary of a batch: ``summary.csv`` for programs, ``summary.html`` for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..model.bundle import Bundle
from ..report.pages import RESEARCH_ONLY, Html, Number, badge, number, page, paragraphs, table
from ..report.record.approval import taken_back
from ..report.record.edits import describe_edit
from ..system.csv_text import to_csv
from ..system.files import write_text
from ..system.names import counted
from .cohort import Skipped
from .earlier import look
from .plan import REPORT, THUMBNAIL, Plan

CSV, HTML = "summary.csv", "summary.html"
FAILED, CHECK, CHANGED, NOT_DONE, DONE = "failed", "check", "changed", "not done", "done"
# What a case can be, in the order of the page: what needs a person first.
MEANING = {
    FAILED: "no result",
    CHECK: "look at these before any use: the notes say why",
    CHANGED: "a person corrected these since: the files are kept as they are",
    NOT_DONE: "run again with --resume",
    DONE: "every outline has to be checked all the same",
}
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
# What the page shows of an outline, by its heading.
FIGURES: dict[str, Callable[[Row], object]] = {
    "volume, mL": lambda row: number(row["volume_ml"], 2),
    "slices": lambda row: Number(f"{row['slices']} ({row['first_slice']} to {row['last_slice']})"),
    "extent, mm": lambda row: Number(" x ".join(f"{row[f'extent_{axis}_mm']:.0f}" for axis in "xyz")),
    "largest diameter, mm": lambda row: number(row["diameter_mm"], 1),
    "within a slice, mm": lambda row: number(row["axial_diameter_mm"], 1),
    "HU": lambda row: Number(f"{row['hu_mean']:g} ± {row['hu_sd']:g}"),
    "parts": lambda row: row["components"],
    "to the border, mm": lambda row: number(row["border_mm"], 0),
}


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
    approved = f"approved by {record.approval}" if record.approval else ""
    notes = [
        f"{fix.source} was {describe_edit(fix.edit)}" if fix else "",
        approved or (taken_back(record.withdrawn, name) if record.withdrawn else ""),
        earlier.kept,
        BROKEN_OFF if record.pending else "",
        *result.warnings,
    ]
    row |= {
        "status": CHANGED if fix else CHECK if record.check_first else DONE,
        "volume_ml": round(result.volume_ml, 4),
        "slices": len(slices),
        "reason": result.reason,
        "warnings": "; ".join(text for text in notes if text not in ("", approved)),
        "notes": [text for text in notes if text],  # for the page, one by one
        "seconds": result.timings["total"],
        "model": result.model.id,
        "model_version": result.model.version,
    }
    if record.approval is not None:
        row |= {"approved_by": record.approval.reviewer, "approved_at": record.approval.at}
    if fix:
        row |= {
            "volume_before_ml": fix.edit.volume_before_ml,
            "edit_dsc": fix.edit.dsc,
            "edit_surface_dice_2mm": fix.edit.surface_dice_2mm,
            "added_path_length_mm": fix.edit.added_path_length_mm,
            "slices_changed": len(fix.edit.slices),
        }
    if measures:
        row |= {"first_slice": slices[0], "last_slice": slices[-1]}
        row |= {f"extent_{axis}_mm": round(length, 2) for axis, length in zip("xyz", result.extent_mm)}
        row |= {"diameter_mm": measures.diameter_mm, "axial_diameter_mm": measures.axial_diameter_mm}
        row |= {"components": measures.components, "border_mm": measures.border_mm}
        row |= {"hu_mean": measures.hu.mean, "hu_sd": measures.hu.sd}
    return row


def _page(rows: Sequence[Row], skipped: Sequence[Skipped], bundle: Bundle) -> str:
    by_status = {status: [row for row in rows if row["status"] == status] for status in MEANING}
    badges = " ".join(badge(status, f"{len(found)} {status}") for status, found in by_status.items() if found)
    info = bundle.info
    title = f"{info.task.roi}: {counted(len(rows), 'case')}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        *paragraphs([RESEARCH_ONLY], "notice"),
        f'<p class="counts">{badges}</p>',
        f"<p>Model {escape(info.id)}, version {escape(info.version)}. "
        f"Written on {datetime.now().astimezone():%Y-%m-%d at %H:%M}.</p>",
    ]
    for status, found in by_status.items():
        if found:
            parts += [f"<h2>{badge(status, status)} {MEANING[status]}</h2>", *_section(status, found)]
    if skipped:
        parts += ["<h2>Left aside</h2>", table([(one.what, one.reason) for one in skipped], ("what", "why"))]
    return page(title, parts, width="80em")


def _section(status: str, rows: Sequence[Row]) -> list[str]:
    if status == FAILED:
        return [table([(row["case"], row["error"]) for row in rows], ("case", "why"))]
    if status == NOT_DONE:
        return paragraphs([", ".join(row["case"] for row in rows)], "small")
    followed = [_cells(row) for row in rows if "volume_ml" in row]
    others = [_changed_cells(row) for row in rows if "volume_ml" not in row]
    tables = [table(followed, ("", "case", *FIGURES, "notes"), "scroll results")] if followed else []
    return tables + ([table(others, ("case", "what", ""))] if others else [])


def _cells(row: Row) -> list[object]:
    name = row["case"]
    where = f"{quote(name)}/"
    # Linked, not included: with a thousand cases the page would take a browser minutes.
    shown = Html(f'<a href="{where}{REPORT}"><img src="{where}{THUMBNAIL}" alt="" width="128" loading="lazy"></a>')
    link = Html(f'<a href="{where}{REPORT}">{escape(name)}</a>')
    none = (row["volume_ml"], 0, *[""] * (len(FIGURES) - 2))
    return [shown, link, *(none if row["reason"] else (cell(row) for cell in FIGURES.values())), _notes(row)]


def _changed_cells(row: Row) -> list[object]:
    report = Html(f'<a href="{quote(row["case"])}/{REPORT}">report of the outline before</a>')
    return [row["case"], row["warnings"], report]


def _notes(row: Row) -> Html:
    texts = [f"No tumour found: {row['reason']}"] if row["reason"] else []
    return Html("".join(paragraphs([*texts, *row["notes"]], "warning small")))
