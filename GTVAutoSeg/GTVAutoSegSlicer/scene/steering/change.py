"""What a step has changed, in slices and mL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    def between(cls, before: np.ndarray | None, after: np.ndarray | None, volume: Volume) -> Change:
        """Compare two masks (z, y, x) on the grid of a volume; None is an empty one."""
        empty = np.zeros(volume.array.shape, np.uint8)
        before, after = empty if before is None else before, empty if after is None else after
        others = tuple(axis for axis in range(3) if axis != volume.axial.axes[0])
        return cls(
            voxels_ml(int(np.count_nonzero(before)), volume),
            voxels_ml(int(np.count_nonzero(after)), volume),
            tuple(np.flatnonzero(after.any(axis=others)).tolist()),
            tuple(np.flatnonzero((before != after).any(axis=others)).tolist()),
        )
