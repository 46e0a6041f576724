"""Mean and spread over folds and cases, and whether two systems differ beyond chance on the same cases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000
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
        low: of the 95 % confidence interval, paired bootstrap over cases (percentiles).
        high: the same.
        p: of the Wilcoxon signed-rank test, two-sided; 1 when no case differs.
        cases: that are compared.
    """

    mean: float
    low: float
    high: float
    p: float
    cases: int


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


def compare_systems(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> Difference | None:
    """``ours`` minus ``theirs``, float (folds, cases) of the same folds and cases; NaN is undefined.

    Returns:
        None when no case is defined for both.
    """
    difference = ours - theirs
    kept = ~np.isnan(difference)
    cases = np.array([column[known].mean() for column, known in zip(difference.T, kept.T) if known.any()])
    if len(cases) == 0:
        return None
    low = high = p = math.nan
    if len(cases) > 1:
        drawn = np.random.default_rng(seed).integers(0, len(cases), (RESAMPLES, len(cases)))
        edges = np.array([1 - CONFIDENCE, 1 + CONFIDENCE]) / 2
        low, high = (float(edge) for edge in np.quantile(cases[drawn].mean(axis=1), edges))
        p = float(stats.wilcoxon(cases).pvalue) if cases.any() else 1.0
    return Difference(float(cases.mean()), low=low, high=high, p=p, cases=len(cases))


def _spread(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan
