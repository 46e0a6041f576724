"""What a person changed of an outline: how far it moved, how much of it was drawn anew, and on which slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...images.masks.packed import unpack
from ...images.masks.stored import Box, around
from ...images.masks.structure import Structure
from ...images.metrics import added_path_length, compare
from ...images.placement import voxels_ml
from ...images.volume import Volume
from ...system.names import span
from ...system.tags import AUTOMATIC_TAG

NO_EDIT = "not edited"


@dataclass(frozen=True)
class SliceEdit:
    """A slice on which voxels differ: which, mL that were added and removed, and mm of outline drawn anew."""

    slice: int
    added_ml: float
    removed_ml: float
    added_path_length_mm: float


@dataclass(frozen=True)
class Edit:
    """An outline against the one it was made of.

    Attributes:
        dsc: Dice similarity coefficient.
        surface_dice_2mm: fraction of both surfaces within 2 mm of the other one, see `images.metrics`.
        added_path_length_mm: how much of the outline had to be drawn, in all slices (Vaassen et al. 2020).
        volume_before_ml: of the former outline.
        volume_after_ml: of the new one.
        slices: those that differ, counted as in `CascadeResult`.
    """

    dsc: float
    surface_dice_2mm: float
    added_path_length_mm: float
    volume_before_ml: float
    volume_after_ml: float
    slices: tuple[SliceEdit, ...]


def measure_edit(before: np.ndarray, after: np.ndarray, volume: Volume) -> Edit:
    """Compare two outlines of one CT.

    Args:
        before: (z, y, x), 0 or 1.
        after: the same, as a person left it.
        volume: the CT.
    """
    # In the box around both, and one voxel more for their surfaces: of a large CT the whole takes seconds.
    boxes = (Box.of(before).region, Box.of(after).region)
    region = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in around(*boxes))
    before, after = before[region] > 0, after[region] > 0
    volume = replace(volume, array=volume.array[region])
    agreement = compare(after, before, volume)
    lengths = added_path_length(before, after, volume)
    differing = (after & ~before, before & ~after)
    added, removed = (volume.axial.by_slice(voxels).sum(axis=(1, 2)) for voxels in differing)
    slices = tuple(
        SliceEdit(
            index + region[volume.axial.axes[0]].start,
            round(voxels_ml(int(added[index]), volume), 4),
            round(voxels_ml(int(removed[index]), volume), 4),
            round(float(lengths[index]), 2),
        )
        for index in np.flatnonzero(added + removed).tolist()
    )
    return Edit(
        round(agreement.dsc, 4),
        surface_dice_2mm=round(agreement.surface_dice_2mm, 4),
        added_path_length_mm=round(float(lengths.sum()), 1),
        volume_before_ml=round(agreement.reference_ml, 4),
        volume_after_ml=round(agreement.volume_ml, 4),
        slices=slices,
    )


def edit_of(structure: Structure, volume: Volume) -> Edit | None:
    """What a person changed of a model's result; None where that is not known, or nothing was changed."""
    text = structure.segment.tags.get(AUTOMATIC_TAG, "")
    if structure.algorithm != "SEMIAUTOMATIC" or not text:
        return None
    try:
        before = unpack(text)
    except ValueError:  # changed by hand: no export depends on it
        return None
    return measure_edit(before, structure.mask, volume) if before.shape == structure.mask.shape else None


def describe_edit(edit: Edit) -> str:
    """What was edited, in one line."""
    if not edit.slices:
        return NO_EDIT
    where = span([one.slice for one in edit.slices])
    return (
        f"edited on {where}: {edit.volume_before_ml:.2f} to {edit.volume_after_ml:.2f} mL, DSC {edit.dsc:.3f}, surface "
        f"Dice (2 mm) {edit.surface_dice_2mm:.3f}, {edit.added_path_length_mm:.0f} mm of outline drawn anew"
    )
