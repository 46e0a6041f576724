"""From closed contours in patient coordinates to masks on a volume's grid, and nothing about files.

A voxel belongs to the mask when its centre lies inside (even-odd rule). Contours of one plane are taken together, so
that an inner contour cuts a hole, and so does a keyhole: its channel is walked twice and cancels. A centre that lies
on an edge belongs to the side of higher row and column index, so contours that share an edge never share a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ....errors import InputError
from ...volume import Volume, cut_out

# Contours of one plane differ in height by rounding only; those halfway between two slices all go to the lower one.
SAME_PLANE_SLICES = 0.02
# Pixel coordinates are rounded to this: a point given on a pixel's centre stays there, whatever the scan's geometry.
DECIMALS = 6
# How far the points of one contour may leave its plane, in slices.
FLAT_SLICES = 0.5


@dataclass(frozen=True)
class Raster:
    """Contours as voxels.

    Attributes:
        mask: bool (z, y, x).
        outside: how many contours lie above or below the volume, or beyond its rows and columns.
        unused: how many contours were left out because another plane of contours lies nearer to their slice.
        step: usual distance between slices that have contours, in slices; 1 when every slice has its own.
        gaps: slices without contours where the usual step would have one, between the lowest and the highest.
        moved: the largest distance between a contour and the slice it is drawn on, in slices.
        twice: how many contours repeat another one, wherever they begin and whichever way they go round.
        joined: how many contours overlap others of their plane and were joined to them.
    """

    mask: np.ndarray
    outside: int = 0
    unused: int = 0
    step: int = 1
    gaps: tuple[int, ...] = ()
    moved: float = 0.0
    twice: int = 0
    joined: int = 0


def rasterise(contours: Sequence[np.ndarray], volume: Volume, exclusive: bool = False) -> Raster:
    """Fill contours on the grid of a volume.

    The points are first brought to index coordinates, so that oblique and tilted scans need no special treatment.
    A contour is drawn on the slice nearest to it, at most half a slice away; where several planes of contours are
    nearest to one slice, only the closest plane is drawn. Slices between contours stay empty. Contours of one plane
    that lie within each other are holes and islands by turns; those that only overlap are joined.

    Args:
        contours: closed polygons, float (n, 3) each, points (x, y, z) in LPS, mm.
        volume: gives size and geometry.
        exclusive: whether contours that overlap cut each other (CLOSEDPLANAR_XOR).

    Raises:
        InputError: a contour does not lie in the volume's slices.
    """
    planes = _planes([to_index(contour, volume) for contour in contours])
    count, rows, columns = volume.array.shape
    mask = np.zeros(volume.array.shape, bool)
    outside = unused = twice = joined = 0
    taken: dict[int, tuple[float, list[np.ndarray]]] = {}
    for height, polygons in planes:
        index = int(np.floor(height + 0.5 - SAME_PLANE_SLICES))
        inside = [polygon for polygon in polygons if 0 <= index < count and _overlaps(polygon, rows, columns)]
        outside += len(polygons) - len(inside)
        distance = abs(height - index)
        if inside and (index not in taken or distance < taken[index][0]):
            unused += len(taken[index][1]) if index in taken else 0
            taken[index] = distance, inside
        elif inside:
            unused += len(inside)
    for index, (_, polygons) in taken.items():
        once = _without_twins(polygons)
        twice += len(polygons) - len(once)
        mask[index], overlapping = (
            (fill_polygons(once, (rows, columns)), 0) if exclusive else _fill_plane(once, (rows, columns))
        )
        joined += overlapping
    steps = np.diff(sorted(taken))
    step = int(np.median(steps)) if len(steps) else 1
    gaps = tuple(gap for start, wide in zip(sorted(taken), steps) for gap in range(start + step, start + wide, step))
    moved = max((distance for distance, _ in taken.values()), default=0.0)
    return Raster(mask, outside=outside, unused=unused, step=step, gaps=gaps, moved=moved, twice=twice, joined=joined)


def _fill_plane(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Fill the polygons of one plane, and count those that overlap others without lying within them.

    Overlaps are looked for pixel by pixel. A polygon that sticks out of another one by no more than a pixel counts as
    within it: that much is rounding.
    """
    if len(polygons) < 2:
        return fill_polygons(polygons, shape), 0
    masks = [_Patch(polygon, shape) for polygon in polygons]
    groups: list[list[int]] = []
    for index, patch in enumerate(masks):
        touched = [group for group in groups if any(patch.crosses(masks[other]) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([index, *(member for group in touched for member in group)])
    if len(groups) == len(polygons):
        return fill_polygons(polygons, shape), 0
    result = np.zeros(shape, bool)
    for group in groups:
        union = np.zeros(shape, bool)
        for member in group:
            union[masks[member].place] |= masks[member].mask
        result ^= union
    return result, sum(len(group) for group in groups if len(group) > 1)


class _Patch:
    """A filled polygon, kept as the part of the plane around it."""

    def __init__(self, polygon: np.ndarray, shape: tuple[int, int]) -> None:
        low = np.clip(np.floor(polygon.min(axis=0)).astype(int) - 1, 0, shape[::-1])
        high = np.clip(np.ceil(polygon.max(axis=0)).astype(int) + 2, 0, shape[::-1])
        self.place = slice(low[1], high[1]), slice(low[0], high[0])
        self.mask = fill_polygons([polygon - low], (high[1] - low[1], high[0] - low[0]))

    def crosses(self, other: _Patch) -> bool:
        """Whether two polygons overlap, and neither lies within the other as a hole or an island would."""
        if not all(one.start < two.stop and two.start < one.stop for one, two in zip(self.place, other.place)):
            return False  # at once: all pairs of a plane are asked, and most lie apart
        small, large = sorted((self, other), key=lambda one: one.mask.size)
        shared = int((small.mask & cut_out(large.mask, large.place, small.place)).sum())
        sizes = {int(self.mask.sum()), int(other.mask.sum())}
        if not shared:
            return False
        if shared in sizes:
            return len(sizes) == 1  # the very same pixels: drawn twice
        return self.within(other) == other.within(self)  # both: drawn twice, a little beside

    def within(self, other: _Patch) -> bool:
        """Whether this polygon sticks out of the other one by no more than a pixel."""
        grown = cut_out(other.mask, other.place, [slice(side.start - 1, side.stop + 1) for side in self.place])
        near = ndimage.binary_dilation(grown, np.ones((3, 3), bool))[1:-1, 1:-1]
        return not (self.mask & ~near).any()


def _without_twins(polygons: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The polygons without those that are there once more, begun at another point or walked the other way."""
    found: dict[bytes, np.ndarray] = {}
    for polygon in polygons:
        closed = len(polygon) > 3 and np.array_equal(polygon[0], polygon[-1])
        ring = (polygon[:-1] if closed else polygon) + 0.0  # no -0.0, whose bytes differ from those of 0.0
        starts = np.flatnonzero((ring == ring[np.lexsort(ring.T)[0]]).all(axis=1))
        walks = [np.roll(ring, -start, axis=0) for start in starts]
        walks += [np.roll(ring[::-1], start + 1 - len(ring), axis=0) for start in starts]
        found.setdefault(min(np.ascontiguousarray(walk).tobytes() for walk in walks), polygon)
    return list(found.values())


def to_index(points: np.ndarray, volume: Volume) -> np.ndarray:
    """Bring points (n, 3), LPS, mm, to index coordinates (x, y, z); whole numbers are voxel centres."""
    return np.linalg.solve(volume.steps, (np.asarray(points, np.float64) - volume.origin).T).T


def fill_polygons(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Even-odd fill of several polygons at once by scanlines through the pixel centres.

    Args:
        polygons: float (n, 2) each, points (x, y) in pixels, whole numbers are pixel centres; closed or not.
        shape: (rows, columns) of the result.

    Returns:
        bool (rows, columns).
    """
    rows, columns = shape
    starts = np.concatenate(polygons)
    ends = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    # Each edge from its lower end to its upper one: the two walks through a keyhole then give the very same numbers.
    upwards = (starts[:, 1] <= ends[:, 1])[:, None]
    low, high = np.where(upwards, starts, ends), np.where(upwards, ends, starts)
    first = np.clip(np.ceil(low[:, 1]), 0, rows).astype(int)
    crossed = np.clip(np.ceil(high[:, 1]), 0, rows).astype(int) - first
    edge = np.repeat(np.arange(len(low)), crossed)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed, crossed) + first[edge]
    fraction = (row - low[edge, 1]) / (high[edge, 1] - low[edge, 1])
    x = low[edge, 0] + fraction * (high[edge, 0] - low[edge, 0])
    column = np.clip(np.ceil(x), 0, columns).astype(int)
    crossings = np.bincount(row * (columns + 1) + column, minlength=rows * (columns + 1))
    return np.asarray(np.cumsum(crossings.reshape(rows, columns + 1), axis=1)[:, :columns] % 2 == 1)


def _planes(contours: Sequence[np.ndarray]) -> list[tuple[float, list[np.ndarray]]]:
    """Heights in slices and the polygons (n, 2) there, from the lowest up."""
    flat = []
    for contour in contours:
        heights = contour[:, 2]
        if np.ptp(heights) > FLAT_SLICES:
            raise InputError(
                f"a contour spans {np.ptp(heights):.1f} slices of the CT; expected contours drawn on its slices, so "
                "export the structure set for this CT"
            )
        flat.append((float(heights.mean()), contour[:, :2].round(DECIMALS)))
    flat.sort(key=lambda item: item[0])
    planes: list[tuple[float, list[np.ndarray]]] = []
    for height, polygon in flat:
        if not planes or height - planes[-1][0] > SAME_PLANE_SLICES:
            planes.append((height, []))
        planes[-1][1].append(polygon)
    return planes


def _overlaps(polygon: np.ndarray, rows: int, columns: int) -> bool:
    (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
    return bool(right >= 0 and bottom >= 0 and left <= columns - 1 and top <= rows - 1)
