"""A case of a commission: the model runs as it is used, and its worst slices are drawn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...cascade.load import load_model
from ...cascade.person import simulated_box
from ...errors import InputError
from ...images.masks.structure import mask_sha256
from ...images.metrics import added_path_length, compare
from ...images.read import read_volume
from ...images.volume import Volume
from ...report.pictures import Picture, compared_slices
from ...training.data.dataset import Case, read_label
from ...training.data.imports.voxels import voxels_sha256
from .figures import CaseFigures, FailedCase, agreement_figures

if TYPE_CHECKING:
    from ...cascade.cascade import Cascade

WORST_OF_A_CASE = 2


@dataclass(frozen=True)
class HowRun:
    """How the model is run: its bundle, device and precision, the slack of simulated boxes, the site's tolerance."""

    model: Path
    device: str
    precision: str
    boxes: tuple[float, ...]
    tolerance_mm: float


@dataclass(frozen=True)
class WorstSlice:
    """A slice of a case: mm of the reference's outline that have to be drawn there, and its picture."""

    case: str
    added_path_length_mm: float
    picture: Picture


@dataclass(frozen=True)
class Measured:
    """A case's figures and its worst slices."""

    figures: CaseFigures
    worst: tuple[WorstSlice, ...]


def check_loads(how: HowRun) -> None:
    """Load the model, so that what is wrong with it is said before a case is read, or a process started.

    Raises:
        ModelError: the model or PyTorch is missing or damaged.
        InputError: there is no such device or precision.
    """
    _loaded(how)


def measure(case: Case, how: HowRun, patient: str) -> Measured | FailedCase:
    """Run the model on a case and compare; the model stays loaded in this process.

    Raises:
        ModelError: the model or PyTorch is missing or damaged.
        RunError: memory ran out.
    """
    model, window = _loaded(how)
    try:
        volume = read_volume(case.image)
        reference = read_label(case, volume)
        begun = time.perf_counter()
        regions = [simulated_box(reference, volume, slack, case.name) for slack in how.boxes]
        result = model.segment(volume, region=regions[0] if regions else None)
        seconds = time.perf_counter() - begun
        others = [compare(model.segment(volume, region=one).mask, reference, volume).dsc for one in regions[1:]]
    except InputError as error:
        return FailedCase(case.name, str(error))
    agreed = agreement_figures(result.mask, reference, volume, how.tolerance_mm)
    by_box = dict(zip((f"{slack:g}" for slack in how.boxes), [agreed["dsc"], *others])) if reference.any() else {}
    figures = CaseFigures(
        case=case.name,
        patient=patient,
        voxels_sha256=voxels_sha256(volume),
        reference_sha256=mask_sha256(reference.astype(np.uint8)),
        mask_sha256=mask_sha256(result.mask),
        dsc_by_box={slack: round(dsc, 5) for slack, dsc in by_box.items()},
        warnings=(*result.warnings, *([result.reason] if result.reason else [])),
        device=result.device,
        precision=result.precision,
        seconds=round(seconds, 2),
        **agreed,
    )
    return Measured(figures, _worst(case.name, result.mask, reference, volume=volume, window=window))


def _worst(
    name: str, mask: np.ndarray, reference: np.ndarray, *, volume: Volume, window: tuple[float, float]
) -> tuple[WorstSlice, ...]:
    """The slices with most outline to draw or to take away."""
    true, ours = reference.astype(bool), mask > 0
    lengths = added_path_length(ours, true, volume) + added_path_length(true, ours, volume)
    chosen = [int(index) for index in np.argsort(-lengths, kind="stable")[:WORST_OF_A_CASE] if lengths[index] > 0]
    pictures = compared_slices(mask, reference, volume, slices=chosen, window=window)
    return tuple(WorstSlice(name, round(float(lengths[index]), 1), picture) for index, picture in zip(chosen, pictures))


@lru_cache(maxsize=1)
def _loaded(how: HowRun) -> tuple[Cascade, tuple[float, float]]:
    model = load_model(how.model, how.device, how.precision)
    return model, model.bundle.info.preprocessing.window
