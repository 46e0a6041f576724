"""From a box in a CT to network input: crops around a tumour, for training and for a box that a user drew.

An input shows a slice cropped to the box and a margin, stretched to N x N, with neighbouring slices and windows as
channels. Two more channels say where in the box it lies: each pixel's distance to the nearest side of the box, and the
slice's to the nearer end; both 0 on the outside and 1 from ``CropSettings.shown_mm`` on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..images.region import IndexBox
from ..images.volume import triple
from ..system.settings import CropSettings, PreprocessSettings
from .preprocess import Box, apply_window, slices_around, stretch


def loosened(box: IndexBox, slack_mm: np.ndarray, spacing: Sequence[float], shape: Sequence[int]) -> IndexBox:
    """A box with its faces moved outwards, as far as the volume goes.

    Args:
        box: to start from.
        slack_mm: (2, 3), how far, lower and upper face of z, y and x.
        spacing: mm, z, y and x.
        shape: voxels, z, y and x.
    """
    moved = np.rint(slack_mm / np.asarray(spacing)).astype(int)
    lower = np.maximum(np.asarray(box.lower) - moved[0], 0)
    upper = np.minimum(np.asarray(box.upper) + moved[1], shape)
    return IndexBox(triple(lower.tolist()), triple(upper.tolist()))


def random_slack(generator: np.random.Generator, settings: CropSettings, least: np.ndarray | None = None) -> np.ndarray:
    """Slacks (2, 3) in mm, each face on its own, evenly spread over the logarithm: small ones are as common as large.

    Args:
        generator: of random numbers.
        settings: smallest and largest.
        least: (2, 3), mm that some faces need at least.
    """
    low, high = settings.slack_mm
    lowest = np.full((2, 3), low) if least is None else np.clip(least, low, high)
    return np.asarray(np.exp(generator.uniform(np.log(lowest), math.log(high))))


def crop_rectangle(box: IndexBox, settings: CropSettings, spacing: Sequence[float], shape: Sequence[int]) -> Box:
    """What the network sees of each slice: the box and the margin, as far as the slice goes."""
    rows, columns = (math.ceil(settings.margin_mm / step) for step in spacing[1:])
    return Box(
        max(0, box.lower[1] - rows),
        min(int(shape[1]), box.upper[1] + rows),
        max(0, box.lower[2] - columns),
        min(int(shape[2]), box.upper[2] + columns),
    )


def crop_input(
    hu: np.ndarray, index: int, box: IndexBox, spacing: Sequence[float], settings: PreprocessSettings
) -> Tensor:
    """Network input of one slice in a box.

    Args:
        hu: the volume (z, y, x) in axial order, HU.
        index: the slice.
        box: in which the tumour is looked for.
        spacing: mm, z, y and x.
        settings: with ``crops``.

    Returns:
        float32 tensor (input_channels, N, N) with values in [0, 1].
    """
    crops = settings.crops
    assert crops is not None  # noqa: S101 - the caller looked
    rectangle = crop_rectangle(box, crops, spacing, hu.shape)
    step = max(1, round(settings.neighbour_mm / spacing[0]))
    chosen = slices_around(index, len(hu), settings.channels, step)
    values = hu[(chosen, *rectangle.slices)]
    grey = [stretch(torch.from_numpy(apply_window(values, window)), settings.size) for window in settings.windows]
    return torch.cat(
        [*grey, _box_channels(index, box=box, rectangle=rectangle, spacing=spacing, size=settings.size, settings=crops)]
    )


def _box_channels(
    index: int, box: IndexBox, rectangle: Box, spacing: Sequence[float], size: int, settings: CropSettings
) -> Tensor:
    sides = []
    for axis, first, last in ((1, rectangle.top, rectangle.bottom), (2, rectangle.left, rectangle.right)):
        centres = first + (np.arange(size) + 0.5) / size * (last - first)
        sides.append(np.minimum(centres - box.lower[axis], box.upper[axis] - centres) * spacing[axis])
    in_plane = np.minimum(sides[0][:, None], sides[1][None, :])
    along = min(index + 0.5 - box.lower[0], box.upper[0] - index - 0.5) * spacing[0]
    both = np.stack([in_plane, np.full_like(in_plane, along)]) / settings.shown_mm
    return torch.from_numpy(np.clip(both, 0, 1).astype(np.float32))
