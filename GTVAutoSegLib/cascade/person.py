"""A person at work, simulated for training and for measuring: which slices are drawn, and which box."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np

from ..images.region import IndexBox, Region
from ..images.volume import Volume


def inside(first: int, last: int, count: int) -> list[int]:
    """First and last are only named; the slices drawn lie at (i + 1/2) / count of the range."""
    length = last - first + 1
    return sorted({min(last, first + int((i + 0.5) / count * length)) for i in range(count)})


def ends(first: int, last: int, count: int) -> list[int]:
    """First, last and evenly between, ``count`` in all, at least two; fewer where the tumour has fewer slices."""
    if count < 2:
        raise ValueError(f"{count} slices cannot be both ends, expected at least 2")
    return sorted({round(first + i * (last - first) / (count - 1)) for i in range(count)})


WAYS: dict[str, Callable[[int, int, int], list[int]]] = {"inside": inside, "ends": ends}


def simulated_box(reference: np.ndarray, volume: Volume, slack_mm: float, name: str) -> Region:
    """A box with ``slack_mm`` of room on every side of the reference, then shifted at random by up to half of that.

    Args:
        reference: bool (z, y, x); where it is empty, the box is the CT.
        volume: its CT.
        slack_mm: room on every side.
        name: of the case; the same name and slack give the same box.
    """
    around = Region.of_indices(IndexBox.around(volume.axial.of(reference)), volume).widened(slack_mm)
    generator = np.random.default_rng((crc32(name.encode()), round(1000 * slack_mm)))
    return around.moved((generator.uniform(-0.5, 0.5, 3) * slack_mm).tolist())
