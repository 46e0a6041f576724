"""Line charts as SVG, for pages and alone: nothing has to be installed for them, and they print sharply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .axes import BOTTOM, RIGHT, Axes

WIDTH, HEIGHT = 480, 260  # of a chart
COLOURS = ("#1f5a96", "#a15c00", "#23662f", "#b00020", "#6b4fa0", "#7a4b3a", "#b5478c", "#5c5c5c", "#7d7a00", "#007a87")


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        points: x and y, in the order of x; a y that is no number leaves a gap.
        mark: a point that gets a dot.
    """

    name: str
    points: Sequence[tuple[float, float]]
    mark: tuple[float, float] | None = None


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x: str = "",
    y: tuple[float, float] | None = None,
    legend: str = "",
) -> str:
    """Lines over a shared axis, as an SVG group of `WIDTH` x `HEIGHT`; see `sheet`.

    Args:
        title: above it.
        lines: at least one point between them.
        x: what the axis counts, in whole numbers.
        y: smallest and largest value; those of the points by default.
        legend: title of the list of the lines' names; "" leaves the list out.
    """
    everything = [point for line in lines for point in line.points if math.isfinite(point[1])]
    first, last = min(point[0] for point in everything), max(point[0] for point in everything)
    if first == last:
        first, last = first - 1, last + 1
    axes = Axes((first, last), y or _range([value for _, value in everything]), (WIDTH, HEIGHT))
    at = axes.at
    parts = axes.frame(title, x, axes.whole_x_ticks())
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        drawn = path([at(point) if math.isfinite(point[1]) else None for point in line.points])
        parts.append(f'<path d="{drawn}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        dots = [line.mark] if line.mark is not None else line.points if len(line.points) == 1 else []
        parts += [f'<circle cx="{at(dot)[0]:.1f}" cy="{at(dot)[1]:.1f}" r="3.5" fill="{colour}"/>' for dot in dots]
    if legend:
        parts += _legend([line.name for line in lines], legend)
    return f"<g>{''.join(parts)}</g>"


def sheet(charts: Sequence[str], columns: int = 2, size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """Charts of one size side by side as one SVG image, which may stand in a page or be a file of its own."""
    rows = math.ceil(len(charts) / columns)
    placed = "".join(
        f'<g transform="translate({number % columns * size[0]} {number // columns * size[1]})">{chart}</g>'
        for number, chart in enumerate(charts)
    )
    box = f'viewBox="0 0 {size[0] * columns} {size[1] * rows}"'
    style = 'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12" fill="#1c1c1c"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" {style}>{placed}</svg>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From zero, or from the lowest if that is below it, to a little above the highest."""
    lowest, highest = min(0.0, *values), max(0.0, *values)
    return (lowest, highest + 0.05 * (highest - lowest)) if highest > lowest else (lowest, lowest + 1)


def path(points: Sequence[tuple[float, float] | None]) -> str:
    """The ``d`` of an SVG path of straight lines, with a gap where there is no point."""
    words, pen = [], "M"
    for point in points:
        if point is not None:
            words.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
        pen = "M" if point is None else "L"
    return "".join(words)


def _legend(names: Sequence[str], title: str) -> list[str]:
    right = WIDTH - RIGHT - 8
    rows = [f'<text x="{right}" y="{HEIGHT - BOTTOM - 8 - 14 * len(names)}" text-anchor="end">{escape(title)}</text>']
    for number, name in enumerate(names):
        height = HEIGHT - BOTTOM - 8 - 14 * (len(names) - 1 - number)
        colour = COLOURS[number % len(COLOURS)]
        rows.append(f'<text x="{right}" y="{height}" text-anchor="end" fill="{colour}">{escape(name)}</text>')
    return rows
