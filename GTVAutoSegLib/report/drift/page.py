"""The page that a physicist files: the sentence, the charts, what Nelson's rules point at, and where it comes from."""

from __future__ import annotations

from datetime import datetime
from html import escape

from ... import __version__
from ...system.names import counted
from ..pages import RESEARCH_ONLY, Html, Number, badge, page, paragraphs, small, table
from .drift import CHANGED, SAME, Chart, Drift
from .nelson import RULES
from .picture import control_charts
from .series import Phase

EXPLAINED = (
    "A point is the mean of a week's outlines on one scanner, in the week in which a person first edited or approved "
    "them; weeks without any have no point. Orange points are the baseline: their mean is the full line, and dashed "
    "lines lie three standard deviations from it, as their moving ranges give them (individuals chart). Red points "
    "show one of Nelson's rules after the baseline; the numbers say which."
)
MEASURED = (
    "Added path length is the outline that had to be drawn anew; what was only erased adds none. Volume change is "
    "given in percent of the larger of both volumes: 100 where the model had missed all of it, -100 where a person "
    "erased all."
)
CHANCE = (
    "Rules point at weeks by chance as well, more often with a short baseline. A change is only said where at least "
    "three weeks after the baseline differ from the others by more than shuffled weeks do: on 5 of 100 pages on which "
    "nothing has changed, all charts taken together."
)
SIGNATURE = '<p class="sign">Looked at by <span></span> on <span></span></p>'
BADGES = {CHANGED: "changed", SAME: "done"}


def drift_page(drift: Drift) -> str:
    """The page as HTML."""
    now = datetime.now().astimezone()
    parts = [
        "<h1>Drift: how much of the model's outlines people edit</h1>",
        *paragraphs([RESEARCH_ONLY], "notice"),
        f"<p>{badge(BADGES.get(drift.verdict, 'not-done'), drift.verdict)} "
        f"<strong>{escape(drift.sentence)}</strong></p>",
        *paragraphs([f"{text}." for text in drift.gathered.broken], "failed"),
        *paragraphs([f"{text[0].upper()}{text[1:]}." for text in drift.remarks], "warning"),
        *([table(_rows(drift), HEAD, "scroll")] if drift.charts else []),
        *paragraphs([" ".join((EXPLAINED, MEASURED, CHANCE))] if drift.charts else [], "small"),
        *(part for chart in drift.charts for part in _chart(chart)),
        *_signals(drift),
        '<div class="together"><h2>Origin</h2>',
        table(_origin(drift, now)),
        SIGNATURE,
        "</div>",
    ]
    return page("Drift", parts)


HEAD = ("scanner", "model", "measure", "outlines", "baseline (limits)", "largest shift", "its weeks", "by chance")


def _rows(drift: Drift) -> list[tuple[object, ...]]:
    return [
        (
            chart.scanner,
            f"{chart.model} {phase.version}".strip(),
            f"{chart.measure.title}, {chart.measure.unit}",
            Number(f"{sum(week.cases for week in phase.weeks)} in {counted(len(phase.weeks), 'week')}"),
            _limits(phase),
            *_shift(phase),
        )
        for chart in drift.charts
        for phase in chart.phases
    ]


def _limits(phase: Phase) -> Number:
    limits = phase.limits
    return Number(f"{limits.centre:.1f} ({limits.lower:.1f} to {limits.upper:.1f})" if limits else "")


def _shift(phase: Phase) -> tuple[object, ...]:
    shift = phase.shift
    if shift is None:
        return ("", "", "too few weeks" if phase.remark else "")
    names = phase.names
    weeks = Html("<br>".join(f"<nobr>{one}</nobr>" for one in (f"{names[shift.first]} to", names[shift.last])))
    chance = f"no (p = {shift.p:.4f})" if phase.changed else f"possible (p = {shift.p:.2f})"
    return (
        Number(f"{shift.before:.1f} to {shift.after:.1f}"),
        weeks,
        Html(f"<strong>{chance}</strong>" if phase.changed else chance),
    )


def _chart(chart: Chart) -> list[str]:
    versions = ", then ".join(phase.version or "unknown version" for phase in chart.phases)
    title = f"{chart.measure.title.capitalize()}: {chart.scanner}, {chart.model} {versions}"
    remarks = [f"{phase.version}: {phase.remark}." for phase in chart.phases if phase.remark]
    return [
        f"<h2>{escape(title)}</h2>",
        *control_charts(chart),
        *paragraphs(remarks, "small"),
    ]


def _signals(drift: Drift) -> list[str]:
    rows = []
    for chart in drift.charts:
        for phase in chart.phases:
            names = phase.names
            place = (chart.scanner, f"{chart.model} {phase.version}".strip(), chart.measure.title)
            for one in phase.late_signals:
                when = names[one.last] if one.first == one.last else f"{names[one.first]} to {names[one.last]}"
                rows.append((when, *place, f"{one.rule}: {RULES[one.rule].name}"))
            rows += [
                (names[index], *place, "moving range beyond its limit")
                for index in phase.jumps
                if index >= phase.baseline
            ]
    rules = "; ".join(f"{number}: {rule.name}" for number, rule in RULES.items())
    return [
        "<h2>What Nelson's rules point at</h2>",
        table(rows, ("weeks", "scanner", "model", "measure", "rule"))
        if rows
        else "<p>Nothing after the baselines.</p>",
        *paragraphs([f"Rules (L. S. Nelson, 1984): {rules}."], "small"),
    ]


def _origin(drift: Drift, now: datetime) -> list[tuple[str, object]]:
    days = [one.at.date() for one in drift.reviewed]
    options = drift.options
    baseline = (
        f"{options.period[0]} to {options.period[1]}"
        if options.period
        else f"the first {options.first_weeks} weeks of each phase"
    )
    models = sorted({(one.model, one.version, one.digest) for one in drift.reviewed})
    return [
        ("Trails", f"{drift.gathered.trails}, with {drift.gathered.records} records that hold"),
        ("Outlines", f"{len(drift.reviewed)} edited or approved, {drift.gathered.runs} runs"),
        ("Time", f"{days[0]} to {days[-1]}" if days else ""),
        ("Baseline", baseline),
        *(("Model", Html(f"{escape(f'{model} {version}')} {small(digest)}")) for model, version, digest in models),
        ("Made", f"{now:%Y-%m-%d %H:%M} by gtvautoseg {__version__}"),
    ]
