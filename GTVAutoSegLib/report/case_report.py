"""The report of a case: what was found, where and by what, on one page that needs no other file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ..cascade.result import ResultRecord
from .axes import Axes
from .case_record import CaseRecord
from .charts import path, sheet
from .measures import Measures
from .pages import RESEARCH_ONLY, figure, page, paragraphs, small, table
from .pictures import AXIAL_MARKS, Picture
from .record.approval import Approval, taken_back

CURVE = (900, 210)
CHECK_FIRST = "To be checked before any use: see the warnings."
SIDES = (
    "Axial slices are seen from the feet. Letters are sides of the patient: R&nbsp;right, L&nbsp;left, A&nbsp;front, "
    "P&nbsp;back, S&nbsp;head, I&nbsp;feet. The outline is red."
)
AS_MADE = "All figures and pictures are of the outline as the model made it, not of one that was corrected since."
CORRECTED = (
    "All figures are of the outline as a person corrected it. In the pictures the correction is red, and blue what the "
    "model had drawn."
)
MOST_COLUMNS, SHORTEST_COLUMN = 3, 6
# Filled in on paper.
SIGNATURE = '<p class="sign">Checked and corrected by <span></span> on <span></span></p>'


def report_page(record: CaseRecord, overview: bytes, pictures: Sequence[Picture]) -> str:
    """The report as HTML."""
    record = record.current
    result, measures = record.result, record.measures
    parts = [
        f"<h1>{escape(result.roi)}: {escape(record.case)}</h1>",
        *paragraphs([RESEARCH_ONLY], "notice"),
        *paragraphs([f"No tumour found: {result.reason}."] if result.reason else [], "failed"),
        *paragraphs([CHECK_FIRST] if record.check else [], "notice"),
        *paragraphs([f"Warning: {text}." for text in result.warnings], "warning"),
        '<div class="top">',
        table(_figures(record)),
        figure(overview, _overview_caption(measures), AXIAL_MARKS),
        "</div>",
        *_edited(record),
        "<h2>Key slices</h2>",
        f"<p>{SIDES}</p>",
        '<div class="pictures">',
        *(figure(one.png, one.caption, one.marks) for one in pictures),
        "</div>",
        "<h2>Slice probability</h2>",
        _curve(result),
        _in_columns(_slices(record), ("slice", "probability", "area, cm²")),
        '<div class="together"><h2>Origin</h2>',
        table(_origin(record)),
        _signature(record.approval or record.withdrawn),
        "</div>",
    ]
    return page(f"{result.roi}: {record.case}", parts)


def signed(page_of_case: str, approval: Approval | None) -> str:
    """A report with an approval, or with its withdrawal, in the place of the signature or of an earlier approval."""
    return re.sub(r'<p class="sign">.*?</p>', lambda _: _signature(approval), page_of_case)


def _signature(approval: Approval | None) -> str:
    """A person's approval; room for a signature where there is none, or none any more."""
    if approval is None:
        return SIGNATURE
    if approval.withdrawn is not None:
        said = escape(taken_back(approval, "this outline"))
        return SIGNATURE.replace(">", f">{said[0].upper()}{said[1:]}. ", 1)
    text = f"Approved by {approval.reviewer} on {approval.at} (login {approval.login}), for the mask with the SHA-256"
    return f'<p class="sign">{escape(text)} <small>{escape(approval.mask_sha256)}</small></p>'


def _edited(record: CaseRecord) -> list[str]:
    """What a person changed, and on which slices."""
    fix = record.correction
    if fix is None:
        return paragraphs([AS_MADE], "small")
    edit = fix.edit
    lines = [
        ("Volume before and after", f"{edit.volume_before_ml:.2f} and {edit.volume_after_ml:.2f} mL"),
        ("DSC to the model's outline", f"{edit.dsc:.3f}"),
        ("Surface Dice, 2 mm", f"{edit.surface_dice_2mm:.3f}"),
        ("Added path length", f"{edit.added_path_length_mm:.0f} mm"),
        ("Slices changed", f"{len(edit.slices)}"),
        ("Corrected file", f"{fix.source}, found {fix.found}"),
        *([("Further regions", ", ".join(fix.others))] if fix.others else []),
    ]
    rows = [
        (str(one.slice), f"{one.added_ml:.3f}", f"{one.removed_ml:.3f}", f"{one.added_path_length_mm:.0f}")
        for one in edit.slices
    ]
    return [
        "<h2>Correction</h2>",
        *paragraphs([CORRECTED], "small"),
        table(lines),
        _in_columns(rows, ("slice", "added, mL", "removed, mL", "added path, mm")),
    ]


