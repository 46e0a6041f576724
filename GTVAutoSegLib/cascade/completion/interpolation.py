"""Shape interpolation: the signed distances of two outlines, mixed by how near each is.

Nothing here imports torch: it is used where there is no network, and a network has to be better than this.
Source: Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE Trans Med Imaging 9 (1990) 32.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from .neighbours import Neighbours

# Beyond the last known slice, with no end named, an outline shrinks by so much on each mm; a network corrects it.
SHRINKING = 0.35


def signed_distance(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Distance of each pixel to the outline of a mask, inside positive.

    Args:
        mask: bool (y, x), not empty.
        spacing: (y, x), mm.

    Returns:
        float32 (y, x), mm; the outline lies half a pixel from the centres on both of its sides.
    """
    half = min(spacing) / 2
    # What lies beyond the array is outside: a mask that fills it would have no outline.
    inside = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1]
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return np.asarray(np.where(mask, inside - half, half - outside).astype(np.float32))


def mixed_distance(
    neighbours: Neighbours, distance: Callable[[int], np.ndarray], spacing: tuple[float, float, float]
) -> np.ndarray:
    """Signed distance of a slice between its nearest known neighbours; tumour is where it is above 0.

    Args:
        neighbours: of the slice; at least one of the nearest shows tumour.
        distance: index of a neighbour that is not empty -> its signed distance (y, x), mm.
        spacing: (z, y, x), mm.

    Returns:
        float32 (y, x), mm.
    """
    below, above = neighbours.nearest
    if below is None or above is None:
        nearest = neighbours.shown[0].index
        return distance(nearest) - SHRINKING * spacing[0] * abs(neighbours.index - nearest)
    maps = [None if anchor.empty else distance(anchor.index) for anchor in (below, above)]
    other = next(one for one in maps if one is not None)
    # An empty slice has no outline: it counts as the other's, shrunk until nothing is left.
    lower, upper = (other - other.max() - min(spacing[1:]) if one is None else one for one in maps)
    share = (neighbours.index - below.index) / (above.index - below.index)
    return (1 - share) * lower + share * upper
