"""Volumes on other grids: what a 3D network sees of a CT, and the way back. All arrays are in axial order."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...images.volume import Volume, bounding_box

Box = tuple[slice, slice, slice]
Shape = tuple[int, int, int]


def axial_spacing(volume: Volume) -> tuple[float, float, float]:
    """Spacing (x, y, z) in mm along the axial axes."""
    z, y, x = (float(volume.spacing[::-1][axis]) for axis in volume.axial.axes)
    return x, y, z


def shape_at(volume: Volume, spacing_mm: tuple[float, float, float]) -> Shape:
    """Voxels (z, y, x) of the grid that covers the same space at about this spacing (x, y, z)."""
    sides = zip(volume.axial.of(volume.array).shape, axial_spacing(volume)[::-1], spacing_mm[::-1])
    z, y, x = (max(1, round(count * own / wanted)) for count, own, wanted in sides)
    return z, y, x


def windowed(volume: Volume, window: tuple[float, float]) -> Tensor:
    """A CT in axial order as float32 (D, H, W), the window mapped to [0, 1]."""
    low, high = window
    array = np.ascontiguousarray(volume.axial.of(volume.array), dtype=np.float32)
    return torch.from_numpy(array).sub_(low).div_(high - low).clamp_(0, 1)


def resize(array: Tensor, shape: Shape) -> Tensor:
    """Bring a float (D, H, W) to another number of voxels: averaged where it shrinks, interpolated where it grows."""
    z, y, x = (min(old, new) for old, new in zip(array.shape, shape))
    averaged = F.adaptive_avg_pool3d(array[None, None], (z, y, x))
    return F.interpolate(averaged, size=shape, mode="trilinear", align_corners=False)[0, 0]


def body_box(image: Tensor) -> Box:
    """The box of what is above the window's bottom, which air is not; the whole volume when there is nothing.

    Args:
        image: float (D, H, W) in [0, 1].
    """
    return bounding_box(image.numpy() > 0) or (slice(None), slice(None), slice(None))


def box_around(mask: np.ndarray, shape: Shape, margin: tuple[float, ...]) -> Box | None:
    """The box of a mask on another grid over the same space.

    Args:
        mask: bool (d, h, w).
        shape: voxels of the other grid.
        margin: added on each side, in voxels of the other grid (z, y, x).

    Returns:
        Slices of the other grid; None when the mask is empty.
    """
    found = bounding_box(mask)
    if found is None:
        return None
    sides = []
    for side, own, count, more in zip(found, mask.shape, shape, margin):
        scale = count / own
        low, high = np.floor(side.start * scale - more), np.ceil(side.stop * scale + more)
        sides.append(slice(max(0, int(low)), min(count, int(high))))
    return sides[0], sides[1], sides[2]
