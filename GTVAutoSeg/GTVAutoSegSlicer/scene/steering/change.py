"""What a step has changed, in slices and mL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from GTVAutoSegLib.images.masks.stored import Box, around
from GTVAutoSegLib.images.placement import voxels_ml
from GTVAutoSegLib.images.volume import Volume


@dataclass(frozen=True)
class Change:
    """The difference between an outline before a step and after it.

    Attributes:
        before_ml: volume before, mL.
        after_ml: volume after, mL.
        slices: on which slices there is an outline now, ascending.
        changed: on which slices at least one voxel is another, ascending.
    """

    before_ml: float
    after_ml: float
    slices: tuple[int, ...]
    changed: tuple[int, ...]

    @classmethod
    def between(cls, before: Box | None, after: Box | None, volume: Volume) -> Change:
        """Compare two masks on a CT; None is an empty one."""
        axis = volume.axial.axes[0]
        others = tuple(other for other in range(3) if other != axis)
        regions = [one.region for one in (before, after) if one is not None]
        region = around(*regions) if regions else (slice(0, 0),) * 3
        first = region[axis].start
        empty = np.zeros([side.stop - side.start for side in region], np.uint8)
        old, new = (empty if one is None else one.on(region) for one in (before, after))
        return cls(
            voxels_ml(int(np.count_nonzero(old)), volume),
            voxels_ml(int(np.count_nonzero(new)), volume),
            tuple((np.flatnonzero(new.any(axis=others)) + first).tolist()),
            tuple((np.flatnonzero((old != new).any(axis=others)) + first).tolist()),
        )
