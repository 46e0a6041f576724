"""Nelson's eight rules for control charts (L. S. Nelson, Journal of Quality Technology 16(4), 1984, pages 237 to 239).

Points are given as their distance from the centre line in standard deviations. A rule that is met marks the points
that show it, the last of them being the one that completes the pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

EQUAL = 1e-9


@dataclass(frozen=True)
class Signal:
    """Where a rule is met: its number, and the points that show it, the last one completing it."""

    rule: int
    points: tuple[int, ...]

    @property
    def first(self) -> int:
        """The first of the points."""
        return self.points[0]

    @property
    def last(self) -> int:
        """The last of them."""
        return self.points[-1]


@dataclass(frozen=True)
class _Pattern:
    """So many of so many points in a row, the last one among them."""

    name: str
    window: int
    needed: int
    holds: Callable[[np.ndarray], list[np.ndarray]]
    before: int = 0  # points before the window that belong to it: six points rise in five steps


def _beyond(sigmas: float) -> Callable[[np.ndarray], list[np.ndarray]]:
    return lambda z: [z > sigmas + EQUAL, z < -sigmas - EQUAL]


def _steps(z: np.ndarray) -> list[np.ndarray]:
    """Which points lie above the one before, and which below; the first neither."""
    step = np.diff(z, prepend=z[:1])
    return [step > EQUAL, step < -EQUAL]


def _turns(z: np.ndarray) -> list[np.ndarray]:
    """Which points go the other way than the one before."""
    up, down = _steps(z)
    return [(up & np.roll(down, 1)) | (down & np.roll(up, 1))]


RULES = {
    1: _Pattern("one point beyond 3 sigma", 1, 1, _beyond(3)),
    2: _Pattern("nine points in a row on one side of the centre line", 9, 9, _beyond(0)),
    3: _Pattern("six points in a row steadily rising or falling", 5, 5, _steps, before=1),
    4: _Pattern("fourteen points in a row alternating up and down", 12, 12, _turns, before=2),
    5: _Pattern("two of three points in a row beyond 2 sigma on one side", 3, 2, _beyond(2)),
    6: _Pattern("four of five points in a row beyond 1 sigma on one side", 5, 4, _beyond(1)),
    7: _Pattern("fifteen points in a row within 1 sigma", 15, 15, lambda z: [np.abs(z) < 1 - EQUAL]),
    8: _Pattern("eight points in a row beyond 1 sigma on either side", 8, 8, lambda z: [np.abs(z) > 1 + EQUAL]),
}


def signals(z: Sequence[float] | np.ndarray) -> list[Signal]:
    """Where the rules are met; patterns of one rule that overlap are one signal.

    Args:
        z: distances from the centre line in standard deviations, in the order of time.
    """
    values = np.asarray(z, float)
    found = []
    for rule, pattern in RULES.items():
        for holds in pattern.holds(values):
            windows = (
                (end, holds[max(0, end - pattern.window + 1) : end + 1]) for end in np.flatnonzero(holds).tolist()
            )
            ends = [end for end, window in windows if window.sum() >= pattern.needed]
            for first, last in _merged(holds, ends, pattern.window):
                showing = (np.flatnonzero(holds[first : last + 1]) + first).tolist()
                found.append(Signal(rule, (*range(first - pattern.before, first), *showing)))
    return sorted(found, key=lambda one: (one.last, one.rule))


def _merged(holds: np.ndarray, ends: Sequence[int], window: int) -> list[tuple[int, int]]:
    """From the first point that shows a pattern to the last, of windows that overlap."""
    spans: list[tuple[int, int]] = []
    for end in ends:
        inside = range(max(0, end - window + 1), end + 1)
        first = next(index for index in inside if holds[index])
        if spans and first <= spans[-1][1] + (window == 1):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((first, end))
    return spans
