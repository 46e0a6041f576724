"""Continuous fields whose zero level is a smooth outline of a mask's plane, and nothing about files.

At each pixel's centre a field has the mask's side, positive inside: an outline at its zero level passes no centre,
and filling it by pixel centres gives the mask back.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

# The distance is smoothed and put back on the mask's side in turns, as constrained elastic surface nets are relaxed
# (Gibson 1998): pixels' stairs go, what the mask says at a centre stays. Pixels.
SMOOTHING_PIXELS = 1.0
ROUNDS = 4
# How far a centre stays from the zero level, in the field's unit, which is pixels near the outline.
SIDE = 0.2
# What lies further away than this has no influence on the outline.
REACH = 6


def smoothed_distance(plane: np.ndarray) -> np.ndarray:
    """Signed distance to the outline of the pixels that are set, smoothed, positive inside.

    Args:
        plane: bool (rows, columns); what lies beyond it is outside.

    Returns:
        float64 of the same shape, about pixels; at no centre closer to 0 than ``SIDE``, and of the mask's sign.
    """
    inside = np.pad(plane, REACH)
    field = np.where(
        inside, ndimage.distance_transform_edt(inside) - 0.5, 0.5 - ndimage.distance_transform_edt(~inside)
    )
    np.clip(field, -REACH, REACH, out=field)
    area = float(np.count_nonzero(inside))
    for _ in range(ROUNDS):
        field = ndimage.gaussian_filter(field, SMOOTHING_PIXELS, truncate=3.0)
        field += _missing(field, area)
        field = np.where(inside, np.maximum(field, SIDE), np.minimum(field, -SIDE))
    return np.asarray(field[REACH:-REACH, REACH:-REACH])


def _missing(field: np.ndarray, area: float) -> float:
    """By how much to raise a field for its inside to have an area: smoothing alone makes round outlines smaller."""
    covered = np.clip(field + 0.5, 0, 1)
    length = np.count_nonzero((covered > 0) & (covered < 1))
    return (area - float(covered.sum())) / length if length else 0.0
