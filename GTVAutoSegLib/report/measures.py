"""Figures of a tumour for its report: diameters, HU, parts, distance to the border of the scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from ..placement import to_border
from ..volume import Volume, bounding_box

NAMED_COMPONENTS = 10


def measure(mask: np.ndarray, volume: Volume) -> dict[str, Any]:
    """Measure a tumour.

    Diameters run between the faces of voxels, so that a row of n voxels is n voxels long.

    Args:
        mask: (z, y, x), 0 or 1, on the volume's grid.
        volume: the CT.

    Returns:
        JSON-ready values; {} for an empty mask. ``diameter_mm`` is the largest distance between two points of the
        tumour, ``axial_diameter_mm`` the largest within one axial slice, ``axial_diameter_slice``; both in mm.
        ``hu`` has mean, sd, min, p5, median, p95 and max. ``components_ml`` are the volumes of the up to 10 largest
        parts (26-connected) of ``components``, mL. ``border_mm`` is the smallest distance to the border of the scan,
        mm, towards ``border_side``. ``slice_area_cm2`` is the area on each tumour slice, by slice index, from the feet
        to the head: of equal ones the first is what `pictures.thumbnail` shows, however the scan is stored.
    """
    view = volume.axial
    whole = view.of(mask)
    box = bounding_box(whole)
    if box is None:
        return {}
    tumour = whole[box].astype(bool)
    steps = _steps(volume)
    count, first, flipped = len(whole), box[0].start, 0 in view.flips
    used = np.flatnonzero(tumour.any(axis=(1, 2)))
    stored = {int(index): int(count - 1 - first - index if flipped else first + index) for index in used}
    area = float(np.linalg.norm(np.cross(steps[1], steps[2]))) / 100
    outlines = {index: _corners(tumour[index]) for index in stored}
    by_slice = {index: _largest_distance(corners @ steps[1:]) for index, corners in outlines.items()}
    widest = max(by_slice, key=lambda index: by_slice[index])
    border, side = to_border(box, volume)
    components = _components(tumour, abs(float(np.linalg.det(steps))) / 1000)
    return {
        "diameter_mm": round(_diameter(tumour, outlines, steps), 2),
        "axial_diameter_mm": round(by_slice[widest], 2),
        "axial_diameter_slice": stored[widest],
        "hu": _hu(view.of(volume.array)[box][tumour]),
        "components": len(components),
        "components_ml": components[:NAMED_COMPONENTS],
        "border_mm": round(border, 2),
        "border_side": side,
        "slice_area_cm2": {
            str(stored[index]): round(int(np.count_nonzero(tumour[index])) * area, 3) for index in stored
        },
    }


def _steps(volume: Volume) -> np.ndarray:
    """Row i: the way in mm from one voxel to the next along axial axis i."""
    view = volume.axial
    columns = np.reshape(volume.direction, (3, 3)) * volume.spacing
    return np.array([columns[:, 2 - axis] * (-1 if i in view.flips else 1) for i, axis in enumerate(view.axes)])


def _diameter(mask: np.ndarray, outlines: dict[int, np.ndarray], steps: np.ndarray) -> float:
    """Largest distance in 3D; only the ends of rows, and the corners of slices, can be corners of the whole."""
    sides = [np.insert(corners, 0, index, axis=1) for index, corners in outlines.items()]
    points = np.concatenate([*sides, *_lids(mask, -0.5), *_lids(mask[::-1], 0.5, len(mask) - 1)]) @ steps
    return _largest_distance(points[ConvexHull(points).vertices])


def _lids(mask: np.ndarray, face: float, last: int | None = None) -> Iterator[np.ndarray]:
    """Ends of the rows of those faces across axis 0 that are the first of their lines, index coordinates (n, 3)."""
    seen = np.zeros(mask.shape[1:], bool)
    for index, plane in enumerate(mask):
        points = _row_ends(plane & ~seen, 0.0)
        seen |= plane
        yield np.insert(points, 0, (index if last is None else last - index) + face, axis=1)


def _corners(plane: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of a slice's outer faces, index coordinates (n, 2)."""
    points = np.concatenate([_row_ends(plane, 0.5), _row_ends(plane.T, 0.5)[:, ::-1]])
    return points[ConvexHull(points).vertices]


def _row_ends(plane: np.ndarray, beyond: float) -> np.ndarray:
    """The first and the last pixel of each row, moved outwards; index coordinates (n, 2)."""
    rows = np.flatnonzero(plane.any(axis=1))
    used = plane[rows]
    first = used.argmax(axis=1) - beyond
    last = used.shape[1] - 1 - used[:, ::-1].argmax(axis=1) + beyond
    return np.column_stack([np.tile(rows, 2), np.concatenate([first, last])])


def _largest_distance(points: np.ndarray) -> float:
    return float(pdist(points).max())


def _hu(values: np.ndarray) -> dict[str, float]:
    low, median, high = np.percentile(values, (5, 50, 95))
    found = {
        "mean": values.mean(dtype=np.float64),
        "sd": values.std(dtype=np.float64),
        "min": values.min(),
        "p5": low,
        "median": median,
        "p95": high,
        "max": values.max(),
    }
    return {name: round(float(value), 1) for name, value in found.items()}


def _components(mask: np.ndarray, voxel_ml: float) -> list[float]:
    """Volumes of the connected parts, largest first, mL."""
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    return [round(float(size * voxel_ml), 4) for size in sorted(sizes, reverse=True)]
