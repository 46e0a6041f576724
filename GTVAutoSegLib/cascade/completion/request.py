"""What a completion is asked for, checked: each thing that does not fit is one sentence, and nothing has changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...images.placement import tumour_slices
from ...images.volume import Volume, check_ct, check_shape
from ...system.names import some_of


@dataclass(frozen=True)
class Request:
    """Slices are counted along the stored axis that is closest to head-feet, as a viewer counts them.

    Attributes:
        drawn: slices that a person drew, ascending; one of them at least shows tumour.
        shown: those of them that show tumour.
        first: the tumour's first slice, where it is named.
        last: its last one.
    """

    drawn: tuple[int, ...]
    shown: tuple[int, ...]
    first: int | None
    last: int | None


def checked_request(
    volume: Volume, mask: np.ndarray, drawn: Collection[int] | None, first: int | None, last: int | None
) -> Request:
    """Check what a completion is asked for.

    Args:
        volume: the CT.
        mask: (z, y, x) in its storage order.
        drawn: which slices of the mask were drawn; all that are not empty by default.
        first: the tumour's first slice, if it is named.
        last: its last one.

    Raises:
        InputError: no usable CT, a mask on another grid, with several labels or empty, slices that are not in the CT,
            or drawn ones outside of first and last.
    """
    check_ct(volume)
    _check_mask(volume, mask)
    return checked_slices(tumour_slices(mask, volume), drawn, first, last)


def checked_slices(holds: np.ndarray, drawn: Collection[int] | None, first: int | None, last: int | None) -> Request:
    """Check the slices of a request, as `checked_request` does.

    Args:
        holds: for each slice whether there is an outline on it.
        drawn: as of `checked_request`.
        first: the same.
        last: the same.
    """
    chosen = sorted({int(i) for i in (np.flatnonzero(holds) if drawn is None else drawn)})
    for name, index in (*(("slice", i) for i in chosen), ("first slice", first), ("last slice", last)):
        if index is not None and not 0 <= index < len(holds):
            raise InputError(f"{name} {index} is not in the CT, expected 0 to {len(holds) - 1}")
    shown = tuple(index for index in chosen if holds[index])
    if not shown:
        which = "" if drawn is None else f" on slices {', '.join(map(str, chosen))}" if chosen else " on any slice"
        raise InputError(f"nothing is drawn{which}; draw the tumour on one slice at least")
    if first is not None and last is not None and first > last:
        raise InputError(f"the first slice {first} comes after the last one {last}; exchange them")
    for index in shown:
        if (first is not None and index < first) or (last is not None and index > last):
            low, high = ("..." if end is None else end for end in (first, last))
            raise InputError(
                f"slice {index} is drawn and lies outside of the first and last slice ({low} to {high}); name ends "
                "that hold all drawn slices, or erase it"
            )
    return Request(tuple(chosen), shown, first, last)


def _check_mask(volume: Volume, mask: np.ndarray) -> None:
    """Raise InputError for an array of another shape than the CT's, or of other values than 0 and one label."""
    check_shape(mask, volume)
    if mask.dtype == bool:
        return
    labels = [value for value in np.unique(mask).tolist() if value]
    if len(labels) > 1:
        raise InputError(
            f"the drawn mask holds {len(labels)} labels ({some_of(labels)}); expected one, so give one segment"
        )
