"""Which drawn slices a slice is completed from: the nearest two on either side, and the ends that were named."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Anchor:
    """A slice of which the outline is known.

    Attributes:
        index: of the slice; a named end counts as an empty slice one beyond it, which may lie outside the CT.
        empty: whether it shows no tumour.
    """

    index: int
    empty: bool


@dataclass(frozen=True)
class Neighbours:
    """The known slices around a slice, nearest first; at most two on either side, fewer where there are no more.

    Attributes:
        index: of the slice in question.
        below: those with smaller indices.
        above: those with larger ones.
        step: from below to above, 1; -1 when the slices are seen from the other end, and below is above.
    """

    index: int
    below: tuple[Anchor, ...]
    above: tuple[Anchor, ...]
    step: int = 1

    @property
    def turned(self) -> Neighbours:
        """The same seen from the other end."""
        return Neighbours(self.index, self.above, self.below, -self.step)

    @property
    def nearest(self) -> tuple[Anchor | None, Anchor | None]:
        """The nearest below and above."""
        return (self.below[0] if self.below else None, self.above[0] if self.above else None)

    @property
    def shown(self) -> tuple[Anchor, ...]:
        """Those of the nearest that show tumour."""
        return tuple(anchor for anchor in self.nearest if anchor is not None and not anchor.empty)


def neighbours_of(
    index: int, drawn: Collection[int], is_empty: Callable[[int], bool], first: int | None, last: int | None
) -> Neighbours:
    """Find the known slices around one.

    Args:
        index: of a slice that is not drawn.
        drawn: indices of the drawn slices, in any order.
        is_empty: whether a drawn slice shows no tumour.
        first: the first slice of the tumour, where it is known.
        last: the last one.
    """
    anchors = {number: Anchor(number, is_empty(number)) for number in drawn}
    for end, beyond in ((first, -1), (last, 1)):
        if end is not None:
            anchors.setdefault(end + beyond, Anchor(end + beyond, empty=True))
    below = sorted((number for number in anchors if number < index), reverse=True)[:2]
    above = sorted(number for number in anchors if number > index)[:2]
    return Neighbours(index, tuple(anchors[n] for n in below), tuple(anchors[n] for n in above))
