"""Control charts as SVG: weeks with centre line and limits, and below how far each lies from the one before."""

from __future__ import annotations

from datetime import date

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
    marks = _ticks(weeks)
    title = f"{chart.measure.title}, mean of each week"
    whole = point_chart(
        title[0].upper() + title[1:],
        [point for phase in chart.phases for point in _points(phase)],
        [level for phase in chart.phases for level in _levels(phase)],
        y=chart.measure.unit,
        joined=len(chart.phases) == 1,
        x_ticks=marks,
        size=SIZE,
    )
    ranges = [point for phase in chart.phases for point in _ranges(phase)]
    if not ranges:
        return [sheet([whole], columns=1, size=SIZE)]
    limits = [
        Level(phase.limits.range_limit, f"{phase.limits.range_limit:.3g}", dashed=True, span=_span(phase))
        for phase in chart.phases
        if phase.limits is not None
    ]
    moving = point_chart(
        "Moving range: from one week to the next",
        ranges,
        [Level(0.0), *limits],
        y=chart.measure.unit,
        joined=len(chart.phases) == 1,
        x_ticks=marks,
        size=RANGE_SIZE,
    )
    return [sheet([whole], columns=1, size=SIZE), sheet([moving], columns=1, size=RANGE_SIZE)]


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
    judged = phase.judged
    return [
        Point(
            _at(week), abs(week.mean - judged[index - 1].mean), marked=index in phase.jumps and index >= phase.baseline
        )
        for index, week in enumerate(judged)
        if index
    ]


def _ticks(weeks: list[Week]) -> list[tuple[float, str]]:
    """Every so many weeks, from the first to the last."""
    first, last = (pick(week.monday for week in weeks).toordinal() // DAYS for pick in (min, max))
    every = max(1, -(-(last - first) // MOST_TICKS))
    return [(number + 1 / DAYS, _named(number)) for number in range(first, last + 1, every)]


def _named(number: int) -> str:
    return week_name(date.fromordinal(number * DAYS + 1))
