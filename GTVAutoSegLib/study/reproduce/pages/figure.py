"""The picture of a table: every case of every system, the folds' means, and the difference to HCF."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import paper
from ..systems import Table
from .tables import METRICS, Row

ROW_HEIGHT = 0.36
LINE = 190  # letters of the caption in one line
OURS, LUNG, NASOPHARYNX = "#1b5e8c", "#999999", "#d9a441"


def draw(table: Table, rows: Sequence[Row], caption: str) -> bytes:
    """Draw a table.

    Args:
        table: which.
        rows: its rows.
        caption: below the picture.

    Returns:
        PNG.
    """
    return _png(_heat_map(table, rows, caption) if table.name == "table3" else _intervals(table, rows, caption))


def _intervals(table: Table, rows: Sequence[Row], caption: str) -> Figure:
    figure = Figure(figsize=(12, 2.2 + ROW_HEIGHT * len(rows)), layout="constrained")
    figure.suptitle(table.title, x=0.01, ha="left")
    overlap, distance, difference = figure.subplots(1, 3, sharey=True)
    places = np.arange(len(rows))[::-1]
    for axes, metric in ((overlap, "dsc"), (distance, "hd95_mm")):
        heading, factor, _ = METRICS[metric]
        _means(axes, rows=rows, places=places, metric=metric, factor=factor)
        axes.set(title=heading, xlim=(0, 100 if metric == "dsc" else None))
    for place, row in zip(places, rows):
        found = row.differences.get("dsc")
        if found is not None:
            low, high = (100 * (0.0 if math.isnan(edge) else edge) for edge in (found.low, found.high))
            difference.plot([low, high], [place, place], color=OURS, linewidth=2)
            difference.plot(100 * found.mean, place, "o", color=OURS, markersize=5)
    difference.axvline(0, color="black", linewidth=0.8)
    difference.set(title="DSC − HCF, 95 % interval over cases")  # noqa: RUF001
    overlap.set_yticks(places, [row.system.name for row in rows])
    for axes in (overlap, distance, difference):
        axes.grid(axis="x", alpha=0.3)
    handles, labels = overlap.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=1, frameon=False, fontsize="small")
    _note(figure, caption)
    return figure


def _means(axes: Axes, rows: Sequence[Row], places: np.ndarray, metric: str, factor: float) -> None:
    column = list(METRICS).index(metric)
    for site, (name, color) in enumerate(zip(paper.SITES, (LUNG, NASOPHARYNX))):
        known = [(row.system.paper[site][column][0], place) for place, row in zip(places, rows) if row.system.paper]
        values, heights = zip(*known) if known else ((), ())
        axes.plot(
            values, heights, "|", color=color, markersize=9, markeredgewidth=2, label=f"paper, {name} (other data)"
        )
    ours = [(row.figures[metric], place) for place, row in zip(places, rows) if row.figures]
    axes.errorbar(
        [factor * figure.mean for figure, _ in ours],
        [place for _, place in ours],
        xerr=[0.0 if math.isnan(figure.std) else factor * figure.std for figure, _ in ours],
        fmt="o",
        color=OURS,
        markersize=5,
        label="ours, mean and standard deviation over folds",
    )


def _heat_map(table: Table, rows: Sequence[Row], caption: str) -> Figure:
    width = len(paper.SEGMENTER_RATIOS)
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    figure.suptitle(f"{table.title}: mean DSC %")
    ours = np.array([100 * row.figures["dsc"].mean if row.figures else math.nan for row in rows]).reshape(-1, width)
    names = [row.system.name.split(" + ")[0] for row in rows[::width]]
    grids = {"ours": (ours, names)}
    for site, grid in paper.TABLE3.items():
        grids[f"paper, {site} (other data)"] = (np.array([values for _, values in grid.values()]), list(grid))
    for axes, (title, (values, ratios)) in zip(figure.subplots(1, len(grids)), grids.items()):
        axes.imshow(values, cmap="viridis", aspect="auto")
        middle = (np.nanmin(values) + np.nanmax(values)) / 2 if np.isfinite(values).any() else 0
        for (y, x), value in np.ndenumerate(values):
            text = "–" if math.isnan(value) else f"{value:.1f}"  # noqa: RUF001
            axes.text(x, y, text, ha="center", va="center", color="white" if value < middle else "black")
        axes.set_xticks(range(width), [f"θ{ratio}" for ratio in paper.SEGMENTER_RATIOS])
        axes.set_yticks(range(len(ratios)), [ratio if ratio == "none" else f"θ{ratio}" for ratio in ratios])
        axes.set(title=title, xlabel="SANet", ylabel="classifier")
    _note(figure, caption)
    return figure


def _note(figure: Figure, caption: str) -> None:
    figure.supxlabel("\n".join(textwrap.wrap(caption, LINE)), fontsize="x-small")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
