"""The part of a slice that a picture shows: the body with a margin. In a wide field of view a head is a few pixels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..images.volume import bounding_box

MARGIN_MM = 15.0
BODY_HU = -500.0
# The body is looked for in a coarse picture; parts thinner than about 15 mm (couch, sheets, tubes) do not count.
STEP_MM = 3.0
OPENING = np.ones((5, 5), bool)
# The other leg is shown as well; smaller parts are cushions and cables.
SMALLEST_PART = 0.1


def body_frame(hu: np.ndarray, tumour: np.ndarray, spacing: tuple[float, ...]) -> tuple[slice, slice]:
    """Rows and columns of slices around the body and the tumour, with a margin.

    The frame has the proportions of the whole slice, so that pictures of different scans stay of one size.

    Args:
        hu: (slices, y, x), those that are shown, HU.
        tumour: bool, of the same shape.
        spacing: between rows and between columns, mm.

    Returns:
        Index of a slice; the whole of it where there is no body.
    """
    height, width = hu.shape[1:]
    steps = [max(1, round(STEP_MM / side)) for side in spacing]
    found = [_body(plane) for plane in hu[:, :: steps[0], :: steps[1]]]
    body = bounding_box(np.array(found))
    if body is None:
        return slice(0, height), slice(0, width)
    boxes = [[(one.start * step, one.stop * step) for one, step in zip(body[1:], steps)]]
    marked = bounding_box(tumour)
    if marked is not None:
        boxes.append([(one.start, one.stop) for one in marked[1:]])
    ends = [(min(starts), max(stops)) for starts, stops in (zip(*sides) for sides in zip(*boxes))]
    margins = [MARGIN_MM / side for side in spacing]
    share = max((stop - start + 2 * more) / size for (start, stop), more, size in zip(ends, margins, (height, width)))
    rows, columns = (centred(*end, round(share * size), size=size) for end, size in zip(ends, (height, width)))
    return rows, columns


def _body(plane: np.ndarray) -> np.ndarray:
    """The large parts of a slice that are no air, bool."""
    parts, count = ndimage.label(ndimage.binary_opening(plane > BODY_HU, OPENING))
    if count == 0:
        return np.zeros(plane.shape, bool)
    areas = np.bincount(parts.ravel())[1:]
    return np.isin(parts, 1 + np.flatnonzero(areas >= SMALLEST_PART * areas.max()))


def centred(start: int, stop: int, length: int, size: int) -> slice:
    """So much of an axis, or all of it, around a stretch of it."""
    length = min(size, length)
    first = min(max(0, (start + stop - length) // 2), size - length)
    return slice(first, first + length)
