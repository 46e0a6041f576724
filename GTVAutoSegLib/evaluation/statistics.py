"""Mean and spread over folds and cases, and whether two systems differ beyond chance on the same cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES, SEED = 10_000, 0
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """A figure of one system.

    Attributes:
        mean: over folds, of each fold's mean over its defined cases.
        std: sample standard deviation of the folds' means; NaN with one fold.
        std_cases: sample standard deviation over cases of their means over folds; NaN with one case.
        undefined: values that are left out, of ``total``.
        total: folds times cases.
    """

    mean: float
    std: float
    std_cases: float
    undefined: int
    total: int


@dataclass(frozen=True)
class Difference:
    """A figure of one system minus that of another on the same cases.

    Attributes:
        mean: over cases, of each case's mean over the folds in which both are defined.
        low: of the 95 % confidence interval, paired bootstrap (percentiles) over patients, each with all their cases.
        high: the same.
        p: of the Wilcoxon signed-rank test of the patients' means, two-sided; 1 when none of them differs.
        cases: that are compared.
        patients: whose they are.
    """

    mean: float
    low: float
    high: float
    p: float
    cases: int
    patients: int


def summarise(values: np.ndarray) -> Summary:
    """Sum up float (folds, cases); NaN is undefined."""
    defined = ~np.isnan(values)
    folds = np.array([row[kept].mean() for row, kept in zip(values, defined) if kept.any()])
    cases = np.array([column[kept].mean() for column, kept in zip(values.T, defined.T) if kept.any()])
    return Summary(
        float(folds.mean()) if len(folds) else math.nan,
        std=_spread(folds),
        std_cases=_spread(cases),
        undefined=int((~defined).sum()),
        total=values.size,
    )


def compare_systems(ours: np.ndarray, theirs: np.ndarray, patients: Sequence[str] = ()) -> Difference | None:
    """``ours`` minus ``theirs``, float (folds, cases) of the same folds and cases; NaN is undefined.

    Args:
        ours: figures of one system.
        theirs: of the other one.
        patients: whose each case is; () where each is a patient of its own.

    Returns:
        None when no case is defined for both.
    """
    difference = ours - theirs
    kept = ~np.isnan(difference)
    known = np.flatnonzero(kept.any(axis=0))
    if len(known) == 0:
        return None
    cases = np.array([difference[kept[:, case], case].mean() for case in known])
    whose = [patients[case] if patients else str(case) for case in known.tolist()]
    number = {patient: count for count, patient in enumerate(dict.fromkeys(whose))}
    places = [number[patient] for patient in whose]
    # Cases of one patient resemble each other, and are no further evidence: they are drawn together.
    sums, counts = np.bincount(places, weights=cases), np.bincount(places)
    low = high = p = math.nan
    if len(sums) > 1:
        drawn = np.random.default_rng(SEED).integers(0, len(sums), (RESAMPLES, len(sums)))
        edges = np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2
        means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        low, high = (float(edge) for edge in np.quantile(means, edges))
        p = float(stats.wilcoxon(sums / counts).pvalue) if sums.any() else 1.0
    return Difference(float(cases.mean()), low=low, high=high, p=p, cases=len(cases), patients=len(sums))


def _spread(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan
