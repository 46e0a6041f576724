"""From per-case scores to a table's rows: means, spreads, differences to HCF, costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ....evaluation.statistics import Difference, Summary, compare_systems, summarise
from ....images.metrics import SliceCounts
from ....model.stages import CascadeStage
from ....networks import build_network
from ....training.data.tasks import REGISTRIES
from ...cost import multiply_adds
from ..parts import Part, Setup, parts_of
from ..scoring.scores import Pair, read_scores
from ..systems import HCF, VOLUME, Recipe, System, Table
from ..training import read_failure, read_figures

# Metric of `images.metrics.Agreement`: heading, factor, decimals.
METRICS = {"dsc": ("DSC %", 100.0, 1), "hd95_mm": ("HD95 mm", 1.0, 1), "ji": ("JI %", 100.0, 1)}


@dataclass(frozen=True)
class Cost:
    """What a system takes, as measured.

    Attributes:
        parameters: of all its networks.
        multiply_adds: for one slice that every network sees; None when it is not known.
        training_seconds: of all its networks, mean over folds.
        case_seconds: the networks' time for one test case, mean over folds and cases.
    """

    parameters: int
    multiply_adds: int | None
    training_seconds: float
    case_seconds: float


@dataclass(frozen=True)
class Row:
    """One system's results.

    Attributes:
        system: which.
        folds: names of those that are finished.
        figures: by metric; empty when no fold is finished.
        differences: to HCF, by metric; without those that cannot be had.
        cost: None when no fold is finished.
        slices: the classifier's judgement over all folds and cases, at the cascade's threshold and at 0.5.
        failure: why folds are missing, or "".
    """

    system: System
    folds: tuple[str, ...]
    figures: dict[str, Summary]
    differences: dict[str, Difference]
    cost: Cost | None
    slices: tuple[SliceCounts, SliceCounts] | None
    failure: str


@dataclass(frozen=True)
class _Found:
    """Scores of a system by fold, and what its networks are known to cost."""

    scores: dict[str, dict[str, Any]]
    costs: dict[str, list[dict[str, Any]]]


def make_rows(table: Table, setup: Setup, unscored: Mapping[Pair, str]) -> list[Row]:
    """The rows of a table from what is finished.

    Args:
        table: which.
        setup: of the run.
        unscored: what could not be scored, and why.
    """
    reference = _find(HCF, setup)
    return [_row(system, setup, reference, unscored) for system in table.systems]


def scores_of(system: System, setup: Setup) -> dict[str, Any]:
    """What `scores.score_pairs` wrote for a system, by fold."""
    return _find(system, setup).scores


def pairs_of(table: Table, setup: Setup) -> list[Pair]:
    """Every system of a table in every fold, as far as its trainings are done."""
    pairs = []
    for system in (*table.systems, HCF):
        for fold in setup.folds:
            parts = parts_of(setup, system, fold)
            if all(read_figures(part) is not None for part in parts):
                pairs.append(_pair(parts))
    return pairs


def _pair(parts: Sequence[Part]) -> Pair:
    return Pair(parts[-1], parts[0] if len(parts) > 1 else None)


def _find(system: System, setup: Setup) -> _Found:
    found = _Found({}, {})
    for fold in setup.folds:
        parts = parts_of(setup, system, fold)
        scores = read_scores(_pair(parts), setup)
        costs = [figures for figures in map(read_figures, parts) if figures is not None]
        if scores is not None and len(costs) == len(parts):
            found.scores[fold.name] = scores
            found.costs[fold.name] = costs
    return found


def _row(system: System, setup: Setup, reference: _Found, unscored: Mapping[Pair, str]) -> Row:
    found = _find(system, setup)
    failure = _why_incomplete(
        [parts_of(setup, system, fold) for fold in setup.folds if fold.name not in found.scores], unscored
    )
    folds = tuple(found.scores)
    if not folds:
        return Row(system, folds=(), figures={}, differences={}, cost=None, slices=None, failure=failure)
    shared = [fold for fold in folds if fold in reference.scores]
    differences = {}
    for metric in METRICS if shared else ():
        difference = compare_systems(_values(found, shared, setup, metric), _values(reference, shared, setup, metric))
        if difference is not None:
            differences[metric] = difference
    return Row(
        system,
        folds=folds,
        figures={metric: summarise(_values(found, folds, setup, metric)) for metric in METRICS},
        differences=differences,
        cost=_cost(system, found, setup),
        slices=_slices(found) if system.classifier is not None else None,
        failure=failure,
    )


def _why_incomplete(missing: Sequence[Sequence[Part]], unscored: Mapping[Pair, str]) -> str:
    """Why folds are missing, from the trainings of each that is, or ""."""
    for parts in missing:
        reasons = [read_failure(part) for part in parts if read_figures(part) is None]
        reason = next(filter(None, reasons), unscored.get(_pair(parts), ""))
        if reason:
            return f"{parts[0].fold.name}: {reason}"
    return f"{', '.join(parts[0].fold.name for parts in missing)} not finished" if missing else ""


def _values(found: _Found, folds: Sequence[str], setup: Setup, metric: str) -> np.ndarray:
    """Float (folds, cases); NaN is undefined."""
    rows = [[found.scores[fold]["cases"][name][metric] for name in setup.test] for fold in folds]
    return np.array([[math.nan if value is None else value for value in row] for row in rows])


def _cost(system: System, found: _Found, setup: Setup) -> Cost:
    first = next(iter(found.costs.values()))
    adds = [_multiply_adds(setup, recipe) for recipe in system.recipes]
    cases = [
        sum(figures["seconds_per_slice"] * looked_at for figures, looked_at in zip(costs, _looked_at(system, case)))
        for fold, costs in found.costs.items()
        for case in found.scores[fold]["cases"].values()
    ]
    return Cost(
        sum(figures["parameters"] for figures in first),
        None if None in adds else sum(number for number in adds if number is not None),
        float(np.mean([sum(figures["training_seconds"] for figures in costs) for costs in found.costs.values()])),
        float(np.mean(cases)),
    )


def _multiply_adds(setup: Setup, recipe: Recipe) -> int | None:
    if recipe.stage == VOLUME:  # works on patches
        return None
    seen = setup.task.preprocessing
    return _network_cost(
        Recipe(recipe.stage, recipe.network, recipe.arguments), setup.task.width, seen.channels, seen.size
    )


@cache
def _network_cost(recipe: Recipe, width: int, channels: int, size: int) -> int:
    arguments = {"in_channels": channels, "width": width, **dict(recipe.arguments)}
    network = build_network(REGISTRIES[CascadeStage(recipe.stage)], recipe.network, arguments)
    return multiply_adds(network, (channels, size, size))


def _looked_at(system: System, case: dict[str, Any]) -> tuple[int, ...]:
    """How many slices of a case each network sees, the segmenter last."""
    if system.segmenter.stage == VOLUME or system.classifier is None:
        return (case["slices"],)
    return (case["slices"], case["picked"])


def _slices(found: _Found) -> tuple[SliceCounts, SliceCounts]:
    cases = [case for scores in found.scores.values() for case in scores["cases"].values()]
    kept, half = (
        sum((SliceCounts(**case[key]) for case in cases), SliceCounts()) for key in ("counts", "counts_at_half")
    )
    return kept, half
