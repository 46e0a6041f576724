"""A person who draws a box around the tumour, simulated: how much room is left, and how far off its middle is."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from ...images.region import IndexBox, Region
from ...images.volume import Volume


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
