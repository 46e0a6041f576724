"""Whether the limits are kept: a rule each, and the verdict in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ...system.names import counted
from ...system.settings import as_json
from .agreement import Estimate, agreement, mean_of
from .figures import CaseFigures, Commission, Judgement

MOST_DECIMALS = 5  # to which what was found is kept
SAYS_MORE = "its 95 % interval reaches beyond the limit: more patients would make it sure"


@dataclass(frozen=True)
class Rule:
    """How a limit is judged.

    Attributes:
        text: what is limited, for people.
        figure: what is compared with it; None where that is not defined.
        least: whether the limit is the least and not the most.
        decimals: to write it with.
    """

    text: str
    figure: Callable[[Commission], Estimate | None]
    least: bool = False
    decimals: int = 0


def judged(commission: Commission) -> Commission:
    """The commission with its judgements and its verdict."""
    judgements = tuple(
        _judge(key, rule, limit=getattr(commission.limits, key), commission=commission)
        for key, rule in RULES.items()
        if getattr(commission.limits, key) is not None
    )
    done = replace(commission, judgements=judgements, passed=all(one.passed for one in judgements))
    return replace(done, sentence=_sentence(done))


def shown(key: str, value: float | None) -> str:
    """A figure that a limit is about, for people."""
    return "not defined" if value is None else f"{value:.{RULES[key].decimals}f}"


def told(one: Judgement) -> tuple[str, str]:
    """What was found and the limit, for people, with so many decimals that one does not look like the other."""
    decimals = RULES[one.key].decimals
    values = [one.limit] if one.found is None else [one.limit, one.found]

    def hidden() -> bool:
        texts = {f"{value:.{decimals}f}" for value in values}
        return len(texts) < len(set(values)) or round(one.limit, decimals) != one.limit

    while decimals < MOST_DECIMALS and hidden():
        decimals += 1
    found = shown(one.key, None) if one.found is None else f"{one.found:.{decimals}f}"
    return found, f"{one.limit:.{decimals}f}"


def _judge(key: str, rule: Rule, limit: float, commission: Commission) -> Judgement:
    found = rule.figure(commission)
    if found is None:
        return Judgement(key, text=rule.text, limit=limit, note="not defined, so it cannot be judged: see the cases")
    passed = found.value >= limit if rule.least else found.value <= limit
    unsure = found.low < limit if rule.least else found.high > limit  # never without an interval, which is NaN
    return Judgement(
        key,
        text=rule.text,
        limit=limit,
        found=round(found.value, 5),
        low=as_json(round(found.low, 5)),
        high=as_json(round(found.high, 5)),
        passed=passed,
        note=SAYS_MORE if passed and unsure else "",
    )


def _sentence(done: Commission) -> str:
    patients = len({one.patient for one in done.tumours})
    on = f"on {counted(patients, 'patient')} with a tumour"
    if not done.judgements:
        return f"No limit was asked for; figures of {done.subject.model.id} {on} are below."
    broken = [one for one in done.judgements if not one.passed]
    count = counted(len(done.judgements), "limit")
    if not broken:
        return f"Passed: {done.subject.model.id} {done.subject.model.version} keeps all {count} {on}."
    pairs = [(one, *told(one)) for one in broken]
    wrong = "; ".join(f"{one.text} {found}, {asked(one.key)} {limit}" for one, found, limit in pairs)
    return (
        f"Not passed: {done.subject.model.id} {done.subject.model.version} keeps {len(done.judgements) - len(broken)} "
        f"of {count} {on} ({wrong})."
    )


def asked(key: str) -> str:
    """Whether a limit is a least or a largest value, in words."""
    return "at least" if RULES[key].least else "at most"


def _count(of: Callable[[Commission], int]) -> Callable[[Commission], Estimate]:
    return lambda done: Estimate(float(of(done)))


def _patients(done: Commission) -> set[str]:
    """Those with a tumour of whom the model is not known to have learned: the others show what it has seen."""
    known = {one.patient for one in done.cases if one.case in done.subject.learned_from}
    return {one.patient for one in done.tumours} - known


def _mean(of: Callable[[CaseFigures], float | None], most: float = math.inf) -> Callable[[Commission], Estimate | None]:
    """The mean over the tumours; None when it is not defined for one of them: leaving that out would flatter.

    No figure is below 0 or above `most`, and neither is its interval: Student's alone, of few cases, would be.
    """

    def figure(done: Commission) -> Estimate | None:
        values = [of(one) for one in done.tumours]
        found = None if None in values else mean_of(values)
        # The ends come first: they are NaN without an interval, and stay so.
        return None if found is None else Estimate(found.value, max(found.low, 0.0), min(found.high, most))

    return figure


def _worst(
    of: Callable[[CaseFigures], float | None], pick: Callable[[Iterable[float]], float]
) -> Callable[[Commission], Estimate | None]:
    def figure(done: Commission) -> Estimate | None:
        values = [of(one) for one in done.tumours]
        known = [value for value in values if value is not None]
        return Estimate(pick(known)) if known and len(known) == len(values) else None

    return figure


def _size(one: Estimate) -> Estimate:
    """The size of a value that may be negative."""
    low, high = sorted((abs(one.low), abs(one.high)))
    return Estimate(abs(one.value), 0.0 if one.low < 0 < one.high else low, high)


def _bias(done: Commission) -> Estimate | None:
    bias = mean_of(one.difference_percent for one in done.tumours)
    return None if bias is None else _size(bias)


def _agreement(done: Commission) -> Estimate | None:
    found = agreement(one.difference_percent for one in done.tumours)
    return None if found is None else max(_size(found.lower), _size(found.upper), key=lambda one: one.value)


def _ends_of(kind: str) -> Callable[[CaseFigures], float | None]:
    """The larger of what is missed, or extra, at the feet and the head end."""
    return lambda one: (
        None if one.ends is None else float(max(getattr(one.ends, f"{kind}_{end}") for end in ("feet", "head")))
    )


RULES = {
    "patients_at_least": Rule(
        "patients with a tumour and new to the model",
        _count(lambda done: len(_patients(done))),
        least=True,
    ),
    "cases_taught_at_most": Rule(
        "cases that have taught the model", _count(lambda done: len(done.subject.learned_from))
    ),
    "cases_failed_at_most": Rule("cases that could not be measured", _count(lambda done: len(done.failed))),
    "tumours_missed_at_most": Rule("tumours missed", _count(lambda done: sum(one.missed for one in done.cases))),
    "false_tumours_at_most": Rule(
        "tumours found where there is none",
        _count(lambda done: sum(one.volume_ml > 0 for one in done.cases if not one.has_tumour)),
    ),
    "dsc_mean_at_least": Rule("mean DSC", _mean(lambda one: one.dsc, most=1), least=True, decimals=3),
    "dsc_worst_at_least": Rule("worst DSC", _worst(lambda one: one.dsc, min), least=True, decimals=3),
    "surface_dice_mean_at_least": Rule(
        "mean surface Dice", _mean(lambda one: one.surface_dice, most=1), least=True, decimals=3
    ),
    "hd95_mm_mean_at_most": Rule("mean HD95 (mm)", _mean(lambda one: one.hd95_mm), decimals=1),
    "hd95_mm_worst_at_most": Rule("worst HD95 (mm)", _worst(lambda one: one.hd95_mm, max), decimals=1),
    "added_path_share_mean_at_most": Rule(
        "mean share of the outline beyond the tolerance", _mean(lambda one: one.added_path_share, most=1), decimals=3
    ),
    "volume_bias_percent_at_most": Rule("size of the volume bias (%)", _bias, decimals=1),
    "volume_agreement_percent_at_most": Rule("limits of agreement of the volume (± %)", _agreement, decimals=1),
    "end_slices_missed_worst_at_most": Rule("most slices missed at an end", _worst(_ends_of("missed"), max)),
    "end_slices_extra_worst_at_most": Rule("most slices beyond an end", _worst(_ends_of("extra"), max)),
}
