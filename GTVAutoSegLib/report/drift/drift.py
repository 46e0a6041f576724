"""Whether something changed in how much people edit: charts by model, scanner and measure, and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ...system.names import counted
from .change import SHORTEST
from .reviews import Gathered, Reviewed
from .series import LEAST, Phase, judge, weekly

CHANGED, SAME, TOO_FEW = "changed", "no change shown", "too few"
# How often a page on which nothing changed may say that something did.
ALPHA = 0.05
MOST_NAMED = 3


@dataclass(frozen=True)
class Measure:
    """What is charted: its name as a field of `Reviewed`, in words, and its unit."""

    field: str
    title: str
    unit: str


MEASURES = (
    Measure("added_path_length_mm", "added path length", "mm"),
    Measure("volume_change_percent", "volume change", "%"),
)


@dataclass(frozen=True)
class Chart:
    """One measure of the outlines of one model on the CTs of one scanner, a phase for each version of the model."""

    measure: Measure
    model: str
    scanner: str
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class Options:
    """How the charts are made.

    Attributes:
        first_weeks: how many weeks make the baseline of a phase.
        period: first and last day of the baseline instead.
        since: earlier outlines are left out.
    """

    first_weeks: int = 12
    period: tuple[date, date] | None = None
    since: date | None = None


@dataclass(frozen=True)
class Drift:
    """What was found.

    Attributes:
        verdict: "changed", "no change shown" or "too few".
        sentence: the same in one sentence: what, since when and on which scanner.
        charts: by model, scanner and measure.
        reviewed: outlines that count.
        gathered: what the trails held.
        options: how the charts were made.
        remarks: what a reader has to know, one sentence each.
    """

    verdict: str
    sentence: str
    charts: tuple[Chart, ...]
    reviewed: tuple[Reviewed, ...]
    gathered: Gathered
    options: Options
    remarks: tuple[str, ...]

    @property
    def needs_person(self) -> bool:
        """Whether somebody has to look: something changed, or a trail was altered."""
        return self.verdict == CHANGED or bool(self.gathered.broken)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values, see docs/guides/drift.md."""
        days = [one.at.date().isoformat() for one in self.reviewed]
        period = self.options.period
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "remarks": [*self.gathered.broken, *self.remarks],
            "trails": self.gathered.trails,
            "trails_altered": len(self.gathered.broken),
            "records": self.gathered.records,
            "runs": self.gathered.runs,
            "outlines": len(self.reviewed),
            "from": days[0] if days else None,
            "to": days[-1] if days else None,
            "options": {
                "baseline_weeks": self.options.first_weeks,
                "baseline": [one.isoformat() for one in period] if period else None,
                "since": self.options.since.isoformat() if self.options.since else None,
            },
            "charts": [
                {
                    "measure": one.measure.field,
                    "unit": one.measure.unit,
                    "model": one.model,
                    "scanner": one.scanner,
                    "phases": [phase.to_json() for phase in one.phases],
                }
                for one in self.charts
            ],
        }


def find_drift(gathered: Gathered, options: Options) -> Drift:
    """Make the charts, and say whether something changed."""
    since = options.since
    reviewed = tuple(one for one in gathered.reviewed if since is None or one.at.date() >= since)
    charts = [
        Chart(measure, model, scanner, _phases(some, measure, options))
        for (model, scanner), some in _by_origin(reviewed).items()
        for measure in MEASURES
    ]
    charts = _with_changes([chart for chart in charts if chart.phases])
    remarks = (*gathered.remarks, *_remarks(reviewed, charts, options))
    verdict, sentence = _verdict(gathered, reviewed, charts)
    return Drift(
        verdict,
        sentence,
        charts=tuple(charts),
        reviewed=reviewed,
        gathered=gathered,
        options=options,
        remarks=remarks,
    )


def _by_origin(reviewed: Sequence[Reviewed]) -> dict[tuple[str, str], list[Reviewed]]:
    found: dict[tuple[str, str], list[Reviewed]] = {}
    for one in reviewed:
        found.setdefault((one.model, one.scanner), []).append(one)
    return dict(sorted(found.items()))


def _phases(reviewed: Sequence[Reviewed], measure: Measure, options: Options) -> tuple[Phase, ...]:
    """One for each version of a model, in the order of their first outlines; each with limits of its own."""
    versions: dict[tuple[str, str], list[Reviewed]] = {}
    for one in reviewed:
        versions.setdefault((one.version, one.digest), []).append(one)
    phases = []
    for (version, digest), some in versions.items():
        weeks = weekly([(one.at.date(), getattr(one, measure.field)) for one in some])
        if weeks:
            phases.append(judge(version, digest, weeks, first_weeks=options.first_weeks, period=options.period))
    return tuple(phases)


