"""What is known when a volume is completed: the CT and the drawn slices, in axial order, in a window around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

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
        together = np.any(list(self.masks.values()), axis=0)
        marked = [np.flatnonzero(together.any(axis=axis)) for axis in (1, 0)]
        longest = max((side[-1] - side[0] + 1) * step for side, step in zip(marked, self.spacing[1:]))
        rows, columns = (
            slice(max(0, int(side[0]) - margin), min(size, int(side[-1]) + 1 + margin))
            for side, step, size in zip(marked, self.spacing[1:], together.shape)
            for margin in [int(np.ceil((WINDOW_SHARE * longest + WINDOW_MM) / step))]
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
