"""Means and limits of agreement, with their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
SPREADS = 1.96  # standard deviations that hold 95 % of normally distributed differences


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its 95 % confidence interval; NaN where there are too few cases for one."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Agreement:
    """Bland and Altman's figures of differences: bias, their standard deviation, and the limits of agreement."""

    cases: int
    bias: Estimate
    sd: float
    lower: Estimate
    upper: Estimate


def mean_of(values: Iterable[float | None]) -> Estimate | None:
    """Mean of the values that are defined, with Student's interval; None where there is none."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if len(known) == 0:
        return None
    mean = float(known.mean())
    if len(known) == 1:
        return Estimate(mean)
    reach = _quantile(len(known)) * float(known.std(ddof=1)) / math.sqrt(len(known))
    return Estimate(mean, mean - reach, mean + reach)


def agreement(differences: Iterable[float | None]) -> Agreement | None:
    """Bland and Altman, Stat Methods Med Res 8 (1999) 135, sections 2.1 and 2.2; None for fewer than two differences.

    The limits' variance is s² (1/n + z²/(2(n - 1))); differences are taken as normal and independent.
    """
    known = np.array([value for value in differences if value is not None], dtype=np.float64)
    bias = mean_of(known.tolist())
    if bias is None or len(known) < 2:
        return None
    count, spread = len(known), float(known.std(ddof=1))
    reach = _quantile(count) * spread * math.sqrt(1 / count + SPREADS**2 / (2 * (count - 1)))
    lower, upper = bias.value - SPREADS * spread, bias.value + SPREADS * spread
    return Agreement(
        count,
        bias=bias,
        sd=spread,
        lower=Estimate(lower, lower - reach, lower + reach),
        upper=Estimate(upper, upper - reach, upper + reach),
    )


def _quantile(count: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
