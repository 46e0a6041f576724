"""From a mask's plane to closed polygons, and nothing about files; the way back is `fill_polygons` of `filling.py`.

The outlines cross every edge between the centre of a pixel inside and that of its neighbour outside once (marching
squares, Lorensen and Cline 1987), and pass no centre, so filling them by pixel centres gives the mask back exactly. No
two outlines meet, and none meets itself: pixels that touch at a corner only are kept apart.

Without a field they cross in the middle: every turn is one of 45 or 90 degrees, every pixel's centre keeps at least
0.35 pixels of distance, and an outline's area differs from that of its pixels by half a pixel. With one they cross
where it is 0, which makes them smooth (`fields`), and points that add less than a tolerance are left out
(`thinning`).

A hole is joined to the outline around it by a keyhole: a slit of no width, walked there and back, between two rows of
pixel centres. An island in a hole is a polygon of its own. The polygons of a plane therefore do not overlap, and it
does not matter whether a reader unites them or takes them by turns as inside and outside.
"""

from __future__ import annotations

import numpy as np

from .thinning import CLOSEST, thin

# Points are kept as integers of half a pixel; (x, y) of the midpoints of a cell between four pixel centres.
_TOP, _RIGHT, _BOTTOM, _LEFT = (1, 0), (2, 1), (1, 2), (0, 1)
# By the pixels inside (top left 8, top right 4, bottom right 2, bottom left 1): from where to where, inside on the
# right hand when y points down.
_SEGMENTS = {
    0b1000: ((_TOP, _LEFT),),
    0b0100: ((_RIGHT, _TOP),),
    0b0010: ((_BOTTOM, _RIGHT),),
    0b0001: ((_LEFT, _BOTTOM),),
    0b1100: ((_RIGHT, _LEFT),),
    0b0011: ((_LEFT, _RIGHT),),
    0b1001: ((_TOP, _BOTTOM),),
    0b0110: ((_BOTTOM, _TOP),),
    0b0111: ((_LEFT, _TOP),),
    0b1011: ((_TOP, _RIGHT),),
    0b1101: ((_RIGHT, _BOTTOM),),
    0b1110: ((_BOTTOM, _LEFT),),
    0b1010: ((_TOP, _LEFT), (_BOTTOM, _RIGHT)),
    0b0101: ((_RIGHT, _TOP), (_LEFT, _BOTTOM)),
}
_Point = tuple[int, int]


def trace(
    plane: np.ndarray, field: np.ndarray | None = None, tolerance: tuple[float, float] = (0.0, 0.0)
) -> list[np.ndarray]:
    """Outline the pixels that are set.

    Args:
        plane: (rows, columns), bool or 0 and 1.
        field: float of the same shape, positive where a pixel is set, negative elsewhere; the outlines lie where it is
            0, linearly interpolated, but not closer to a centre than ``CLOSEST``. None puts them midway.
        tolerance: how far the outlines may be off to save points, in pixels along x and y; for those of a field.

    Returns:
        A closed polygon for each part, float64 (n, 2), points (x, y) in pixels, whole numbers are pixel centres; the
        first point is not repeated. Points lie up to half a pixel beyond the plane's outermost centres.
    """
    inside = np.pad(np.asarray(plane, bool), 1)
    follower = _follow(inside)
    outlines = _Outlines(follower)
    # From the top down: the outline that a slit reaches then is joined to its own surroundings already.
    for start in sorted(outlines.holes, key=lambda point: (point[1], point[0])):
        outlines.join(start, _left_of(start, inside))
    if field is None:
        return [points[fixed | _turns(points)] / 2 - 1 for points, fixed in outlines.chains()]
    values = np.pad(field, 1, mode="edge")
    # Beyond the plane the neighbour's value with the other sign: half a pixel outside.
    values[inside != (values > 0)] *= -1
    polygons = []
    for points, fixed in outlines.chains():
        places = _places(points, values)
        if all(tolerance):
            places = places[thin(places, points[:, 0] % 2 == 1, fixed, np.array(tolerance))]
        polygons.append(places - 1)
    return polygons


def _turns(points: np.ndarray) -> np.ndarray:
    """Which points of a closed outline are not in the middle of a straight piece."""
    (x0, y0), (x1, y1) = (points - np.roll(points, 1, axis=0)).T, (np.roll(points, -1, axis=0) - points).T
    return np.asarray(x0 * y1 != y0 * x1)