def _in_columns(rows: Sequence[Sequence[object]], head: Sequence[str]) -> str:
    """A long table of few columns as several beside each other, each with its head: a browser breaks off the head."""
    length = max(SHORTEST_COLUMN, -(-len(rows) // MOST_COLUMNS))
    parts = [rows[first : first + length] for first in range(0, len(rows), length)]
    return f'<div class="columns">{"".join(table(part, head) for part in parts)}</div>'


def figures(record: CaseRecord) -> list[tuple[str, str]]:
    """What was measured, as names and values with their units, for people; [] when nothing was found."""
    result, measures = record.result, record.measures
    if not measures:
        return []
    slices, hu = result.tumour_slices, measures.hu
    parts = ", ".join(f"{volume:.2f}" for volume in measures.components_ml)
    more = " ..." if measures.components > len(measures.components_ml) else ""
    return [
        ("Volume", f"{result.volume_ml:.2f} mL"),
        (
            "Extent",
            " x ".join(f"{length:.1f}" for length in result.extent_mm) + " mm (left-right, back-front, foot-head)",
        ),
        ("Largest diameter", f"{measures.diameter_mm:.1f} mm"),
        (
            "Largest axial diameter",
            f"{measures.axial_diameter_mm:.1f} mm, on slice {measures.axial_diameter_slice}",
        ),
        ("HU", f"mean {hu.mean:g}, standard deviation {hu.sd:g}"),
        ("", f"median {hu.median:g}, 5 to 95 %: {hu.p5:g} to {hu.p95:g}, all: {hu.min:g} to {hu.max:g}"),
        ("Separate parts", f"{measures.components} ({parts}{more} mL)"),
        ("To the border of the scan", f"{measures.border_mm:.1f} mm, towards the {measures.border_side}"),
        ("Slices", f"{len(slices)} of {len(result.slice_probability)}, from {slices[0]} to {slices[-1]}"),
    ]


def _figures(record: CaseRecord) -> list[tuple[str, str]]:
    result, found = record.result, figures(record)
    probabilities = [value for value in result.slice_probability if value is not None]
    if not found and probabilities:
        found = [("Volume", "0 mL"), ("Highest slice probability", f"{max(probabilities):.3f}")]
    return found


def _overview_caption(measures: Measures | None) -> str:
    if not measures:
        return "the middle slice"
    areas = measures.slice_area_cm2
    return f"slice {max(areas, key=lambda index: areas[index])}, the one with most tumour"


def _slices(record: CaseRecord) -> list[tuple[str, str, str]]:
    result, areas = record.result, record.measures.slice_area_cm2 if record.measures else {}
    rows = []
    for index in sorted({*result.picked_slices, *result.tumour_slices}):
        probability = result.slice_probability[index]
        text = "" if probability is None else f"{probability:.3f}"
        rows.append((str(index), text, f"{areas.get(str(index), 0):.2f}"))
    return rows


def _origin(record: CaseRecord) -> list[tuple[str, object]]:
    result = record.result
    given, model = result.input, result.model
    size = " x ".join(str(side) for side in given.size)
    spacing = " x ".join(f"{step:.4g}" for step in given.spacing_mm)
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    return [
        ("CT", f"{given.source}, {size} voxels of {spacing} mm"),
        ("Model", f"{model.id}, version {model.version}"),
        ("Model's SHA-256", small(model.digest)),
        ("Slice threshold", f"{result.threshold:g}"),
        (
            "Run",
            f"{record.finished}, {result.timings['total']:.1f} s on {result.device} in {result.precision}",
        ),
        ("Versions", versions),
    ]


def _curve(result: ResultRecord) -> str:
    """Slice probability over the slices as SVG, with the threshold and what was picked."""
    values = result.slice_probability
    axes = Axes((-0.5, len(values) - 0.5), (0.0, 1.0), CURVE)
    corners = [(axes.at((index - 0.5, 1.0)), axes.at((index + 0.5, 0.0))) for index in result.picked_slices]
    bars = "".join(f"M{x:.2f} {y:.2f}H{right:.2f}V{bottom:.2f}H{x:.2f}" for (x, y), (right, bottom) in corners)
    # A step as wide as the slice; a gap where the classifier was not asked.
    ends = [(index + side, value) for index, value in enumerate(values) for side in (-0.5, 0.5)]
    line = path([None if value is None else axes.at((x, value)) for x, value in ends])
    limit = path([axes.at((x, result.threshold)) for x in axes.x])
    parts = [
        f'<path d="{bars}" fill="#f6c9c9" shape-rendering="crispEdges"/>',
        *axes.frame(
            f"Slice probability; shaded: picked; dashed: threshold {result.threshold:.2f}",
            "slice",
            axes.whole_x_ticks(),
        ),
        f'<path d="{limit}" stroke="#1c1c1c" stroke-dasharray="5 4"/>',
        f'<path d="{line}" stroke="#b00020" stroke-width="1.6" fill="none"/>',
    ]
    return sheet(["".join(parts)], columns=1, size=CURVE)
