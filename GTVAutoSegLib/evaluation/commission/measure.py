"""A case of a commission: it is outlined, compared with its reference, and its worst slices are drawn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...images.masks.structure import mask_sha256
from ...images.metrics import added_path_length
from ...images.read import read_volume
from ...images.region import axial_spacing
from ...images.volume import Volume
from ...report.pictures import Picture, compared_slices
from ...training.data.dataset import Case, read_label
from ...training.data.imports.voxels import voxels_sha256
from ..cases import Failure
from .figures import CaseFigures, agreement_figures
from .outline import HowRun, Outlined, outliner

WORST_OF_A_CASE = 2
APART_MM = 15.0  # neighbours show the same


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


def measure(case: Case, how: HowRun, patients: Mapping[str, str]) -> Measured | Failure:
    """Outline a case and compare; what makes the outline stays loaded in this process. ``patients`` is by case.

    Raises:
        ModelError: the model or PyTorch is missing or damaged.
        RunError: memory ran out.
    """
    maker = outliner(how)
    try:
        volume = read_volume(case.image)
        reference = read_label(case, volume)
        begun = time.perf_counter()
        found = maker.outline(case.name, volume, reference)
        seconds = time.perf_counter() - begun
    except InputError as error:
        return Failure(case.name, _without_folders(str(error), case))
    figures = CaseFigures(
        case=case.name,
        patient=patients[case.name],
        voxels_sha256=voxels_sha256(volume),
        reference_sha256=mask_sha256(reference.astype(np.uint8)),
        mask_sha256=mask_sha256(found.mask.astype(np.uint8)),
        dsc_by_box=found.dsc_by_box,
        warnings=found.warnings,
        device=found.device,
        precision=found.precision,
        seconds=round(seconds, 2),
        **agreement_figures(found.mask, found.reference, volume, how.tolerance_mm),
    )
    return Measured(figures, worst_slices(case.name, found, volume=volume, window=maker.window))


def _without_folders(text: str, case: Case) -> str:
    """A message with the names of the case's files alone: folders name patients and machines, and pages are filed."""
    for path in (case.image, case.label):
        text = text.replace(str(path), path.name)
    return text


def worst_slices(name: str, found: Outlined, *, volume: Volume, window: tuple[float, float]) -> tuple[WorstSlice, ...]:
    """The slices with most outline to draw or to take away."""
    true, ours = found.reference, found.mask > 0
    lengths = added_path_length(ours, true, volume) + added_path_length(true, ours, volume)
    apart = APART_MM / axial_spacing(volume)[0]
    chosen: list[int] = []
    for index in np.argsort(-lengths, kind="stable").tolist():
        if lengths[index] > 0 and all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
    chosen = chosen[:WORST_OF_A_CASE]
    pictures = compared_slices(ours, true, volume, slices=chosen, window=window)
    return tuple(WorstSlice(name, round(float(lengths[index]), 1), picture) for index, picture in zip(chosen, pictures))
