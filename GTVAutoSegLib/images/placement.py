"""Where a mask lies in its volume: how large it is, on which slices, and how far from the border of the scan."""

from __future__ import annotations

from itertools import product

import numpy as np

from .volume import Volume, bounding_box

# Names of the two ends of each axial axis (towards the head, the back, the patient's left).
SIDES = (("feet", "head"), ("front", "back"), ("right", "left"))


def volume_ml(mask: np.ndarray, volume: Volume) -> float:
    """Volume of a mask (z, y, x) in mL."""
    return voxels_ml(int(np.count_nonzero(mask)), volume)


def voxels_ml(count: int, volume: Volume) -> float:
    """Volume of so many voxels in mL; one of a sheared grid is a parallelepiped."""
    return float(count * abs(np.linalg.det(volume.steps)) / 1000)


def tumour_slices(mask: np.ndarray, volume: Volume) -> np.ndarray:
    """Which slices of a mask (z, y, x) hold tumour: bool, along the stored axis closest to head-feet."""
    return np.asarray(volume.axial.by_slice(mask).any(axis=(1, 2)))


def extent_mm(mask: np.ndarray, volume: Volume) -> list[float]:
    """Size of the box around a mask (z, y, x) along the axial x, y and z axes, mm; zeros when it is empty."""
    box = bounding_box(mask)
    if box is None:
        return [0.0, 0.0, 0.0]
    return [float((box[axis].stop - box[axis].start) * volume.spacing[2 - axis]) for axis in volume.axial.axes[::-1]]


def range_warnings(mask: np.ndarray, volume: Volume, slices: range | None) -> list[str]:
    """One sentence for each end of the range looked at where a mask (z, y, x) stops, other than the scan's own."""
    if slices is None:
        return []
    reached = tumour_slices(mask, volume)
    first, last = min(slices), max(slices)
    return [
        f"the outline reaches slice {end}, an end of the slices looked at ({first} to {last}): it may go on outside, "
        "so look at more slices"
        for end, outside in sorted({(first, first - 1), (last, last + 1)})
        if 0 <= outside < len(reached) and reached[end] and not reached[outside]
    ]


def to_border(box: tuple[slice, ...], volume: Volume) -> tuple[float, str]:
    """The smallest distance from a box to an end of the scan, mm, and which end."""
    view = volume.axial
    distances = []
    for axis, end in product(range(3), range(2)):
        size, step = volume.array.shape[view.axes[axis]], volume.spacing[2 - view.axes[axis]]
        voxels = box[axis].start if end == 0 else size - box[axis].stop
        distances.append((float(voxels * step), SIDES[axis][end]))
    return min(distances)


def border_warnings(mask: np.ndarray, volume: Volume) -> list[str]:
    """One sentence when a mask (z, y, x) reaches the end of the scan."""
    box = bounding_box(volume.axial.of(mask))
    if box is None:
        return []
    distance, side = to_border(box, volume)
    if distance > 0:
        return []
    return [f"the outline reaches the border of the scan towards the {side}: it may go on outside"]
