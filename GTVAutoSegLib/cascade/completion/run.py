"""A completion from files: the network where there is one, the classifier of a model where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import ModelError
from ...images.region import IndexBox, Region, axial_spacing
from ...images.volume import Volume
from ...system.progress import Progress
from ..load import check_torch
from .complete import Completion, complete
from .ends import FARTHEST_MM
from .request import checked_request

if TYPE_CHECKING:
    from ..cascade import Cascade
    from .completer import Completer

# A tumour is seldom much wider than where it was drawn; models trained on boxes know some slack.
AROUND_MM = 15.0


def load_or_explain(path: Path | None, device: str) -> tuple[Completer | None, str]:
    """The completer, or None and the sentence that says why there is none.

    Args:
        path: of a completer; None for the shipped one.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        ModelError: a completer was asked for by its path, and cannot be had.
        InputError: there is no such device.
    """
    try:
        check_torch()
        from .completer import load_completer

        return load_completer(path, device), ""
    except ModelError as error:
        if path is not None:
            raise
        return None, f"shapes were interpolated without looking at the CT, because {error}"


def region_around(volume: Volume, mask: np.ndarray, slices: Sequence[int]) -> Region:
    """Where a classifier looks for the ends: around what is drawn, and as far along the body as a tumour may reach.

    Args:
        volume: the CT.
        mask: (z, y, x) on its grid.
        slices: those that were drawn and show tumour.
    """
    drawn = np.zeros(mask.shape, bool)
    volume.axial.by_slice(drawn)[list(slices)] = volume.axial.by_slice(mask)[list(slices)] != 0
    box = IndexBox.around(volume.axial.of(drawn))
    reach = round(FARTHEST_MM / axial_spacing(volume)[0])
    lower, upper = max(0, box.lower[0] - reach), min(volume.slices, box.upper[0] + reach)
    tall = IndexBox((lower, *box.lower[1:]), (upper, *box.upper[1:]))
    return Region.of_indices(tall, volume).widened(AROUND_MM)


def run_completion(
    volume: Volume,
    mask: np.ndarray,
    *,
    drawn: Collection[int] | None,
    first: int | None,
    last: int | None,
    completer: Completer | None,
    without: str,
    model: Cascade | None,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None = None,
) -> Completion:
    """Complete a volume; ends that are not named are found.

    Args:
        volume: the CT.
        mask: (z, y, x) on its grid.
        drawn: the drawn slices; None for all that are not empty.
        first: the tumour's first slice; None to find it.
        last: its last one; the same.
        completer: the network, see `load_or_explain`.
        without: the sentence that says why there is none; "" with it.
        model: whose classifier tells where the tumour begins and ends; None to let the completer find it.
        progress: called with a stage, slices done, and slices in all.
        cancelled: asked between batches; the run stops when it returns True.

    Raises:
        InputError: as for `complete`.
        Cancelled: ``cancelled`` returned True.
    """
    likely = None
    if model is not None and None in (first, last):
        request = checked_request(volume, mask=mask, drawn=drawn, first=first, last=last)
        around = region_around(volume, mask, request.shown)
        probability = model.classify(volume, region=around, progress=progress, cancelled=cancelled)
        likely = probability >= model.bundle.info.thresholds.slice
    result = complete(
        volume,
        mask,
        drawn=drawn,
        first=first,
        last=last,
        find_ends=True,
        completer=completer,
        likely=likely,
        progress=progress,
        cancelled=cancelled,
    )
    return replace(result, warnings=(*result.warnings, *([without] if without else [])))
