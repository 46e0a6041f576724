"""``complete``: some drawn slices in, the whole volume out; without a network by shape interpolation.

Importing this does not import PyTorch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ...errors import Cancelled, InputError
from ...images.region import axial_spacing
from ...images.volume import Volume
from ...system.progress import Progress
from .drawing import Drawing
from .ends import end_of, run_around
from .interpolation import mixed_distance
from .neighbours import Neighbours
from .request import Request, checked_request

if TYPE_CHECKING:
    from .completer import Completer

COMPLETER, INTERPOLATION = "completer", "interpolation"


@dataclass(frozen=True)
class Completion:
    """A completed volume. Slices are counted along the stored axis closest to head-feet, as a viewer counts them.

    Attributes:
        mask: uint8 (z, y, x) on the CT's own grid; drawn slices as they were, voxel for voxel.
        drawn: the drawn slices, ascending.
        first: first slice of the completed range.
        last: its last one.
        found: which of "first" and "last" were not named and had to be found.
        method: "completer", or "interpolation" when there was no network to ask.
        completer: id, version and digest of the network; None without one.
        warnings: sentences for the user.
        timings: seconds by step.
    """

    mask: np.ndarray
    drawn: tuple[int, ...]
    first: int
    last: int
    found: tuple[str, ...] = ()
    method: str = INTERPOLATION
    completer: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)


def complete(
    volume: Volume,
    mask: np.ndarray,
    *,
    drawn: Collection[int] | None = None,
    first: int | None = None,
    last: int | None = None,
    find_ends: bool = False,
    completer: Completer | None = None,
    likely: np.ndarray | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Completion:
    """Complete a volume from some drawn slices.

    Args:
        volume: the CT, in any axis order.
        mask: (z, y, x) on its grid, 0 and one other value; what is on slices that were not drawn is not looked at.
        drawn: the slices that were drawn; all that are not empty by default. An empty one among them stays empty.
        first: the tumour's first slice; by default that of the drawn slices, unless ``find_ends``.
        last: its last slice; the same.
        find_ends: find the ends that are not named: by ``likely``, else by the completer.
        completer: the network, see `completer.load_completer`; without it shapes are interpolated.
        likely: bool (slices,), which slices show tumour by a classifier.
        progress: called with "completing", slices done, and slices in all.
        cancelled: asked between batches; the run stops when it returns True.

    Raises:
        InputError: see `request.checked_request`; or a single slice is drawn, no end is named and there is no network.
        Cancelled: ``cancelled`` returned True.
    """
    started = time.perf_counter()
    request = checked_request(volume, mask=mask, drawn=drawn, first=first, last=last)
    if find_ends and len(request.shown) == 1 and all(known is None for known in (completer, likely, first, last)):
        raise InputError(
            f"only slice {request.shown[0]} is drawn, and without the completer's network the ends cannot be found; "
            "name the first and the last slice, or draw more slices"
        )
    work = _Work(
        volume,
        mask=mask,
        request=request,
        completer=completer,
        progress=progress or (lambda *_: None),
        cancelled=cancelled or (lambda: False),
    )
    return replace(work.result(find_ends, likely), timings={"total": time.perf_counter() - started})


class _Work:
    """One completion; everything in here counts axial slices, towards the head."""

    def __init__(
        self,
        volume: Volume,
        mask: np.ndarray,
        request: Request,
        completer: Completer | None,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> None:
        self.volume, self.request, self.completer = volume, request, completer
        self.progress, self.cancelled = progress, cancelled
        self.turned = 0 in volume.axial.flips
        given = volume.axial.of(mask)
        masks = {self._other(index): np.asarray(given[self._other(index)] != 0) for index in request.drawn}
        self.drawing = Drawing(volume.axial.of(volume.array), masks, axial_spacing(volume))

    def result(self, find_ends: bool, likely: np.ndarray | None) -> Completion:
        named = (self.request.first, self.request.last)
        low, high, warnings = self._ends(likely if find_ends else None, find_ends)
        stored = np.zeros(self.volume.array.shape, np.uint8)
        axial = self.volume.axial.of(stored)
        self._fill(axial, low, high)
        for index, outline in self.drawing.masks.items():
            axial[index] = outline
        first, last = sorted((self._other(low), self._other(high)))
        return Completion(
            mask=stored,
            drawn=self.request.drawn,
            first=first,
            last=last,
            found=tuple(name for name, end in zip(("first", "last"), named) if end is None) if find_ends else (),
            method=INTERPOLATION if self.completer is None else COMPLETER,
            completer=None if self.completer is None else self.completer.bundle.identity,
            warnings=(*self.volume.notes, *self._empty(), *warnings),
        )

    def _empty(self) -> list[str]:
        """A sentence where slices were given as drawn that show nothing: on purpose, or by a slip."""
        empty = sorted(set(self.request.drawn) - set(self.request.shown))
        if not empty:
            return []
        which = f"slice {empty[0]} is" if len(empty) == 1 else f"slices {', '.join(map(str, empty))} are"
        return [f"{which} among the drawn ones and empty: taken as without tumour"]

    def _other(self, index: int) -> int:
        """A slice's index in axial order from that in storage, and the other way."""
        return self.volume.slices - 1 - index if self.turned else index

    def _ends(self, likely: np.ndarray | None, find_ends: bool) -> tuple[int, int, list[str]]:
        """The ends: named, else by the classifier, else by the completer, else the drawn ones; and what to tell."""
        shown = [self._other(index) for index in self.request.shown]
        ends = [None if end is None else self._other(end) for end in (self.request.first, self.request.last)]
        low, high = ends[::-1] if self.turned else ends
        if likely is not None:
            empty = list(set(self.drawing.masks) - set(shown))  # drawn without tumour, whatever the classifier sees
            likely = np.array(likely[::-1] if self.turned else likely)
            likely[empty] = False
            run = run_around(likely, shown)
            low, high = (seen if end is None else end for end, seen in zip((low, high), run))
        if find_ends and self.completer is not None:
            ask = partial(end_of, self.completer, self.drawing, named=(low, high), done=self._stop)
            low, high = (ask(step=step) if end is None else end for step, end in ((-1, low), (1, high)))
        unknown = find_ends and None in (low, high)
        warnings = ["the ends could not be found without a network: the outline ends with the drawn slices"] * unknown
        return min(shown) if low is None else low, max(shown) if high is None else high, warnings

    def _fill(self, axial: np.ndarray, low: int, high: int) -> None:
        """Outline every slice between the ends that was not drawn."""
        between = [index for index in range(low, high + 1) if index not in self.drawing.masks]
        wanted = [self.drawing.neighbours(index, low, high) for index in between]
        wanted = [neighbours for neighbours in wanted if neighbours.shown]  # between empty ones it stays empty
        outlines = (
            map(self._interpolated, wanted)
            if self.completer is None
            else self.completer.outlines(self.drawing, wanted, lambda done: self._done(done, len(wanted)))
        )
        for neighbours, outline in zip(wanted, outlines):
            axial[neighbours.index][self.drawing.window] = outline

    def _interpolated(self, neighbours: Neighbours) -> np.ndarray:
        self._stop()
        return mixed_distance(neighbours, self.drawing.distance, self.drawing.spacing) > 0

    def _done(self, done: int, total: int) -> None:
        self.progress("completing", done, total)
        self._stop()

    def _stop(self, _: int = 0) -> None:
        if self.cancelled():
            raise Cancelled("the completion was cancelled; nothing was changed")
