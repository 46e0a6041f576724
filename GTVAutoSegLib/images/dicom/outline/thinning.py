"""Leaving out points of outlines that lie on the edges of the grid of pixel centres, without passing a centre.

The points between two that stay are left out (Douglas and Peucker 1973) only when the straight piece in their place
crosses the same edges of the grid, between the same two centres. Outlines then still pass the same cells in the same
order: filling by pixel centres gives the same pixels, and outlines that did not meet before do not meet now.
"""

from __future__ import annotations

import numpy as np

# How close to a pixel's centre an outline may cross the edge between two, pixels.
CLOSEST = 0.1


def thin(points: np.ndarray, horizontal: np.ndarray, fixed: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Which points of a closed outline stay.

    Args:
        points: (n, 2), (x, y) in pixels, whole numbers are pixel centres; each lies on an edge between two centres.
        horizontal: bool (n,), whether that edge runs along x.
        fixed: bool (n,), which have to stay.
        tolerance: (2,), what a point may be off, in pixels along x and along y; an ellipse between them.

    Returns:
        bool (n,).
    """
    kept = fixed.copy()
    if not kept.any():
        kept[0] = True
    if kept.sum() == 1:
        first = int(np.flatnonzero(kept)[0])
        kept[np.argmax((((points - points[first]) / tolerance) ** 2).sum(axis=1))] = True
    stays = np.flatnonzero(kept)
    # Twice around, so that the piece over the end of the array is one like the others.
    twice = np.concatenate([points, points[: stays[0] + 1]])
    flat = np.concatenate([horizontal, horizontal[: stays[0] + 1]])
    pieces = list(zip(stays.tolist(), [*stays[1:].tolist(), len(points) + int(stays[0])]))
    while pieces:
        start, end = pieces.pop()
        if end - start < 2:
            continue
        split = _split(twice[start : end + 1], flat[start + 1 : end], tolerance)
        if split:
            kept[(start + split) % len(points)] = True
            pieces += [(start, start + split), (start + split, end)]
    return kept


def _split(points: np.ndarray, horizontal: np.ndarray, tolerance: np.ndarray) -> int:
    """Which point between the first and the last has to stay; 0 when none has to."""
    first, along = points[0], points[-1] - points[0]
    between = points[1:-1]
    scaled, off = along / tolerance, (between - first) / tolerance
    length = float(scaled @ scaled)
    share = np.clip(off @ scaled / length, 0, 1) if length else np.zeros(len(off))
    distance = np.hypot(*(off - share[:, None] * scaled).T)
    if distance.max() > 1 or not _crosses(first, along, between, horizontal):
        return 1 + int(np.argmax(distance))
    return 0


def _crosses(first: np.ndarray, along: np.ndarray, between: np.ndarray, horizontal: np.ndarray) -> bool:
    """Whether a straight piece crosses, one after the other, the edges that some points lie on."""
    # An edge along x is crossed where the piece reaches its y, one along y where it reaches its x.
    level = np.where(horizontal, 1, 0)
    steps = along[level]
    if not steps.all():
        return False
    rows = np.arange(len(between))
    share = (between[rows, level] - first[level]) / steps
    other = 1 - level
    place = first[other] + share * along[other]
    inside = np.abs(place - np.floor(between[rows, other]) - 0.5) <= 0.5 - CLOSEST
    return bool(inside.all() and share[0] > 0 and share[-1] < 1 and (np.diff(share) > 0).all())
