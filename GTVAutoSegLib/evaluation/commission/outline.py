"""What outlines a case of a commission: a model as it is used, or a person who draws some slices and a completer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...cascade.load import check_torch, load_model
from ...cascade.person import simulated_box
from ...errors import InputError
from ...images.metrics import compare
from ...images.volume import Volume
from ...system.names import counted
from ..drawn import drawn_slices, without_slices

WINDOW = (-160.0, 240.0)  # HU of the pictures, where a model says nothing


@dataclass(frozen=True)
class HowRun:
    """How outlines are made.

    Attributes:
        model: path of the bundle: of a model, or of a completer where slices are drawn.
        device: to run on.
        precision: to compute in; a completer has its own.
        boxes: slack of simulated boxes, mm; the first one counts.
        tolerance_mm: the site's.
        drawn: how many slices a simulated person draws; 0 for a model.
    """

    model: Path
    device: str
    precision: str
    boxes: tuple[float, ...]
    tolerance_mm: float
    drawn: int = 0


@dataclass(frozen=True)
class Outlined:
    """An outline and what it is compared with.

    Attributes:
        mask: (z, y, x), 0 or 1.
        reference: bool (z, y, x); without the slices that were drawn, as the mask.
        device: where it was made.
        precision: in which numbers.
        warnings: sentences for the user.
        dsc_by_box: DSC by the slack of the box, mm.
    """

    mask: np.ndarray
    reference: np.ndarray
    device: str
    precision: str
    warnings: tuple[str, ...] = ()
    dsc_by_box: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outliner:
    """Makes outlines, and says in which window of HU they are shown."""

    outline: Callable[[str, Volume, np.ndarray], Outlined]
    window: tuple[float, float]


@lru_cache(maxsize=1)
def outliner(how: HowRun) -> Outliner:
    """Load what makes the outlines; it stays loaded in this process.

    Raises:
        ModelError: the model, the completer or PyTorch is missing or damaged.
        InputError: there is no such device or precision.
    """
    check_torch()
    return _person(how) if how.drawn else _model(how)


def _model(how: HowRun) -> Outliner:
    model = load_model(how.model, how.device, how.precision)

    def outline(name: str, volume: Volume, reference: np.ndarray) -> Outlined:
        regions = [simulated_box(reference, volume, slack, name) for slack in how.boxes]
        result = model.segment(volume, region=regions[0] if regions else None)
        masks = [result.mask, *(model.segment(volume, region=one).mask for one in regions[1:])]
        overlaps = [compare(mask, reference, volume).dsc for mask in masks] if reference.any() else []
        return Outlined(
            mask=result.mask,
            reference=reference,
            device=result.device,
            precision=result.precision,
            warnings=(*result.warnings, *([result.reason] if result.reason else [])),
            dsc_by_box={f"{slack:g}": round(dsc, 5) for slack, dsc in zip(how.boxes, overlaps)},
        )

    return Outliner(outline, model.bundle.info.preprocessing.window)


def _person(how: HowRun) -> Outliner:
    from ...cascade.completion.complete import complete
    from ...cascade.completion.completer import load_completer

    completer = load_completer(how.model, how.device)

    def outline(_: str, volume: Volume, reference: np.ndarray) -> Outlined:
        if not reference.any():
            raise InputError("its label shows no tumour, so a person has nothing to draw; leave the case out")
        first, last, drawn = drawn_slices(reference, volume, "inside", how.drawn)
        if not drawn or last - first + 1 <= len(drawn):
            raise InputError(
                f"its tumour has {counted(last - first + 1, 'slice')}, and {len(drawn)} of them are drawn; "
                "expected some that are and some that are not, so draw another number"
            )
        result = complete(volume, reference, drawn=drawn, first=first, last=last, completer=completer)
        mask, rest = (without_slices(array, drawn, volume) for array in (result.mask, reference))
        return Outlined(mask, rest, device=str(completer.device), precision="fp32", warnings=result.warnings)

    return Outliner(outline, WINDOW)
