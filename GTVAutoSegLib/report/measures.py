"""Figures of a tumour for its report: diameters, HU, parts, distance to the border of the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from ..images.placement import to_border
from ..images.runs import Runs, sizes_of
from ..images.volume import Volume, bounding_box

NAMED_COMPONENTS = 10


@dataclass(frozen=True)
class HuStatistics:
    """HU of a tumour's voxels; ``p5`` and ``p95`` are percentiles."""

    mean: float
    sd: float
    min: float
    p5: float
    median: float
    p95: float
    max: float


@dataclass(frozen=True)
class Measures:
    """Figures of a tumour; the fields are the keys in JSON.

    Attributes:
        diameter_mm: the largest distance between two points of the tumour, mm.
        axial_diameter_mm: the largest within one axial slice, mm.
        axial_diameter_slice: which slice that is.
        hu: of its voxels.
        components: how many parts (26-connected) there are.
        components_ml: volumes of the up to 10 largest of them, mL.
        border_mm: the smallest distance to the border of the scan, mm.
        border_side: towards where.
        slice_area_cm2: the area on each tumour slice, by slice index, from the feet to the head: of equal ones the
            first is what `pictures.thumbnail` shows, however the scan is stored.
    """

    diameter_mm: float
    axial_diameter_mm: float
    axial_diameter_slice: int
    hu: HuStatistics
    components: int
    components_ml: tuple[float, ...]
    border_mm: float
    border_side: str
    slice_area_cm2: dict[str, float]


def measure(mask: np.ndarray, volume: Volume) -> Measures | None:
    """Measure a tumour.

    Diameters run between the faces of voxels, so that a row of n voxels is n voxels long.

    Args:
        mask: (z, y, x), 0 or 1, on the volume's grid.
        volume: the CT.

    Returns:
        The figures; None for an empty mask.
    """
    view = volume.axial
    whole = view.of(mask)
    box = bounding_box(whole)
    if box is None:
        return None
    tumour = whole[box].astype(bool)
    steps = _steps(volume)
    rows = Runs.of(tumour)
    ends = _corner_ends(rows)
    outlines = _outlines(ends, _corner_ends(Runs.of(tumour.transpose(0, 2, 1))))
    by_slice = {index: _largest_distance(corners @ steps[1:]) for index, corners in outlines.items()}
    widest = max(by_slice, key=lambda index: by_slice[index])
    count, first, flipped = len(whole), box[0].start, 0 in view.flips
    stored = {index: int(count - 1 - first - index if flipped else first + index) for index in outlines}
    area = float(np.linalg.norm(np.cross(steps[1], steps[2]))) / 100
    voxels = np.bincount(rows.places()[0], weights=rows.length)
    border, side = to_border(box, volume)
    components = _components(rows, abs(float(np.linalg.det(steps))) / 1000)
    return Measures(
        diameter_mm=round(_diameter(ends, outlines, steps), 2),
        axial_diameter_mm=round(by_slice[widest], 2),
        axial_diameter_slice=stored[widest],
        hu=_hu(view.of(volume.array)[box][tumour]),
        components=len(components),
        components_ml=tuple(components[:NAMED_COMPONENTS]),
        border_mm=round(border, 2),
        border_side=side,
        slice_area_cm2={str(stored[index]): round(float(voxels[index]) * area, 3) for index in stored},
    )


def _steps(volume: Volume) -> np.ndarray:
    """Row i: the way in mm from one voxel to the next along axial axis i."""
    view = volume.axial
    return np.array([volume.steps[:, 2 - axis] * (-1 if i in view.flips else 1) for i, axis in enumerate(view.axes)])


def _corner_ends(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last voxels of lines, those that can be corners of a convex hull; index coordinates (n, 3)."""
    heads = np.flatnonzero(np.diff(runs.line, prepend=-1))
    tails = np.append(heads[1:], len(runs.line)) - 1
    plane, row = (values[heads] for values in runs.places())
    line, first, last = runs.line[heads], runs.start[heads], runs.stop[tails] - 1
    found = []
    for end, outwards in ((first, -first), (last, last)):
        # Between two neighbours, and no farther out than their middle: on the hull's edge or inside.
        between = (np.diff(line)[:-1] == 1) & (np.diff(line)[1:] == 1)
        flat = 2 * outwards[1:-1] <= outwards[:-2] + outwards[2:]
        kept = np.ones(len(end), bool)
        kept[1:-1] = ~(between & flat)
        found.append(np.column_stack([plane, row, end])[kept])
    return found[0], found[1]


def _outlines(rows: tuple[np.ndarray, np.ndarray], columns: tuple[np.ndarray, np.ndarray]) -> dict[int, np.ndarray]:
    """By slice, the corners of the convex hull of its outer faces within the slice, index coordinates (n, 2).

    Args:
        rows: from `_corner_ends`.
        columns: the same for lines along y; their coordinates are (z, x, y).
    """
    faces = np.concatenate(
        [_moved(end, 2, side) for end, side in zip(rows, (-0.5, 0.5))]
        + [_moved(end, 2, side)[:, [0, 2, 1]] for end, side in zip(columns, (-0.5, 0.5))]
    )
    faces = faces[np.argsort(faces[:, 0], kind="stable")]
    planes, begins = np.unique(faces[:, 0], return_index=True)
    points = np.split(faces[:, 1:], begins[1:])
    return {int(plane): some[ConvexHull(some).vertices] for plane, some in zip(planes, points)}


def _diameter(rows: tuple[np.ndarray, np.ndarray], outlines: dict[int, np.ndarray], steps: np.ndarray) -> float:
    """Largest distance in 3D, between the slices' outlines and the faces that look towards head and feet."""
    sides = [np.insert(corners, 0, index, axis=1) for index, corners in outlines.items()]
    lids = [_moved(end, 0, side) for end in rows for side in (-0.5, 0.5)]
    points = np.concatenate([*sides, *lids]) @ steps
    return _largest_distance(points[ConvexHull(points).vertices])


def _moved(points: np.ndarray, axis: int, by: float) -> np.ndarray:
    moved = points.astype(float)
    moved[:, axis] += by
    return moved


def _largest_distance(points: np.ndarray) -> float:
    return float(pdist(points).max())


def _hu(values: np.ndarray) -> HuStatistics:
    ordered = np.sort(values, kind="stable")  # of 16-bit integers the quickest way by far
    found = {
        "mean": values.mean(dtype=np.float64),
        "sd": values.std(dtype=np.float64),
        "min": ordered[0],
        "p5": _percentile(ordered, 0.05),
        "median": _percentile(ordered, 0.5),
        "p95": _percentile(ordered, 0.95),
        "max": ordered[-1],
    }
    return HuStatistics(**{name: round(float(value), 1) for name, value in found.items()})


def _percentile(ordered: np.ndarray, share: float) -> float:
    """Linear between the two nearest of sorted values, as `numpy.percentile`."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (place - below) * (high - low)


def _components(runs: Runs, voxel_ml: float) -> list[float]:
    """Volumes of the connected parts, largest first, mL."""
    sizes = sizes_of(runs, *runs.parts())
    return [round(float(size * voxel_ml), 4) for size in sorted(sizes, reverse=True)]
