"""From closed contours in patient coordinates to masks on a volume's grid, and nothing about files.

A voxel belongs to the mask when its centre lies inside (even-odd rule). Contours of one plane are taken together, so
that an inner contour cuts a hole, and so does a keyhole: its channel is walked twice and cancels. A centre that lies
on an edge belongs to the side of higher row and column index, so contours that share an edge never share a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..volume import Volume

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
        unused: how many contours lie closer to a slice's neighbour plane than the plane that was taken for it.
        step: usual distance between slices that have contours, in slices; 1 when every slice has its own.
    """

    mask: np.ndarray
    outside: int = 0
    unused: int = 0
    step: int = 1


def rasterise(contours: Sequence[np.ndarray], volume: Volume) -> Raster:
    """Fill contours on the grid of a volume.

    The points are first brought to index coordinates, so that oblique and tilted scans need no special treatment.
    A contour is drawn on the slice nearest to it, at most half a slice away; where several planes of contours are
    nearest to one slice, only the closest plane is drawn. Slices between contours stay empty.

    Args:
        contours: closed polygons, float (n, 3) each, points (x, y, z) in LPS, mm.
        volume: gives size and geometry.

    Raises:
        InputError: a contour does not lie in the volume's slices.
    """
    planes = _planes([to_index(contour, volume) for contour in contours])
    count, rows, columns = volume.array.shape
    mask = np.zeros(volume.array.shape, bool)
    outside = unused = 0
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
        mask[index] = fill_polygons(polygons, (rows, columns))
    steps = np.diff(sorted(taken))
    return Raster(mask, outside, unused, int(np.median(steps)) if len(steps) else 1)


def to_index(points: np.ndarray, volume: Volume) -> np.ndarray:
    """Bring points (n, 3), LPS, mm, to index coordinates (x, y, z); whole numbers are voxel centres."""
    axes = np.reshape(volume.direction, (3, 3)) * np.asarray(volume.spacing)
    return np.linalg.solve(axes, (np.asarray(points, np.float64) - volume.origin).T).T


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
    return np.cumsum(crossings.reshape(rows, columns + 1), axis=1)[:, :columns] % 2 == 1


def _planes(contours: Sequence[np.ndarray]) -> list[tuple[float, list[np.ndarray]]]:
    """Heights in slices and the polygons (n, 2) there, from the lowest up; a contour that comes twice counts once."""
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
        if not any(np.array_equal(polygon, other) for other in planes[-1][1]):
            planes[-1][1].append(polygon)
    return planes


def _overlaps(polygon: np.ndarray, rows: int, columns: int) -> bool:
    (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
    return bool(right >= 0 and bottom >= 0 and left <= columns - 1 and top <= rows - 1)