def _with_changes(charts: Sequence[Chart]) -> list[Chart]:
    """The charts, with the phases marked whose shift is too large for chance; the more there are, the stricter."""
    judged = sum(phase.is_judged for chart in charts for phase in chart.phases)

    def marked(phase: Phase) -> Phase:
        return replace(phase, changed=phase.shift is not None and phase.shift.p * judged <= ALPHA)

    return [replace(chart, phases=tuple(map(marked, chart.phases))) for chart in charts]


def _verdict(gathered: Gathered, reviewed: Sequence[Reviewed], charts: Sequence[Chart]) -> tuple[str, str]:
    if not reviewed:
        return TOO_FEW, (
            f"Nothing can be said: the trails tell of {counted(gathered.runs, 'run')}, and of no outline of a model "
            "that a person edited or approved in this time."
        )
    changed = [(chart, phase) for chart in charts for phase in chart.phases if phase.changed]
    if changed:
        changed.sort(key=lambda one: one[1].shift.p if one[1].shift else 1.0)
        more = f"; and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        return CHANGED, f"Something changed: {'; '.join(_told(*one) for one in changed[:MOST_NAMED])}{more}."
    judged = [(chart, phase) for chart in charts for phase in chart.phases if phase.is_judged]
    if not judged:
        most = max(len(phase.weeks) for chart in charts for phase in chart.phases)
        return TOO_FEW, (
            f"Too few to tell: {counted(len(reviewed), 'outline')} in at most {counted(most, 'week')} on one scanner, "
            f"and a change is told from {LEAST} weeks of baseline and {SHORTEST} after it on."
        )
    scanners = len({chart.scanner for chart, _ in judged})
    where = f"on {scanners} scanners" if scanners > 1 else f"on {judged[0][0].scanner}"
    most = max(len(phase.weeks) for _, phase in judged)
    said = f"No change is shown: {counted(len(reviewed), 'outline')} {where}, by up to {most} weeks"
    pointed = sum(len(phase.late_signals) for _, phase in judged)
    signals = f"; Nelson's rules point at weeks {counted(pointed, 'time')}, as chance may" if pointed else ""
    return SAME, f"{said}{signals}."


def _told(chart: Chart, phase: Phase) -> str:
    shift = phase.shift
    assert shift is not None  # noqa: S101 - it is changed
    names = phase.names
    lasts = shift.last == len(names) - 1 and phase is chart.phases[-1]
    when = f"since {names[shift.first]}" if lasts else f"from {names[shift.first]} to {names[shift.last]}"
    rose = "rose" if shift.after > shift.before else "fell"
    scanner = "CTs of an unknown scanner" if chart.scanner == "unknown" else chart.scanner
    version = f"{chart.model} {phase.version}".strip()
    return (
        f"{chart.measure.title} {rose} from {shift.before:.3g} to {shift.after:.3g} {chart.measure.unit} a case {when} "
        f"on {scanner} (model {version})"
    )


def _remarks(reviewed: Sequence[Reviewed], charts: Sequence[Chart], options: Options) -> list[str]:
    found = []
    silent = sum(one.before_ml != one.before_ml for one in reviewed)
    if silent:
        found.append(
            f"{silent} of {len(reviewed)} outlines were recorded by a version that told no volumes, and are missing in "
            "the charts of volume change"
        )
    unknown = sum(one.scanner == "unknown" for one in reviewed)
    if unknown:
        found.append(f"of {unknown} of {len(reviewed)} outlines the scanner is not known: no DICOM, or an older record")
    if reviewed and len({(one.model, one.version, one.digest) for one in reviewed}) > 1:
        found.append("several models or versions made the outlines; each begins a phase with limits of its own")
    phases = [phase for chart in charts for phase in chart.phases]
    if options.period and not all(phase.by_period for phase in phases):
        found.append("where no week lies in the baseline that was asked for, the first weeks make it")
    unsteady = sorted(
        {
            f"{chart.measure.title} on {chart.scanner}"
            for chart in charts
            for phase in chart.phases
            if any(one.rule == 1 and one.last < phase.baseline for one in phase.signals)
        }
    )
    if unsteady:
        found.append(f"the baseline itself has weeks beyond its limits ({', '.join(unsteady)}), so choose a calmer one")
    return found
