"""A new result put into the one that is there: only on some slices, and never on those that a person drew."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ...errors import InputError
from ...images.masks.stored import Box, around
from ...images.volume import Volume, check_shape


def merge(
    before: np.ndarray,
    new: np.ndarray,
    volume: Volume,
    *,
    slices: range | None = None,
    mine: Collection[int] = (),
) -> np.ndarray:
    """Put a new mask into another one.

    Args:
        before: what is there, (z, y, x).
        new: what a run found, the same shape.
        volume: the CT; slices are counted along its stored axis closest to head-feet, as a viewer counts them.
        slices: which slices are taken from ``new``; all by default.
        mine: slices that stay as they are, voxel for voxel, whatever ``slices`` says.

    Returns:
        uint8 (z, y, x), 0 and 1.

    Raises:
        InputError: a slice is not in the CT, or a mask has another shape than the CT.
    """
    for mask in (before, new):
        check_shape(mask, volume)
    count, by_slice = volume.slices, volume.axial.by_slice
    wanted = range(count) if slices is None else slices
    for index in (*wanted, *mine):
        if not 0 <= index < count:
            raise InputError(f"slice {index} is not in the CT, expected 0 to {count - 1}")
    taken = sorted(set(wanted) - set(mine))
    merged = (before != 0).astype(np.uint8)
    by_slice(merged)[taken] = by_slice(new)[taken] != 0
    return np.asarray(merged)


def merge_boxes(
    before: Box, new: Box, volume: Volume, *, slices: range | None = None, mine: Collection[int] = ()
) -> Box:
    """The same for masks in boxes; all work is done in the box around both."""
    region = around(before.region, new.region)
    if not all(side.stop > side.start for side in region):
        return before
    axis = volume.axial.axes[0]
    first, stop = region[axis].start, region[axis].stop
    if slices is not None:
        slices = range(max(slices.start, first) - first, max(min(slices.stop, stop), first) - first)
    merged = merge(
        before.on(region),
        new.on(region),
        replace(volume, array=volume.array[region]),
        slices=slices,
        mine=[index - first for index in mine if first <= index < stop],
    )
    return Box.within(merged, region, before.shape)
