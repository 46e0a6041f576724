"""Does this CT look like what the model was trained on? Warnings, never a refusal."""

from __future__ import annotations

import numpy as np

from ..images.volume import Volume
from ..model.info import TrainingData

# By axis. Pixels have to be more alike than slices: the body is found, and the margin around it measured, in pixels.
SPACING_TOLERANCE = (1.1, 1.1, 1.25)
EXTENT_TOLERANCE = (1.25, 1.25, 1.25)
HU_TOLERANCE = 300.0
AXES = ("left-right", "front-back", "head-feet")


def applicability_warnings(volume: Volume, training: TrainingData) -> list[str]:
    """Compare spacing, extent and HU range with the training data.

    Returns:
        One sentence for each property outside the training range, with a tolerance: a tenth for the spacing of pixels,
        a quarter for that of slices and the extent, 300 HU.
    """
    order = volume.axial.axes[::-1]
    spacing = [volume.spacing[::-1][axis] for axis in order]
    extent = [volume.spacing[::-1][axis] * volume.array.shape[axis] for axis in order]
    found = []
    for name, values, ranges, tolerances in (
        ("spacing", spacing, training.spacing_mm, SPACING_TOLERANCE),
        ("extent", extent, training.extent_mm, EXTENT_TOLERANCE),
    ):
        for axis, value, (low, high), tolerance in zip(AXES, values, ranges, tolerances):
            if not low / tolerance <= value <= high * tolerance:
                found.append(
                    f"the {axis} {name} is {value:.4g} mm, the model was trained on {_span(low, high)} mm: "
                    "check the result with more care"
                )
    return found + _hu_warnings(volume, training.hu_percentiles)


def _span(low: float, high: float) -> str:
    return f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g}..{high:.4g}"


def _hu_warnings(volume: Volume, expected: tuple[tuple[float, float], ...]) -> list[str]:
    # Every fourth voxel along each axis is plenty for percentiles.
    found = np.percentile(volume.array[::4, ::4, ::4], (1, 99))
    if all(low - HU_TOLERANCE <= value <= high + HU_TOLERANCE for value, (low, high) in zip(found, expected)):
        return []
    return [
        f"values lie between {found[0]:.0f} and {found[1]:.0f} (1st and 99th percentile), in training from "
        f"{_span(*expected[0])} to {_span(*expected[1])} HU: is this a CT in Hounsfield units?"
    ]
