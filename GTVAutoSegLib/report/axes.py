"""The axes of a chart in SVG: where a point lies, the grid with round numbers, and the words around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 40  # margins around the points
MOST_TICKS = 6
STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Axes:
    """A rectangle for points.

    Attributes:
        x: smallest and largest value; they differ, and are above 0 on a logarithmic axis.
        y: the same; linear.
        size: width and height of the whole chart, in the units of its SVG.
        log_x: whether the x axis is logarithmic.
        right: margin at the right.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    size: tuple[int, int]
    log_x: bool = False
    right: float = RIGHT

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a point lies in the chart."""
        value, first, last = (math.log(part) if self.log_x else part for part in (point[0], *self.x))
        low, high = self.y
        across = LEFT + (value - first) / (last - first) * (self.size[0] - LEFT - self.right)
        return across, TOP + (high - point[1]) / (high - low) * (self.size[1] - TOP - BOTTOM)

    def frame(self, title: str, x: str, x_ticks: Sequence[tuple[float, str]], y: str = "") -> list[str]:
        """Grid, numbers and words as SVG elements.

        Args:
            title: above the chart.
            x: below it.
            x_ticks: value and text of each mark on the x axis.
            y: before the title, what the y axis counts.
        """
        right, bottom = self.size[0] - LEFT - self.right, self.size[1] - TOP - BOTTOM
        words = f"{title}, {y}" if y else title
        parts = [f'<text x="{LEFT}" y="18" font-weight="600">{escape(words)}</text>']
        for value in ticks(*self.y):
            height = self.at((self.x[0], value))[1]
            parts.append(f'<path d="M{LEFT} {height:.1f}h{right}" stroke="#ddd"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{value:g}</text>')
        for value, text in x_ticks:
            across = self.at((value, self.y[0]))[0]
            parts.append(f'<path d="M{across:.1f} {TOP}v{bottom}" stroke="#ddd"/>')
            parts.append(f'<text x="{across:.1f}" y="{TOP + bottom + 15}" text-anchor="middle">{escape(text)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{right}" height="{bottom}" fill="none" stroke="#999"/>')
        across = LEFT + right / 2
        parts.append(f'<text x="{across:g}" y="{self.size[1] - 8}" text-anchor="middle">{escape(x)}</text>')
        return parts

    def x_ticks(self) -> list[tuple[float, str]]:
        """Round numbers along the x axis."""
        values = log_ticks(*self.x) if self.log_x else []
        values = values if len(values) > 1 else ticks(*self.x)
        return [(value, f"{value:g}") for value in values]

    def whole_x_ticks(self) -> list[tuple[float, str]]:
        """Those of them that are whole numbers."""
        return [tick for tick in self.x_ticks() if tick[0] == round(tick[0])]


def ticks(low: float, high: float) -> list[float]:
    """Round numbers within a range, at most `MOST_TICKS`."""
    exponent = math.floor(math.log10(high - low)) - 1
    steps = (base * 10.0**power for power in range(exponent, exponent + 4) for base in STEPS)
    step = next(step for step in steps if (high - low) / step <= MOST_TICKS)
    return [round(number * step, 12) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """The numbers 1, 2 and 5 times powers of ten within a range; the powers only where there would be too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [base * 10.0**power for power in powers for base in STEPS if low <= base * 10.0**power <= high]
    return found if len(found) <= 2 * MOST_TICKS else [value for value in found if f"{value:e}"[0] == "1"]
