"""Where a tumour begins and ends, when only some slices of it are drawn and the ends were not named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .drawing import Drawing

if TYPE_CHECKING:
    from .completer import Completer

FARTHEST_MM = 150.0
STRIDE_MM = 25.0  # looked at in one go
# The network sees a tumour fade rather than end: an outline below this share of the largest one, drawn or found on the
# way, does not count any more. Chosen on the validation patients of the completer's card.
SMALLEST_SHARE = 0.3


def run_around(likely: np.ndarray, shown: list[int]) -> tuple[int | None, int | None]:
    """The ends of a classifier's run around the drawn slices.

    Args:
        likely: bool (slices,), which slices show tumour by the classifier.
        shown: drawn slices that show tumour.

    Returns:
        First and last slice of the run on which the lowest and the highest of them lie; None where the classifier
        does not see the tumour that was drawn there.
    """
    first, last = min(shown), max(shown)
    below = above = None
    if likely[first]:
        gaps = np.flatnonzero(~likely[:first])
        below = int(gaps[-1]) + 1 if len(gaps) else 0
    if likely[last]:
        gaps = np.flatnonzero(~likely[last:])
        above = last + int(gaps[0]) - 1 if len(gaps) else len(likely) - 1
    return below, above


def end_of(
    completer: Completer,
    drawing: Drawing,
    step: int,
    named: tuple[int | None, int | None],
    done: Callable[[int], None],
) -> int:
    """The last slice in one direction on which the completer still outlines tumour of some size.

    Args:
        completer: asked slice by slice from the outermost drawn one on, until it outlines little or nothing.
        drawing: the CT and what was drawn.
        step: 1 or -1.
        named: first and last slice where they are known.
        done: called between batches; may raise to stop.
    """
    shown = [index for index, mask in drawing.masks.items() if mask.any()]
    start = max(shown) if step > 0 else min(shown)
    largest = max(int(np.count_nonzero(drawing.masks[index])) for index in shown)
    farthest = start + step * int(FARTHEST_MM / drawing.spacing[0])
    farthest = min(max(farthest, 0), len(drawing.hu) - 1)
    empty = [index for index in drawing.masks if (index - start) * step > 0]  # drawn without tumour: it ends before
    farthest = min([farthest, *(index - step for index in empty)], key=lambda index: index * step)
    stride = max(1, round(STRIDE_MM / drawing.spacing[0]))
    for begin in range(start + step, farthest + step, step * stride):
        some = [i for i in range(begin, begin + step * stride, step) if (farthest - i) * step >= 0]
        outlines = completer.outlines(drawing, [drawing.neighbours(index, *named) for index in some], done)
        for index, outline in zip(some, outlines):
            area = int(np.count_nonzero(outline))
            largest = max(largest, area)
            if area <= SMALLEST_SHARE * largest:
                return index - step
    return farthest
