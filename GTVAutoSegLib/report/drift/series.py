"""Weekly means of one measure on one scanner, the limits of their control chart, and what the chart shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from ...system.names import counted
from .change import SHORTEST, Shift, largest_shift
from .nelson import RULES, Signal, signals

# Of fewer weeks no limits are given: those of 8 are uncertain enough.
LEAST = 8
# D. J. Wheeler, Understanding Variation, 2nd edition, 2000: of two points in a row, range to standard deviation (d2),
# and mean range to upper limit (D4).
D2, D4 = 1.128, 3.267
EQUAL = 1e-9
SUNDAY = timedelta(days=6)


@dataclass(frozen=True)
class Week:
    """An ISO week: its Monday, how many outlines were reviewed in it, and the mean of the measure."""

    monday: date
    cases: int
    mean: float

    @property
    def name(self) -> str:
        """As ISO 8601 writes it: 2026-W05."""
        return week_name(self.monday)


@dataclass(frozen=True)
class Limits:
    """Of an individuals chart: centre line, standard deviation, and the upper limit of the moving range."""

    centre: float
    sigma: float
    range_limit: float

    @property
    def upper(self) -> float:
        """Three standard deviations above the centre line."""
        return self.centre + 3 * self.sigma

    @property
    def lower(self) -> float:
        """Three below it."""
        return self.centre - 3 * self.sigma


@dataclass(frozen=True)
class Phase:
    """The time in which one version of a model made the outlines.

    Attributes:
        version: of the model.
        digest: of the model.
        weeks: those with outlines, in the order of time.
        skipped: how many of them lie before the baseline, and are not judged.
        baseline: how many after those make the limits.
        by_period: whether those are the ones that were asked for, and not the first.
        limits: None where there are too few weeks for them, or they do not vary.
        signals: Nelson's, counted from the first week that is judged on; those that end within the baseline included.
        jumps: weeks whose moving range is beyond its limit, counted likewise.
        shift: the largest after the baseline, also one that can be by chance.
        changed: whether the shift is too large for chance, given how many phases are judged.
        remark: why nothing is judged, a sentence, or "".
    """

    version: str
    digest: str
    weeks: tuple[Week, ...]
    skipped: int = 0
    baseline: int = 0
    by_period: bool = False
    limits: Limits | None = None
    signals: tuple[Signal, ...] = ()
    jumps: tuple[int, ...] = ()
    shift: Shift | None = None
    changed: bool = False
    remark: str = ""

    @property
    def judged(self) -> tuple[Week, ...]:
        """Baseline and what follows it."""
        return self.weeks[self.skipped :]

    @property
    def names(self) -> list[str]:
        """Of the weeks that are judged."""
        return [week.name for week in self.judged]

    @property
    def is_judged(self) -> bool:
        """Whether enough weeks follow the baseline for a change to be told."""
        return self.baseline >= LEAST and len(self.judged) - self.baseline >= SHORTEST

    @property
    def late_signals(self) -> tuple[Signal, ...]:
        """Those that are completed after the baseline."""
        return tuple(one for one in self.signals if one.last >= self.baseline)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values; weeks by name."""
        names, limits, shift = self.names, self.limits, self.shift
        return {
            "version": self.version,
            "digest": self.digest,
            "weeks": [{"week": one.name, "cases": one.cases, "mean": round(one.mean, 4)} for one in self.weeks],
            "baseline": [names[0], names[self.baseline - 1]] if self.baseline else None,
            "limits": None
            if limits is None
            else {
                name: round(getattr(limits, name), 4) for name in ("centre", "sigma", "lower", "upper", "range_limit")
            },
            "signals": [
                {
                    "rule": one.rule,
                    "name": RULES[one.rule].name,
                    "from": names[one.first],
                    "to": names[one.last],
                    "within_baseline": one.last < self.baseline,
                }
                for one in self.signals
            ],
            "moving_range_beyond_limit": [names[index] for index in self.jumps],
            "shift": None
            if shift is None
            else {
                "from": names[shift.first],
                "to": names[shift.last],
                "mean_elsewhere": round(shift.before, 4),
                "mean": round(shift.after, 4),
                "p": round(shift.p, 4),
                "lasts": shift.last == len(names) - 1,
                "by_chance": not self.changed,
            },
            "remark": self.remark,
        }


def week_name(day: date) -> str:
    """The ISO week of a day: 2026-W05."""
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02}"


def weekly(values: Sequence[tuple[date, float]]) -> tuple[Week, ...]:
    """Means by ISO week, in the order of time; values that are no number are left out."""
    by_week: dict[date, list[float]] = {}
    for day, value in values:
        if not math.isnan(value):
            by_week.setdefault(day - timedelta(days=day.weekday()), []).append(value)
    return tuple(Week(monday, len(some), float(np.mean(some))) for monday, some in sorted(by_week.items()))


def judge(
    version: str,
    digest: str,
    weeks: Sequence[Week],
    *,
    first_weeks: int,
    period: tuple[date, date] | None = None,
) -> Phase:
    """Limits from the baseline, and what the weeks after it show.

    Args:
        version: of the model.
        digest: of the model.
        weeks: of this version alone.
        first_weeks: how many weeks make the baseline, where no period is given or holds none of them.
        period: first and last day of the baseline.
    """
    first, last = period or (date.max, date.min)
    inside = [number for number, one in enumerate(weeks) if first <= one.monday + SUNDAY and one.monday <= last]
    skipped, baseline = (inside[0], len(inside)) if inside else (0, min(first_weeks, len(weeks)))
    phase = Phase(version, digest, weeks=tuple(weeks), skipped=skipped, baseline=baseline, by_period=bool(inside))
    if baseline < LEAST:
        return replace(phase, remark=f"{counted(baseline, 'week')} in the baseline; limits are drawn from {LEAST} on")
    means = np.array([one.mean for one in phase.judged])
    ranges = np.abs(np.diff(means))
    mean_range = float(ranges[: baseline - 1].mean())
    phase = replace(phase, shift=largest_shift(means.tolist(), baseline))
    if mean_range < EQUAL:
        return replace(phase, remark=f"the {baseline} weeks of the baseline are all equal, so there are no limits")
    limits = Limits(float(means[:baseline].mean()), mean_range / D2, D4 * mean_range)
    late = len(means) - baseline
    few = f"{counted(late, 'week')} after the baseline; a change is told from {SHORTEST} on"
    return replace(
        phase,
        limits=limits,
        signals=tuple(signals((means - limits.centre) / limits.sigma)),
        jumps=tuple((np.flatnonzero(ranges > limits.range_limit) + 1).tolist()),
        remark="" if late >= SHORTEST else few,
    )
