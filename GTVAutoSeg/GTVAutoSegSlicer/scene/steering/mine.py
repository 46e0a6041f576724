"""Which slices of a segment are a person's: drawn, changed since the last step, or declared so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.tags import MINE_TAG, SLICES_TAG, mine_of, mine_text

from ..ownership import tag, tags_of

DIGITS = 12


def areas(box: Box, volume: Volume) -> np.ndarray:
    """How many voxels of each slice of the CT are set in a box, along the stored axis closest to head-feet."""
    axis = volume.axial.axes[0]
    counts = np.zeros(box.shape[axis], int)
    counts[box.region[axis]] = volume.axial.by_slice(box.voxels).sum(axis=(1, 2), dtype=int)
    return counts


def fingerprints(box: Box, volume: Volume) -> dict[int, str]:
    """What tells each slice of a mask that is not empty from any other."""
    axis = volume.axial.axes[0]
    sides = [side for other, side in enumerate(box.region) if other != axis]
    slice_mask = np.zeros([count for other, count in enumerate(box.shape) if other != axis], bool)
    prints = {}
    for index, part in enumerate(volume.axial.by_slice(box.voxels), start=box.start[axis]):
        if part.any():
            slice_mask[sides[0], sides[1]] = part
            prints[index] = hashlib.sha256(np.packbits(slice_mask).tobytes()).hexdigest()[:DIGITS]
    return prints


def left_tags(box: Box, volume: Volume, mine: Iterable[int] = ()) -> dict[str, str]:
    """The tags of a segment as a step leaves it: what is on each slice, and which slices are a person's."""
    prints = fingerprints(box, volume)
    return {
        SLICES_TAG: ",".join(f"{index}:{value}" for index, value in prints.items()) or "empty",
        MINE_TAG: mine_text(mine),
    }


def mine_slices(segment: Any, box: Box, volume: Volume) -> tuple[int, ...]:
    """The slices of a segment that are a person's, ascending.

    They are those declared so, and those whose voxels are not what the last step left; of a segment that no step has
    left, all that are not empty. A slice that was emptied by hand counts too.

    Args:
        segment: vtkSegment.
        box: its voxels on the CT.
        volume: the CT.
    """
    present = fingerprints(box, volume)
    left = _left(segment)
    if left is None:  # of a segment from before slices were told apart, all or none
        left = present if box.has_been_left(tags_of(segment)) else {}
    changed = {index for index in left.keys() | present.keys() if left.get(index) != present.get(index)}
    count = box.shape[volume.axial.axes[0]]
    return tuple(sorted(index for index in changed | set(mine_of(tag(segment, MINE_TAG))) if index < count))


def _left(segment: Any) -> dict[int, str] | None:
    """What the last step left on each slice that was not empty then; None when it did not say."""
    text = tag(segment, SLICES_TAG)
    if not text:
        return None
    pairs = (pair.partition(":") for pair in text.split(",") if ":" in pair)
    return {int(index): value for index, _, value in pairs if index.isdecimal()}
