"""Control charts as SVG: weeks with centre line and limits, and below how far each lies from the one before."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from ..charts import sheet
from ..points import Level, Point, point_chart
from .drift import Chart
from .series import Phase, Week, week_name

SIZE, RANGE_SIZE = (760, 270), (760, 160)
MOST_TICKS = 8
DAYS = 7
STILL, JUDGED = 1, 0  # colours of the baseline and of what follows it


def control_charts(chart: Chart) -> list[str]:
    """An individuals chart, and one of moving ranges where there are any, each an SVG image."""
    weeks = [week for phase in chart.phases for week in phase.weeks]
    joined, marks = len(chart.phases) == 1, _ticks(weeks)

    def drawn(title: str, points: list[Point], levels: list[Level], size: tuple[int, int]) -> str:
        one = point_chart(title, points, levels, y=chart.measure.unit, joined=joined, x_ticks=marks, size=size)
        return sheet([one], columns=1, size=size)

    points = [point for phase in chart.phases for point in _points(phase)]
    levels = [level for phase in chart.phases for level in _levels(phase)]
    whole = drawn(f"{chart.measure.title.capitalize()}, mean of each week", points, levels, SIZE)
    ranges = [point for phase in chart.phases for point in _ranges(phase)]
    limits = [
        Level(phase.limits.range_limit, f"{phase.limits.range_limit:.3g}", dashed=True, span=_span(phase))
        for phase in chart.phases
        if phase.limits is not None
    ]
    moving = "Moving range: from one week to the next"
    return [whole, *([drawn(moving, ranges, [Level(0.0), *limits], RANGE_SIZE)] if ranges else [])]


def _at(week: Week) -> float:
    return week.monday.toordinal() / DAYS


def _span(phase: Phase) -> tuple[float, float]:
    judged = phase.judged
    return _at(judged[0]) - 0.5, _at(judged[-1]) + 0.5


def _points(phase: Phase) -> list[Point]:
    marked = {index for one in phase.late_signals for index in one.points}
    ends: dict[int, set[int]] = {}
    for one in phase.late_signals:
        ends.setdefault(one.last, set()).add(one.rule)
    return [
        Point(
            _at(week),
            week.mean,
            label=" ".join(map(str, sorted(ends.get(index, ())))),
            marked=index in marked and index >= phase.baseline,
            colour=STILL if 0 <= index < phase.baseline else JUDGED,
        )
        for index, week in enumerate(phase.weeks, -phase.skipped)
    ]


def _levels(phase: Phase) -> list[Level]:
    limits = phase.limits
    if limits is None:
        return []
    lines = ((limits.upper, True), (limits.centre, False), (limits.lower, True))
    return [Level(value, f"{value:.3g}", dashed=dashed, span=_span(phase)) for value, dashed in lines]


def _ranges(phase: Phase) -> list[Point]:
    return [
        Point(_at(week), abs(week.mean - before.mean), marked=index in phase.jumps and index >= phase.baseline)
        for index, (before, week) in enumerate(pairwise(phase.judged), 1)
    ]


def _ticks(weeks: list[Week]) -> list[tuple[float, str]]:
    """Every so many weeks, from the first to the last."""
    first, last = (pick(week.monday for week in weeks).toordinal() // DAYS for pick in (min, max))
    every = max(1, -(-(last - first) // MOST_TICKS))
    mondays = ((number, date.fromordinal(number * DAYS + 1)) for number in range(first, last + 1, every))
    return [(number + 1 / DAYS, week_name(monday)) for number, monday in mondays]
