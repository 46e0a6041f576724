"""Which slices of a segment are a person's: drawn, changed since the last step, or declared so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from GTVAutoSegLib.images.masks.structure import mask_sha256
from GTVAutoSegLib.images.volume import Volume, bounding_box
from GTVAutoSegLib.system.tags import MASK_TAG, MINE_TAG, SLICES_TAG, mine_of, mine_text

from ..ownership import tag

DIGITS = 12


def by_slice(array: np.ndarray, volume: Volume) -> np.ndarray:
    """A view of an array (z, y, x) with the slices in front: those along the stored axis closest to head-feet."""
    return np.moveaxis(array, volume.axial.axes[0], 0)


def fingerprints(mask: np.ndarray, volume: Volume) -> dict[int, str]:
    """What tells each slice of a mask (z, y, x) that is not empty from any other."""
    slices = by_slice(mask, volume)
    box = bounding_box(slices)
    if box is None:
        return {}
    prints = {index: _fingerprint(slices[index]) for index in range(box[0].start, box[0].stop)}
    return {index: value for index, value in prints.items() if value}


def left_tags(mask: np.ndarray, volume: Volume, mine: Iterable[int] = ()) -> dict[str, str]:
    """The tags of a segment as a step leaves it: what is on each slice, and which slices are a person's."""
    prints = fingerprints(mask, volume)
    return {
        SLICES_TAG: ",".join(f"{index}:{value}" for index, value in prints.items()) or "empty",
        MINE_TAG: mine_text(mine),
    }


def mine_slices(segment: Any, mask: np.ndarray, volume: Volume) -> tuple[int, ...]:
    """The slices of a segment that are a person's, ascending.

    They are those declared so, and those whose voxels are not what the last step left; of a segment that no step has
    left, all that are not empty. A slice that was emptied by hand counts too.

    Args:
        segment: vtkSegment.
        mask: its voxels on the CT's grid, (z, y, x).
        volume: the CT.
    """
    present = fingerprints(mask, volume)
    left = _left(segment)
    if left is None:  # of a segment from before slices were told apart, all or none
        left = present if mask_sha256(mask) == tag(segment, MASK_TAG) else {}
    changed = {index for index in left.keys() | present.keys() if left.get(index) != present.get(index)}
    count = mask.shape[volume.axial.axes[0]]
    return tuple(sorted(index for index in changed | set(mine_of(tag(segment, MINE_TAG))) if index < count))


def _left(segment: Any) -> dict[int, str] | None:
    """What the last step left on each slice that was not empty then; None when it did not say."""
    text = tag(segment, SLICES_TAG)
    if not text:
        return None
    pairs = (pair.partition(":") for pair in text.split(",") if ":" in pair)
    return {int(index): value for index, _, value in pairs if index.isdecimal()}


def _fingerprint(slice_mask: np.ndarray) -> str:
    return hashlib.sha256(np.packbits(slice_mask != 0).tobytes()).hexdigest()[:DIGITS] if slice_mask.any() else ""
