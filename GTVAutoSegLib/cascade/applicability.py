"""Does this CT look like what the model was trained on? Warnings, never a refusal."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..images.region import IndexBox, Region, axial_spacing, whole
from ..images.volume import Volume
from ..model.info import ModelInfo, TrainingData

# By axis. Pixels have to be more alike than slices: the body is found, and the margin around it measured, in pixels.
SPACING_TOLERANCE = (1.1, 1.1, 1.25)
# In a box the pixels are resampled, and the margin is measured in mm.
SPACING_IN_A_BOX = (2.0, 2.0, 1.25)
EXTENT_TOLERANCE = (1.25, 1.25, 1.25)
HU_TOLERANCE = 300.0
NO_BOX = (
    "no box was given, so all of the CT is taken as one: the looser a box, the larger and the worse the outline; draw "
    "one around the tumour"
)
AXES = ("left-right", "front-back", "head-feet")


def needs_box(volume: Volume, info: ModelInfo) -> bool:
    """Whether the model was trained on crops, and the CT is larger than any of them: without a box it would guess."""
    if info.preprocessing.crops is None:
        return False
    largest = (high * tolerance for (_, high), tolerance in zip(info.training_data.extent_mm, EXTENT_TOLERANCE))
    return any(found > most for found, most in zip(_extent(volume, None), largest))


def check_box(volume: Volume, info: ModelInfo, region: Region | None) -> None:
    """Raise InputError when the model needs a box and there is none."""
    if region is None and needs_box(volume, info):
        size = " x ".join(f"{extent:.0f}" for extent in _extent(volume, None))
        known = " x ".join(f"{high:.0f}" for _, high in info.training_data.extent_mm)
        raise InputError(
            f"{info.id} looks for a tumour inside a box of up to {known} mm, and the CT is {size} mm large; draw a box "
            "around the tumour with one to three centimetres to spare, and give it (--box, or the column box of a "
            "batch's table)"
        )


def applicability_warnings(volume: Volume, info: ModelInfo, region: Region | None = None) -> list[str]:
    """What `geometry_warnings` says of what the model sees, how the HU range compares, and whether a box is missing.

    Args:
        volume: the CT.
        info: the model; one that was trained on crops sees the box only, another one whole slices.
        region: the box that is looked in; None for all of the CT.

    Raises:
        InputError: the box does not meet the CT.
    """
    box = None
    if info.preprocessing.crops is not None:
        box = whole(volume.axial.of(volume.array).shape) if region is None else region.index_box(volume)
    training = info.training_data
    loose = [NO_BOX] * (box is not None and region is None)
    return loose + geometry_warnings(volume, training, box) + _hu_warnings(volume, training.hu_percentiles)


def geometry_warnings(volume: Volume, training: TrainingData, box: IndexBox | None = None) -> list[str]:
    """Compare spacing and extent with the training data; the extent of the box, where there is one. Needs no voxels.

    Returns:
        One sentence for each property outside the training range, with a tolerance: a tenth for the spacing of pixels
        (in a box a factor of two), a quarter for that of slices and the extent.
    """
    spacing = axial_spacing(volume)[::-1]
    extent = _extent(volume, box)
    found = []
    for name, values, ranges, tolerances in (
        ("spacing", spacing, training.spacing_mm, SPACING_TOLERANCE if box is None else SPACING_IN_A_BOX),
        ("extent", extent, training.extent_mm, EXTENT_TOLERANCE),
    ):
        for axis, value, (low, high), tolerance in zip(AXES, values, ranges, tolerances):
            if not low / tolerance <= value <= high * tolerance:
                found.append(
                    f"the {axis} {name} is {value:.4g} mm, the model was trained on {_span(low, high)} mm: "
                    "check the result with more care"
                )
    return found


def _extent(volume: Volume, box: IndexBox | None) -> list[float]:
    """Of the CT or the box along the axial x, y and z axes, mm."""
    sizes = [volume.array.shape[axis] for axis in volume.axial.axes]
    if box is not None:
        sizes = [high - low for low, high in zip(box.lower, box.upper)]
    return [size * step for size, step in zip(sizes, axial_spacing(volume))][::-1]


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
