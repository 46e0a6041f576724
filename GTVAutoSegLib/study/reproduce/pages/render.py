"""A table as CSV and Markdown, the paper's figures beside ours."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from ....evaluation.statistics import Difference, Summary
from ....system.csv_text import to_csv
from .. import paper
from ..parts import Setup
from ..systems import Table
from .tables import METRICS, Row, scores_of

NOTHING = "–"  # noqa: RUF001 - an en dash, as tables have it
UNDEFINED = "undefined"
MILLION, GIGA = 1e6, 1e9


def rows_csv(rows: Sequence[Row]) -> str:
    """One line a system, unrounded as far as a reader could use it; what is undefined or unknown stays empty."""
    return to_csv([_csv_header(), *map(_csv_row, rows)])


def to_markdown(table: Table, rows: Sequence[Row], caption: str) -> str:
    """The table for people; table 3 is a grid."""
    body = _grid(rows) if table.name == "table3" else _list(rows)
    failures = [f"- {row.system.name}: {row.failure}" for row in rows if row.failure]
    parts = [f"## {table.title} (as the paper's table {table.name.removeprefix('table')})", caption, body]
    if failures:
        parts.append("Not complete:\n\n" + "\n".join(failures))
    return "\n\n".join(parts) + "\n"


def to_json(table: Table, setup: Setup, command: str) -> str:
    """Figures of every case of every system, from which the table can be made again."""
    systems = {system.name: scores_of(system, setup) for system in table.systems}
    return json.dumps({"command": command, "test": setup.test, "systems": systems}, indent=1, allow_nan=False) + "\n"


def _csv_header() -> list[str]:
    header = ["system", "structure", "folds", "failure"]
    for metric in METRICS:
        header += [f"{metric}_{name}" for name in ("mean", "std_folds", "std_cases", "undefined", "total")]
        header += [f"{metric}_minus_hcf", *(f"{metric}_minus_hcf_{name}" for name in ("low", "high", "p", "cases"))]
    header += ["slice_recall", "slice_precision", "slice_recall_at_half", "slice_precision_at_half"]
    header += ["parameters", "multiply_adds", "training_seconds", "case_seconds"]
    published = [(site, metric, name) for site in paper.SITES for metric in METRICS for name in ("mean", "std")]
    return header + [f"paper_{site}_{metric}_{name}" for site, metric, name in published]


def _csv_row(row: Row) -> list[str]:
    cells = [row.system.name, row.system.structure, str(len(row.folds)), row.failure]
    for metric in METRICS:
        figure, difference = row.figures.get(metric), row.differences.get(metric)
        values: list[float | int] = [math.nan] * 10
        if figure is not None:
            values[:5] = [figure.mean, figure.std, figure.std_cases, figure.undefined, figure.total]
        if difference is not None:
            values[5:] = [difference.mean, difference.low, difference.high, difference.p, difference.cases]
        cells += map(_number, values)
    slices = [] if row.slices is None else [value for one in row.slices for value in (one.recall, one.precision)]
    cells += map(_number, slices or [math.nan] * 4)
    cost = row.cost
    adds = math.nan if cost is None or cost.multiply_adds is None else cost.multiply_adds
    costs = [math.nan] * 4 if cost is None else [cost.parameters, adds, cost.training_seconds, cost.case_seconds]
    cells += map(_number, costs)
    for site in range(len(paper.SITES)):
        published = row.system.paper[site] if row.system.paper else ()
        for place in range(len(METRICS)):
            cells += map(_number, published[place] if place < len(published) else (math.nan, math.nan))
    return cells


def _list(rows: Sequence[Row]) -> str:
    headings = ["System", *(heading for heading, _, _ in METRICS.values())]
    headings += ["DSC − HCF [95 % CI]", "p", "Params M", "GMACs/slice", "Training min", "s/case"]  # noqa: RUF001
    headings += [f"Paper, {site}: DSC %, HD95 mm" for site in paper.SITES]
    lines = [_line(headings), "|---|" + "---:|" * (len(headings) - 1)]
    return "\n".join([*lines, *(_line(_cells(row)) for row in rows)])


def _cells(row: Row) -> list[str]:
    if not row.figures:
        return [row.system.name, *[NOTHING] * (len(METRICS) + 6), *_published(row)]
    figures = [_figure(row.figures[metric], factor, places) for metric, (_, factor, places) in METRICS.items()]
    cost = row.cost
    assert cost is not None  # noqa: S101 - with figures there are costs
    adds = NOTHING if cost.multiply_adds is None else f"{cost.multiply_adds / GIGA:.3g}"
    costs = [f"{cost.parameters / MILLION:.3g}", adds, f"{cost.training_seconds / 60:.1f}", f"{cost.case_seconds:.2g}"]
    return [row.system.name, *figures, *_difference(row.differences.get("dsc")), *costs, *_published(row)]


def _figure(figure: Summary, factor: float, places: int) -> str:
    if math.isnan(figure.mean):
        return UNDEFINED
    spread = "" if math.isnan(figure.std) else f" ± {factor * figure.std:.{places}f}"
    missing = f" ({figure.undefined} of {figure.total} undefined)" if figure.undefined else ""
    return f"{factor * figure.mean:.{places}f}{spread}{missing}"


def _difference(difference: Difference | None) -> list[str]:
    if difference is None or (difference.mean == 0 and difference.low == 0 == difference.high):
        return [NOTHING, NOTHING]
    if math.isnan(difference.low):
        return [f"{100 * difference.mean:+.1f}", NOTHING]
    interval = f"[{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    return [f"{100 * difference.mean:+.1f} {interval}", "< 0.001" if difference.p < 0.001 else f"{difference.p:.3f}"]


def _published(row: Row) -> list[str]:
    if not row.system.paper:
        return [NOTHING] * len(paper.SITES)
    return [", ".join(f"{mean} ± {std}" for mean, std in figures[:2]) for figures in row.system.paper]


def _grid(rows: Sequence[Row]) -> str:
    """Mean DSC, a line a classifier's ratio and a column a segmenter's."""
    columns = [f"θ{ratio}" for ratio in paper.SEGMENTER_RATIOS]
    lines = [_line(["Classifier", "Recall %", "Precision %", *(f"SANet {column}" for column in columns)])]
    lines.append("|---|" + "---:|" * (len(columns) + 2))
    width = len(columns)
    for start in range(0, len(rows), width):
        cells = rows[start : start + width]
        classifier = cells[0].system.classifier
        slices = next((row.slices[1] for row in cells if row.slices is not None), None)
        scores = [NOTHING] * 2 if slices is None else [_percent(slices.recall), _percent(slices.precision)]
        name = "none" if classifier is None else f"θ{classifier.theta}"
        dsc = [_figure(row.figures["dsc"], 100, 1) if row.figures else NOTHING for row in cells]
        lines.append(_line([name, *scores, *dsc]))
    return "\n".join([*lines, *_published_grid()])


def _published_grid() -> list[str]:
    lines = []
    for site, grid in paper.TABLE3.items():
        for ratio, (recall, values) in grid.items():
            lines.append(_line([f"paper, {site}, θ{ratio}", str(recall), NOTHING, *map(str, values)]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _percent(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{100 * value:.1f}"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
