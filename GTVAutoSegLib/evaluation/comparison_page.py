"""The page of a comparison of two models: what is shown, why it may flatter, and every case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from .. import __version__
from ..report.charts import sheet
from ..report.pages import RESEARCH_ONLY, UNDEFINED, Number, badge, number, page, paragraphs, table
from ..report.points import SIZE, Level, Point, point_chart
from .comparison import NEW, OLD, Pair, Side
from .verdict import BETTER, FIGURES, WORSE, Figure, Verdict

BADGES = {BETTER: "done", WORSE: "failed"}


def comparison_page(verdict: Verdict, pairs: Sequence[Pair], sides: Mapping[str, Side], dataset: str) -> str:
    """HTML, whole and self-contained.

    Args:
        verdict: of `verdict.judge`.
        pairs: of all cases.
        sides: by `OLD` and `NEW`.
        dataset: name.
    """
    old, new = sides[OLD], sides[NEW]
    parts = [
        "<h1>New model and present model on the same cases</h1>",
        *paragraphs([RESEARCH_ONLY], "notice"),
        f"<p>{badge(BADGES.get(verdict.verdict, 'not-done'), verdict.verdict)} {escape(verdict.sentence)}</p>",
        *paragraphs(verdict.remarks, "warning"),
        "<h2>Models</h2>",
        table([(key, side.name, side.given) for key, side in sides.items()], ["", "model", "given as"]),
        "<h2>Means</h2>",
        table(
            [_mean(name, figure) for name, figure in verdict.figures.items()],
            ["figure", "old", "new", "difference", "95 % interval", "cases"],
        ),
        "<h2>Every case</h2>",
        sheet([_chart(pairs, verdict.figures["dsc"])], columns=1, size=SIZE),
        _cases(pairs, verdict),
        f'<p class="small">Data set {escape(dataset)}; where a side is a training run, each case by networks that were '
        "not trained on it. HD95: the larger of the two directed 95th percentiles of the surface distances, undefined "
        "where an outline is empty. Added path length: how much of the label a person would have to draw anew. "
        f"Interval: paired bootstrap over patients. GTVAutoSeg {__version__}.</p>",
    ]
    return page(f"Comparison: {new.name} and {old.name}", parts)


def _mean(name: str, figure: Figure) -> list[object]:
    title, decimals = FIGURES[name]
    found = figure.difference
    ends = f"{found.low:+.{decimals}f} to {found.high:+.{decimals}f}"
    interval = UNDEFINED if math.isnan(found.low) else ends
    numbers = (number(figure.old, decimals), number(figure.new, decimals), number(found.mean, decimals, sign="+"))
    return [title, *numbers, Number(interval), found.cases]


def _cases(pairs: Sequence[Pair], verdict: Verdict) -> str:
    """From the one that got worst to the one that got best; who has learned from a case where anybody has."""
    rows = [_case(pair, verdict) for pair in sorted(pairs, key=_gain)]
    figures = (f"{title}, {key}" for title, _ in FIGURES.values() for key in (OLD, NEW))
    head = ["case", *figures, "DSC difference", "learned by"]
    if not any(row[-1] for row in rows):
        rows, head = [row[:-1] for row in rows], head[:-1]
    return table(rows, head)


def _case(pair: Pair, verdict: Verdict) -> list[object]:
    numbers = [
        number(float(getattr(side, name)), decimals)
        for name, (_, decimals) in FIGURES.items()
        for side in (pair.old, pair.new)
    ]
    return [pair.case, *numbers, number(_gain(pair), 3, sign="+"), ", ".join(verdict.learned_by(pair.case))]


def _gain(pair: Pair) -> float:
    return pair.new.dsc - pair.old.dsc


def _chart(pairs: Sequence[Pair], dsc: Figure) -> str:
    found = dsc.difference
    band = None if math.isnan(found.low) else (found.low, found.high)
    worst = min(pairs, key=_gain)
    points = [Point(pair.old.dsc, _gain(pair), pair.case if pair is worst else "") for pair in pairs]
    levels = [
        Level(0.0, "as good"),
        Level(found.mean, "mean" if band is None else "mean, with its 95 % interval", dashed=True, band=band),
    ]
    return point_chart(
        "DSC of the new model minus that of the present one", points, levels, x="DSC of the present model"
    )
