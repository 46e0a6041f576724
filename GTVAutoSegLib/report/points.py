"""Charts of single points with names and levels, as SVG: agreement of two measurements, control charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .axes import RIGHT, TOP, Axes

SIZE = (640, 340)
COLOURS = ("#1f5a96", "#a15c00", "#23662f", "#6b4fa0", "#007a87", "#7a4b3a")
MARKED = "#b00020"
ROOM = 0.06  # beyond the outermost points, as a share of their range
LETTER, WIDE_LETTER = 6.2, 7.2  # mean width of a letter of a point's name, and of what is written at a level
LINE = 12.0
BAR = 10  # from one bar to the next
DOT = 4.5  # radius of a marked point


@dataclass(frozen=True)
class Point:
    """A point; ``colour`` counts through `COLOURS`, one that is marked is red and larger."""

    x: float
    y: float
    label: str = ""
    marked: bool = False
    colour: int = 0


@dataclass(frozen=True)
class Level:
    """A horizontal line.

    Attributes:
        y: where.
        text: written at its right end; beside the chart where the level goes all through it.
        dashed: whether the line is.
        band: lowest and highest value of its uncertainty, as an upright bar at its left end.
        span: from where to where along x; all of the chart by default.
    """

    y: float
    text: str = ""
    dashed: bool = False
    band: tuple[float, float] | None = None
    span: tuple[float, float] | None = None


def point_chart(
    title: str,
    points: Sequence[Point],
    levels: Sequence[Level] = (),
    *,
    x: str = "",
    y: str = "",
    joined: bool = False,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    log_x: bool = False,
    size: tuple[int, int] = SIZE,
) -> str:
    """Points over two axes, as an SVG group of ``size``; see `charts.sheet`.

    Args:
        title: above it.
        points: at least one; finite.
        levels: horizontal lines; they and their bands always lie within the chart.
        x: what the x axis counts.
        y: what the y axis counts.
        joined: whether a line goes from point to point.
        x_ticks: value and text of each mark on the x axis; round numbers by default.
        log_x: whether the x axis is logarithmic; every x is above 0 then.
        size: width and height.
    """
    heights = [one.y for one in points]
    heights += [value for one in levels for value in (one.y, *(one.band or ()))]
    words = max((len(one.text) for one in levels if one.span is None), default=0)
    axes = Axes(
        x=_wide([one.x for one in points], log=log_x),
        y=_wide(heights),
        size=size,
        log_x=log_x,
        right=RIGHT + WIDE_LETTER * words,
    )
    parts = axes.frame(title, x, axes.x_ticks() if x_ticks is None else x_ticks, y)
    parts += [_line(axes, level) for level in levels]
    parts += [_bar(axes, level, number) for number, level in enumerate(one for one in levels if one.band is not None)]
    if joined and len(points) > 1:
        path = "L".join("{:.1f} {:.1f}".format(*axes.at((one.x, one.y))) for one in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="#777"/>')
    for one in points:
        across, height = axes.at((one.x, one.y))
        colour, radius = (MARKED, DOT) if one.marked else (COLOURS[one.colour % len(COLOURS)], 3.2)
        parts.append(f'<circle cx="{across:.1f}" cy="{height:.1f}" r="{radius}" fill="{colour}"/>')
    return f"<g>{''.join([*parts, *_labels(axes, points, levels)])}</g>"


def _wide(values: Sequence[float], log: bool = False) -> tuple[float, float]:
    """The range of values with some room on both sides."""
    low, high = min(values), max(values)
    if log:
        factor = max(1.25, (high / low) ** ROOM)
        return low / factor, high * factor
    room = ROOM * (high - low) or max(1.0, ROOM * abs(high))
    return low - room, high + room


def _ends(axes: Axes, level: Level) -> tuple[float, float]:
    first, last = level.span or axes.x
    return axes.at((max(first, axes.x[0]), level.y))[0], axes.at((min(last, axes.x[1]), level.y))[0]


def _bar(axes: Axes, level: Level, number: int) -> str:
    """An upright bar at the left end of a level, from one end of its band to the other."""
    left = _ends(axes, level)[0] + BAR * (number + 1)
    top, bottom = (axes.at((axes.x[0], value))[1] for value in reversed(level.band or (level.y, level.y)))
    cap = f"h{BAR / 2:g}M{left - BAR / 4:.1f}"
    path = f"M{left - BAR / 4:.1f} {top:.1f}{cap} {bottom:.1f}h{BAR / 2:g}M{left:.1f} {top:.1f}V{bottom:.1f}"
    return f'<path d="{path}" fill="none" stroke="#777"/>'


def _line(axes: Axes, level: Level) -> str:
    left, right = _ends(axes, level)
    height = axes.at((axes.x[0], level.y))[1]
    dashes = ' stroke-dasharray="6 4"' if level.dashed else ""
    return f'<path d="M{left:.1f} {height:.1f}H{right:.1f}" stroke="#1c1c1c"{dashes}/>'


def _labels(axes: Axes, points: Sequence[Point], levels: Sequence[Level]) -> list[str]:
    """Words beside levels and points; one that would lie on another moves down or up, or to the point's other side."""
    taken: list[tuple[float, float, float, float]] = []
    parts = []
    for level in levels:
        if level.text:
            right, height = _ends(axes, level)[1], axes.at((axes.x[0], level.y))[1]
            where = (right + 4, height + 4, "start") if level.span is None else (right - 4, height - 4, "end")
            if level.span is not None:
                taken.append((where[0] - LETTER * len(level.text), where[0], where[1] - LINE, where[1]))
            parts.append(
                f'<text x="{where[0]:.1f}" y="{where[1]:.1f}" text-anchor="{where[2]}">{escape(level.text)}</text>'
            )
    for one in points:
        across, height = axes.at((one.x, one.y))
        taken.append((across - DOT, across + DOT, height - DOT, height + DOT))
    for one in points:
        if one.label:
            left, base = _free(axes, one, taken)
            parts.append(f'<text x="{left:.1f}" y="{base:.1f}" font-size="10.5">{escape(one.label)}</text>')
    return parts


def _free(axes: Axes, point: Point, taken: list[tuple[float, float, float, float]]) -> tuple[float, float]:
    """Left end and base line of a point's label where nothing is written yet, which is taken then."""
    across, height = axes.at((point.x, point.y))
    wide = LETTER * len(point.label)
    places = [(left, height + 4 + shift) for shift in (0, -9, 9, -18, 18) for left in (across + 7, across - 7 - wide)]
    inside = [
        (left, base)
        for left, base in places
        if left >= 0 and left + wide <= axes.size[0] - axes.right and TOP + LINE <= base <= axes.size[1]
    ]
    boxes = [(left, left + wide, base - LINE + 2, base) for left, base in inside or places]
    box = next((one for one in boxes if not any(_overlap(one, other) for other in taken)), boxes[0])
    taken.append(box)
    return box[0], box[3]


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
