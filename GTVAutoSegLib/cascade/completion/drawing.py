"""What is known when a volume is completed: the CT and the drawn slices, in axial order, in a window around them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...images.region import IndexBox
from .interpolation import signed_distance
from .neighbours import Neighbours, neighbours_of

# How far the window goes beyond what was drawn: half of the largest square that a network looks at, and some mm more.
WINDOW_SHARE, WINDOW_MM = 0.75, 24.0


@dataclass(frozen=True)
class Drawing:
    """Some slices of a CT with what was drawn on them, everything in axial order.

    Attributes:
        hu: (z, y, x), HU.
        masks: what was drawn, by slice; bool (y, x), at least one of them not empty.
        spacing: (z, y, x), mm.
    """

    hu: np.ndarray
    masks: dict[int, np.ndarray]
    spacing: tuple[float, float, float]

    @cached_property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns that all work is done on: what was drawn, and around it."""
        _, *sides = IndexBox.around(np.any(list(self.masks.values()), axis=0)[None]).slices
        longest = max((side.stop - side.start) * step for side, step in zip(sides, self.spacing[1:]))
        margins = (math.ceil((WINDOW_SHARE * longest + WINDOW_MM) / step) for step in self.spacing[1:])
        rows, columns = (
            slice(max(0, side.start - margin), min(size, side.stop + margin))
            for side, margin, size in zip(sides, margins, self.hu.shape[1:])
        )
        return rows, columns

    def mask(self, index: int) -> np.ndarray:
        """What was drawn on a slice, bool (y, x), within the window."""
        return self.masks[index][self.window]

    def slice_hu(self, index: int) -> np.ndarray:
        """A slice (y, x) within the window, HU; beyond the CT its first or last one."""
        return np.asarray(self.hu[min(max(index, 0), len(self.hu) - 1)][self.window])

    def distance(self, index: int) -> np.ndarray:
        """Signed distance (y, x) of a drawn slice that is not empty, within the window, mm."""
        return self._distances[index]

    @cached_property
    def _distances(self) -> dict[int, np.ndarray]:
        return {
            index: signed_distance(mask[self.window], self.spacing[1:])
            for index, mask in self.masks.items()
            if mask.any()
        }

    def neighbours(self, index: int, first: int | None, last: int | None) -> Neighbours:
        """The known slices around one that was not drawn; ``first`` and ``last`` of the tumour where they are known."""
        return neighbours_of(
            index, drawn=self.masks, is_empty=lambda number: not self.masks[number].any(), first=first, last=last
        )
