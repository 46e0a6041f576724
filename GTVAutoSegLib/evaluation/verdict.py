"""What a comparison of two models shows: the difference with its interval, a verdict in one sentence, JSON and CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..model.bundle import read_bundle
from ..system.csv_text import to_csv
from ..system.names import counted
from ..system.settings import as_json
from .comparison import NEW, OLD, Pair, Side
from .learned import ALL, LIMITS, SOME, UNKNOWN, Learned, learned_from
from .statistics import Difference, compare_systems

BETTER, WORSE, NOTHING = "better", "worse", "no difference shown"
# With fewer no rank test reaches 5 %, and the interval of a bootstrap is too narrow.
FEWEST_PATIENTS = 6
# Figure: what it is called, with its unit, and decimals.
FIGURES = {"dsc": ("DSC", 3), "hd95_mm": ("HD95 mm", 1), "added_path_length_mm": ("added path length mm", 0)}


@dataclass(frozen=True)
class Figure:
    """One figure of both sides: means over the cases for which both are defined, and the difference, new minus old.

    Its interval and p are NaN where there are fewer than `FEWEST_PATIENTS`.
    """

    old: float
    new: float
    difference: Difference


@dataclass(frozen=True)
class Verdict:
    """What is shown.

    Attributes:
        verdict: `BETTER`, `WORSE` or `NOTHING`, of the new model by the DSC.
        sentence: the same for people.
        figures: by the keys of `FIGURES`; those that are undefined for all cases are left out.
        learned: what is known of the cases that each side has learned from.
        remarks: for whoever reads the figures.
    """

    verdict: str
    sentence: str
    figures: dict[str, Figure]
    learned: dict[str, Learned]
    remarks: tuple[str, ...]

    def learned_by(self, case: str) -> list[str]:
        """Which sides are known to have learned from a case."""
        return [key for key, one in self.learned.items() if case in one.cases]


def judge(pairs: Sequence[Pair], sides: Mapping[str, Side], patients: Mapping[str, str] | None = None) -> Verdict:
    """Sum a comparison up.

    Args:
        pairs: at least one.
        sides: of `comparison.plan_comparison`.
        patients: whose each case is; one that is not in it is a patient of its own.
    """
    first: dict[str, str] = {}
    # Two cases that hold the same CT are one patient's, whatever they are called.
    cases = [first.setdefault(pair.voxels, pair.case) for pair in pairs]
    whose = [(patients or {}).get(case, case) for case in cases]
    figures = {name: figure for name in FIGURES if (figure := _figure(pairs, name, whose)) is not None}
    learned = {key: _learned(pairs, side) for key, side in sides.items()}
    verdict, sentence = _decide(figures["dsc"], learned[NEW])
    remarks = [learned[key].sentence(f"The {key} model, {sides[key].name},") for key in (OLD, NEW)]
    if any(one.kind != UNKNOWN for one in learned.values()):
        remarks.append(f"What a model has learned from is known by its CTs' voxels: {LIMITS}")
    remarks += [f"{sides[key].name}: {text}" for key in (OLD, NEW) for text in sides[key].remarks]
    return Verdict(verdict, sentence, figures, learned=learned, remarks=tuple(text for text in remarks if text))


def to_json(verdict: Verdict, pairs: Sequence[Pair], sides: Mapping[str, Side]) -> dict[str, Any]:
    """All of it, JSON-ready; None stands for undefined."""
    return {
        "verdict": verdict.verdict,
        "sentence": verdict.sentence,
        "learned": {key: one.kind for key, one in verdict.learned.items()},
        "remarks": list(verdict.remarks),
        "metrics": {
            name: {"old": figure.old, "new": figure.new, **_difference(figure.difference)}
            for name, figure in verdict.figures.items()
        },
        "cases": [
            {
                "case": pair.case,
                **{key: _values(pair, key) for key in (OLD, NEW)},
                "learned": verdict.learned_by(pair.case),
            }
            for pair in pairs
        ],
        "models": {key: _identity(side) for key, side in sides.items()},
    }


def to_table(pairs: Sequence[Pair]) -> str:
    """One line a case, as CSV; undefined values are left empty."""
    rows: list[list[Any]] = [["case", *(f"{name}_{key}" for name in FIGURES for key in (OLD, NEW))]]
    for pair in pairs:
        rows.append([pair.case, *(_value(pair, key, name) for name in FIGURES for key in (OLD, NEW))])
    return to_csv(rows, ".6g")


def _figure(pairs: Sequence[Pair], name: str, patients: Sequence[str]) -> Figure | None:
    old, new = (np.array([[_value(pair, key, name) for pair in pairs]]) for key in (OLD, NEW))
    difference = compare_systems(new, old, patients=patients)
    if difference is None:
        return None
    if difference.patients < FEWEST_PATIENTS:
        difference = replace(difference, low=math.nan, high=math.nan, p=math.nan)
    both = ~np.isnan(old + new)
    return Figure(float(old[both].mean()), float(new[both].mean()), difference)


def _decide(dsc: Figure, new: Learned) -> tuple[str, str]:
    found = dsc.difference
    of = f" of {counted(found.patients, 'patient')}" if found.patients < found.cases else ""
    numbers = f"mean DSC {dsc.new:.3f} instead of {dsc.old:.3f} on the same {counted(found.cases, 'case')}{of}"
    if new.kind in (SOME, ALL):
        return NOTHING, f"Nothing is shown: the new model has learned from cases it was measured on ({numbers})."
    if found.patients < FEWEST_PATIENTS:
        return NOTHING, f"No difference shown: {numbers}, and it takes at least {FEWEST_PATIENTS} patients to show one."
    interval = f"{numbers}, difference {found.mean:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f}"
    if found.low > 0:
        return BETTER, f"The new model is better: {interval}."
    if found.high < 0:
        return WORSE, f"The new model is worse: {interval}."
    return NOTHING, f"No difference shown: {interval}."


def _learned(pairs: Sequence[Pair], side: Side) -> Learned:
    bundles = {path: read_bundle(path) for path in set(side.bundles.values())}
    found = learned_from(
        {pair.case: bundles[side.bundles[pair.case]] for pair in pairs}, {pair.case: pair.voxels for pair in pairs}
    )
    # A run says of all its cases what was chosen on them, in remarks of its own.
    return replace(found, chosen=()) if side.remarks else found


def _identity(side: Side) -> dict[str, Any]:
    """Name and bundles; those of a run are its folds'."""
    bundles = [read_bundle(path).identity for path in sorted(set(side.bundles.values()))]
    return {"given": side.given, "name": side.name, "bundles": bundles}


def _value(pair: Pair, key: str, name: str) -> float:
    return float(getattr(getattr(pair, key), name))


def _values(pair: Pair, key: str) -> dict[str, float | None]:
    return {name: as_json(round(_value(pair, key, name), 6)) for name in FIGURES}


def _difference(found: Difference) -> dict[str, Any]:
    values = as_json(found)
    return {"difference": values.pop("mean"), **values}
