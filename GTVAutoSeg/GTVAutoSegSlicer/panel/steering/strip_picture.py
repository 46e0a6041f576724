"""The slice strip as a picture: one column a slice, drawn with numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Colors:
    """What is drawn in which colour.

    Attributes:
        paper: behind the range.
        outside: behind the other slices.
        probability: of the classifier.
        area: outlined.
        mine: slices that are a person's.
        looked_at: slices of the last run.
        given: an end that a person has named.
        found: an end that nobody has named.
        shown: the slice shown.
    """

    paper: Color
    outside: Color
    probability: Color
    area: Color
    mine: Color
    looked_at: Color
    given: Color
    found: Color
    shown: Color


BRIGHT = Colors(
    paper=(250, 250, 250),
    outside=(208, 208, 212),
    probability=(158, 196, 232),
    area=(176, 32, 38),
    mine=(34, 139, 60),
    looked_at=(120, 120, 128),
    given=(226, 118, 0),
    found=(243, 190, 128),
    shown=(10, 10, 10),
)
DARK = Colors(
    paper=(38, 38, 40),
    outside=(70, 70, 76),
    probability=(56, 92, 130),
    area=(244, 104, 104),
    mine=(76, 190, 104),
    looked_at=(150, 150, 158),
    given=(255, 160, 40),
    found=(150, 108, 60),
    shown=(245, 245, 245),
)

# Pixels, from the bottom: where the last run looked, which slices are mine, and the chart above.
RUN_ROWS, MINE_ROWS, GAP = 4, 7, 2
END_WIDTH = 3
# How near to an end a click takes hold of it.
GRIP = 6


@dataclass(frozen=True)
class Strip:
    """What the strip shows of each slice.

    Attributes:
        count: slices of the CT.
        probability: of each slice, NaN where it is not known; empty where none is.
        area: of the outline on each slice, in any unit.
        mine: slices that are a person's.
        looked_at: the slices the last run was asked for, the first and the one after the last; None for all.
        ends: first and last slice of the range.
        given: whether a person has named them.
        shown: the slice that the axial view shows, or None.
    """

    count: int = 0
    probability: tuple[float, ...] = ()
    area: tuple[float, ...] = ()
    mine: tuple[int, ...] = ()
    looked_at: tuple[int, int] | None = None
    ends: tuple[int, int] = (0, 0)
    given: tuple[bool, bool] = (False, False)
    shown: int | None = None


def slice_at(x: float, width: int, count: int) -> int:
    """The slice at a place of a strip so many pixels wide."""
    return min(max(int(x * count / max(width, 1)), 0), count - 1)


def place_of(edge: int, width: int, count: int) -> int:
    """Where a slice begins: pixels from the left."""
    return round(edge * width / max(count, 1))


def end_at(x: float, width: int, strip: Strip) -> int | None:
    """Which end of the range, 0 or 1, a click takes hold of; None for neither."""
    places = (place_of(strip.ends[0], width, strip.count), place_of(strip.ends[1] + 1, width, strip.count))
    distances = [abs(x - place) for place in places]
    nearest = int(np.argmin(distances))
    return nearest if distances[nearest] <= GRIP else None


def draw(strip: Strip, width: int, height: int, colors: Colors = BRIGHT) -> np.ndarray:
    """Draw a strip.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    picture = np.full((height, width, 3), colors.paper if strip.count else colors.outside, np.uint8)
    if not strip.count:
        return picture
    # A column that several slices share shows the highest of them, so that none is overlooked.
    starts = np.arange(width) * strip.count // width
    stops = np.maximum((np.arange(1, width + 1) * strip.count + width - 1) // width, starts + 1)
    bottom = height - RUN_ROWS - MINE_ROWS - GAP
    _shade_outside(picture, strip, width, colors.outside)
    if len(strip.probability) == strip.count:
        known = np.nan_to_num(np.asarray(strip.probability, float))
        _fill_columns(picture, _highest(known, starts, stops) * bottom, bottom, colors.probability)
    area = np.asarray(strip.area)
    if area.any():
        tops = _highest(area / area.max(), starts, stops) * (bottom - 3)
        _draw_line(picture, tops, bottom, colors.area)
    flags = np.zeros(strip.count)
    flags[list(strip.mine)] = 1
    picture[bottom + GAP : bottom + GAP + MINE_ROWS, _highest(flags, starts, stops) > 0] = colors.mine
    first, stop = strip.looked_at or (0, strip.count)
    picture[height - RUN_ROWS :, place_of(first, width, strip.count) : place_of(stop, width, strip.count)] = (
        colors.looked_at if strip.probability else colors.outside
    )
    _draw_ends(picture, strip, width, colors)
    if strip.shown is not None:
        left, right = place_of(strip.shown, width, strip.count), place_of(strip.shown + 1, width, strip.count)
        middle = min((left + right) // 2, width - 1)
        picture[:, middle] = colors.shown
    return picture


def _highest(values: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    if len(starts) >= len(values):
        return values[starts]
    return np.array([values[start:stop].max() for start, stop in zip(starts, stops)])


def _shade_outside(picture: np.ndarray, strip: Strip, width: int, color: Color) -> None:
    picture[:, : place_of(strip.ends[0], width, strip.count)] = color
    picture[:, place_of(strip.ends[1] + 1, width, strip.count) :] = color


def _fill_columns(picture: np.ndarray, heights: np.ndarray, bottom: int, color: Color) -> None:
    rows = np.arange(len(picture))[:, None]
    picture[(rows < bottom) & (rows >= bottom - np.round(heights))] = color


def _draw_line(picture: np.ndarray, heights: np.ndarray, bottom: int, color: Color) -> None:
    """A line along the tops, with its steps."""
    tops = bottom - 2 - np.round(heights).astype(int)
    rows = np.arange(len(picture))[:, None]
    before = np.concatenate(([tops[0]], tops[:-1]))
    low, high = np.minimum(tops, before), np.maximum(tops, before) + 1
    picture[(rows >= low) & (rows <= high) & ((heights > 0) | (np.concatenate(([0], heights[:-1])) > 0))] = color


def _draw_ends(picture: np.ndarray, strip: Strip, width: int, colors: Colors) -> None:
    for edge, given in zip((strip.ends[0], strip.ends[1] + 1), strip.given):
        middle = place_of(edge, width, strip.count)
        left = min(max(middle - END_WIDTH // 2, 0), width - END_WIDTH)
        picture[:, left : left + END_WIDTH] = colors.given if given else colors.found
