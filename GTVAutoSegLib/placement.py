"""Where a mask lies in its volume: how large it is, and on which slices."""

from __future__ import annotations

import math

import numpy as np

from .volume import Volume, bounding_box


def volume_ml(mask: np.ndarray, volume: Volume) -> float:
    """Volume of a mask (z, y, x) in mL; a voxel of a sheared grid is a parallelepiped."""
    voxel_mm3 = abs(np.linalg.det(np.reshape(volume.direction, (3, 3)))) * math.prod(volume.spacing)
    return float(np.count_nonzero(mask) * voxel_mm3 / 1000)


def tumour_slices(mask: np.ndarray, volume: Volume) -> np.ndarray:
    """Which slices of a mask (z, y, x) hold tumour: bool, along the stored axis closest to head-feet."""
    slice_axis = volume.axial.axes[0]
    others = tuple(axis for axis in range(3) if axis != slice_axis)
    return np.asarray(mask.any(axis=others))


def extent_mm(mask: np.ndarray, volume: Volume) -> list[float]:
    """Size of the box around a mask (z, y, x) along the axial x, y and z axes, mm; zeros when it is empty."""
    box = bounding_box(mask)
    if box is None:
        return [0.0, 0.0, 0.0]
    return [float((box[axis].stop - box[axis].start) * volume.spacing[2 - axis]) for axis in volume.axial.axes[::-1]]