def _places(points: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Where a field is 0 on the edges that points lie on; (n, 2), in pixels."""
    low, high = points // 2, (points + 1) // 2
    at_low, at_high = field[low[:, 1], low[:, 0]], field[high[:, 1], high[:, 0]]
    share = np.clip(at_low / (at_low - at_high), CLOSEST, 1 - CLOSEST)
    places = low + (high - low) * share[:, None]
    # The end of a slit in the middle of a cell: between the two points of the outline above and below.
    for index in np.flatnonzero((high > low).all(axis=1)):
        x, y = points[index]
        places[index] = _places(np.array([(x, y - 1), (x, y + 1)]), field).mean(axis=0)
    return np.asarray(places)


def _follow(inside: np.ndarray) -> dict[_Point, _Point]:
    """The next point of each point of the outlines."""
    bits = inside.astype(np.uint8)
    cells = bits[:-1, :-1] << 3 | bits[:-1, 1:] << 2 | bits[1:, 1:] << 1 | bits[1:, :-1]
    rows, columns = np.nonzero((cells > 0) & (cells < 15))
    follower = {}
    for cell, y, x in zip(cells[rows, columns].tolist(), (2 * rows).tolist(), (2 * columns).tolist()):
        for (from_x, from_y), (to_x, to_y) in _SEGMENTS[cell]:
            follower[x + from_x, y + from_y] = (x + to_x, y + to_y)
    return follower


def _left_of(start: _Point, inside: np.ndarray) -> _Point:
    """The nearest point of an outline to the left of a hole's topmost, leftmost point."""
    column, row = start[0] // 2, start[1] // 2
    above, below = inside[row, :column], inside[row + 1, :column]
    stop = int(np.flatnonzero(~(above & below))[-1])
    return (2 * stop if above[stop] or below[stop] else 2 * stop + 1), start[1]


class _Outlines:
    """Outlines as chains of nodes; a point that is walked over twice has two nodes."""

    def __init__(self, follower: dict[_Point, _Point]) -> None:
        self._points = list(follower)
        self._node = {point: node for node, point in enumerate(self._points)}
        self._next = [self._node[point] for point in follower.values()]
        self._previous = [0] * len(self._next)
        for node, following in enumerate(self._next):
            self._previous[following] = node
        self._slits: set[int] = set()
        self._starts: list[int] = []
        self.holes: list[_Point] = []
        for chain in self._chains(range(len(self._points))):
            points = np.array([self._points[node] for node in chain])
            x, y = points.T
            if x @ np.roll(y, -1) > y @ np.roll(x, -1):
                self._starts.append(chain[0])
            else:
                # Between two rows of pixel centres, where a slit passes no pixel's centre.
                self.holes.append(min(map(tuple, points[y % 2 == 1].tolist()), key=lambda point: (point[1], point[0])))

    def join(self, start: _Point, hit: _Point) -> None:
        """Cut a slit from an outline at ``hit`` to the hole that has the point ``start``."""
        if hit not in self._node:  # in the middle of a straight piece, which here runs upwards
            self._insert(hit, after=self._node[hit[0], hit[1] + 1])
        there, hole = self._node[hit], self._node[start]
        beyond, last = self._next[there], self._previous[hole]
        hole_again, back = self._new(start), self._new(hit)
        for one, other in ((there, hole), (last, hole_again), (hole_again, back), (back, beyond)):
            self._link(one, other)
        self._slits |= {there, hole, hole_again, back}
        # A later slit that ends here leaves on the way back, so that the walk never crosses itself.
        self._node[start] = hole_again

    def chains(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The points (n, 2) of each outline, and which of them are ends of slits, bool (n,)."""
        return [
            (np.array([self._points[node] for node in chain]), np.array([node in self._slits for node in chain]))
            for chain in self._chains(self._starts)
        ]

    def _chains(self, starts: range | list[int]) -> list[list[int]]:
        chains, seen = [], set()
        for start in starts:
            chain, node = [], start
            while node not in seen:
                seen.add(node)
                chain.append(node)
                node = self._next[node]
            if chain:
                chains.append(chain)
        return chains

    def _insert(self, point: _Point, after: int) -> None:
        node, following = self._new(point), self._next[after]
        self._node[point] = node
        self._link(after, node)
        self._link(node, following)

    def _new(self, point: _Point) -> int:
        self._points.append(point)
        self._next.append(0)
        self._previous.append(0)
        return len(self._points) - 1

    def _link(self, node: int, following: int) -> None:
        self._next[node], self._previous[following] = following, node
