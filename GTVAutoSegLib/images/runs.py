"""Masks as runs of voxels: connected parts and ends of rows without looking at every voxel more than once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from .volume import bounding_box


@dataclass(frozen=True)
class Runs:
    """The runs of a mask along its last axis, line by line.

    Attributes:
        line: on which line each run lies, int (runs,): the row of a mask (y, x), z * lines + y of a mask (z, y, x).
        start: its first column.
        stop: the column after its last.
        lines: how many lines a plane counts: its rows, and one that is always empty. 0 for a mask (y, x).
    """

    line: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    lines: int

    @classmethod
    def of(cls, mask: np.ndarray) -> Runs:
        """The runs of a bool mask (y, x) or (z, y, x)."""
        *planes, height, width = mask.shape
        # An empty column after each row and an empty row after each plane keep runs from continuing into the next.
        edged = np.zeros((*planes, height + len(planes), width + 1), bool)
        edged[..., :height, :width] = mask
        flat = edged.ravel()
        changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        if flat[:1].any():
            changes = np.concatenate(([0], changes))
        line, start = np.divmod(changes[::2], width + 1)
        return cls(line, start, start + changes[1::2] - changes[::2], height + 1 if planes else 0)

    @property
    def length(self) -> np.ndarray:
        """Voxels of each run."""
        return np.asarray(self.stop - self.start)

    def parts(self) -> tuple[int, np.ndarray]:
        """How many connected parts there are, and to which part each run belongs; touching corners connect."""
        count = len(self.line)
        if count == 0:
            return 0, self.line
        width = int(self.stop.max()) + 1
        begins, ends = self.line * width + self.start, self.line * width + self.stop
        later = (1, self.lines - 1, self.lines, self.lines + 1) if self.lines else (1,)
        ahead = np.array(later) * width
        # A run is linked with those it touches on the lines after its own: the next row, and the three rows around
        # its own in the next plane. Both lists are sorted, so that the runs it touches are neighbours in them.
        first = np.searchsorted(ends, (begins[:, None] + ahead).ravel())
        beyond = np.searchsorted(begins, (ends[:, None] + ahead).ravel(), side="right")
        reached = np.maximum(beyond - first, 0)
        pointers = np.concatenate(([0], np.cumsum(reached)))
        neighbours = np.arange(pointers[-1]) + np.repeat(first - pointers[:-1], reached)
        links = (np.ones(len(neighbours), np.int8), neighbours, pointers[:: len(ahead)])
        found, part = connected_components(csr_array(links, shape=(count, count)), directed=False)
        return int(found), np.asarray(part)

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Plane and row of each run of a mask (z, y, x)."""
        return np.divmod(self.line, self.lines)


def sizes_of(runs: Runs, count: int, part: np.ndarray) -> np.ndarray:
    """Voxels of each of the ``count`` parts."""
    return np.bincount(part, weights=runs.length, minlength=count)


def keep_largest(mask: np.ndarray, keep: int) -> tuple[int, int]:
    """Leave the largest parts of a mask, touching by a corner at least, and empty the others.

    Args:
        mask: (z, y, x), changed in place.
        keep: how many parts stay.

    Returns:
        How many parts there were, and how many voxels were emptied.
    """
    box = bounding_box(mask)
    if box is None:
        return 0, 0
    inside = mask[box]
    runs = Runs.of(inside.astype(bool))
    count, part = runs.parts()
    sizes = sizes_of(runs, count, part)
    largest = np.argsort(-sizes, kind="stable")[:keep]
    dropped = np.flatnonzero(~np.isin(part, largest))
    for plane, row, start, stop in zip(*(values[dropped] for values in (*runs.places(), runs.start, runs.stop))):
        inside[plane, row, start:stop] = 0
    return count, int(runs.length[dropped].sum())
