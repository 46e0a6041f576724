"""Bland and Altman's plots of the volume, in mL and in percent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from ...report.charts import sheet
from ...report.points import Level, Point, point_chart
from .agreement import Agreement, Estimate, agreement
from .figures import CaseFigures

SIZE = (640, 280)
TITLE = "Outline minus reference"
UNITS: dict[str, Callable[[CaseFigures], float | None]] = {
    "mL": lambda one: one.difference_ml,
    "%": lambda one: one.difference_percent,
}


def volume_charts(tumours: Sequence[CaseFigures]) -> list[str]:
    """A plot and a sentence for each unit, as HTML; of one case alone without limits of agreement."""
    parts = []
    for unit, difference in UNITS.items():
        found = agreement(difference(one) for one in tumours)
        points = [
            Point((one.volume_ml + one.reference_ml) / 2, value, one.case, marked=one.missed)
            for one in tumours
            if (value := difference(one)) is not None
        ]
        levels = [] if found is None else _levels(found, unit)
        chart = point_chart(TITLE, points, levels, x="mean of both volumes, mL", y=unit, log_x=True, size=SIZE)
        figure = sheet([chart], columns=1, size=SIZE)
        parts.append(f"<figure>{figure}<figcaption>{escape(_sentence(found, unit))}</figcaption></figure>")
    return parts


def _levels(found: Agreement, unit: str) -> list[Level]:
    named = (("bias", found.bias, False), ("+1.96 SD", found.upper, True), ("-1.96 SD", found.lower, True))
    return [
        Level(one.value, f"{name} {one.value:.1f} {unit}", dashed=dashed, band=(one.low, one.high))
        for name, one, dashed in named
    ]


def _sentence(found: Agreement | None, unit: str) -> str:
    if found is None:
        return "One case has no limits of agreement: they need at least two, and mean little with fewer than twenty."
    return (
        f"Bias {_with_interval(found.bias)} {unit}; limits of agreement {_with_interval(found.lower)} and "
        f"{_with_interval(found.upper)} {unit}; {found.cases} tumours"
        f"{', too few for narrow intervals' if found.cases < 20 else ''}. Bars: 95 % intervals."
    )


def _with_interval(one: Estimate) -> str:
    return f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f})"
