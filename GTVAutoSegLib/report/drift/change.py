"""Has the level of a series changed, and since when? A test that is right whatever the values are distributed like.

Nelson's rules point at weeks, and on charts in which nothing changes they do so often: limits from a dozen weeks are
uncertain, and eight rules are asked of each week (`python -m Testing.campaign.drift_alarms` counts). So a change is
only said where a stretch of weeks after the baseline differs from all others by more than shuffled weeks would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHUFFLES = 4999
SHORTEST = 3  # weeks; less is for Nelson's rules
SEED = 20


@dataclass(frozen=True)
class Shift:
    """The stretch that differs most from the others.

    Attributes:
        first: its first point.
        last: its last one.
        before: mean of the points outside.
        after: mean of those within.
        p: how often shuffled points show a stretch that differs as much.
    """

    first: int
    last: int
    before: float
    after: float
    p: float


def largest_shift(values: Sequence[float], baseline: int) -> Shift | None:
    """The stretch after the baseline whose mean differs most, and how likely that is by chance.

    Every stretch of at least `SHORTEST` points after the baseline is compared with all other points; the largest
    difference, in units of its own uncertainty, is compared with those of shuffled series (a permutation test; E. S.
    Edgington, Randomization Tests, 4th edition, 2007). It supposes that weeks do not depend on each other.

    Args:
        values: in the order of time.
        baseline: how many of them came first, when nothing had changed by definition.

    Returns:
        None where there are fewer than `SHORTEST` points after the baseline, or all points are equal.
    """
    series = np.asarray(values, float)
    if len(series) - baseline < SHORTEST or np.ptp(series) == 0:
        return None
    centred = series - series.mean()
    score, first, last = _largest(centred[None], baseline)
    chance = np.random.default_rng(SEED)
    shuffled = chance.permuted(np.broadcast_to(centred, (SHUFFLES, len(series))), axis=1)
    as_large = int(np.count_nonzero(_largest(shuffled, baseline)[0] >= score[0] * (1 - 1e-9)))
    inside = np.zeros(len(series), bool)
    inside[first[0] : last[0] + 1] = True
    return Shift(
        int(first[0]),
        int(last[0]),
        before=float(series[~inside].mean()),
        after=float(series[inside].mean()),
        p=(1 + as_large) / (1 + SHUFFLES),
    )


def _largest(centred: np.ndarray, baseline: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each series (rows, points) about its mean: score, first and last point of the stretch that differs most."""
    rows, count = centred.shape
    sums = np.concatenate([np.zeros((rows, 1)), np.cumsum(centred, axis=1)], axis=1)
    best, first, last = np.full(rows, -1.0), np.zeros(rows, int), np.zeros(rows, int)
    for length in range(SHORTEST, count - baseline + 1):
        inside = np.abs(sums[:, baseline + length :] - sums[:, baseline : count - length + 1])
        # The mean inside less the mean outside, over the square root of 1 / inside + 1 / outside.
        scores = inside * np.sqrt(count / (length * (count - length)))
        places = scores.argmax(axis=1)
        top = scores[np.arange(rows), places]
        better = top > best
        best[better], first[better] = top[better], baseline + places[better]
        last[better] = first[better] + length - 1
    return best, first, last
