"""Making a bundle's 8-bit form: ranges of activations, and how results compare with those in float32."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ...cascade.assembly import in_precision
from ...cascade.cascade import Cascade
from ...cascade.crops import crop_input
from ...cascade.int8.convert import NotQuantisableError, range_points
from ...cascade.int8.layers import missing_support
from ...cascade.person import simulated_box
from ...cascade.preprocess import body_box, network_input
from ...cascade.result import CascadeResult
from ...errors import InputError
from ...images.placement import tumour_slices
from ...images.read import read_volume
from ...images.region import Region, axial_spacing
from ...images.volume import Volume
from ...model.precision import DIGITS, Agreement, Calibration
from ...system.progress import Progress
from ..data.dataset import Case, read_label

CASES, SLICES_OF_CASE = 16, 16
BATCH, RANGE_BATCH = 8, 2
SLACK_MM = 20.0  # of the boxes that a model trained on crops looks inside
RANGE_DIGITS = 5


T = TypeVar("T")


def calibrate(
    model: Cascade,
    cases: Sequence[Case],
    others: Sequence[Case],
    progress: Progress | None = None,
) -> Calibration:
    """Measure a model's ranges on some slices of ``cases``, and compare results on ``others``.

    Args:
        model: in float32, on the CPU.
        cases: `CASES` of them are used, spread over the list.
        others: cases with labels, best other ones than ``cases``.
        progress: called with stage, cases done, and cases in all.

    Raises:
        InputError: the model has no 8-bit form, this machine cannot run it, or ``others`` can show nothing about it.
    """
    reason = missing_support()
    if reason:
        raise InputError(f"8-bit results cannot be compared here: {reason}; calibrate on another machine")
    if not any(read_label(case, read_volume(case.image)).any() for case in others):
        raise InputError(
            f"no label in {_folder(others)} shows a tumour, so slice recall cannot be compared; give --compare cases "
            "with tumours"
        )
    images = calibration_images(model, cases)
    picked = _picked(model, images)
    files = model.bundle.info.classifier.files, model.bundle.info.segmenter.files
    stages = zip(files, (model.classifiers, model.segmenters), (images, picked))
    ranges = {
        name: measure_ranges(network, given.split(RANGE_BATCH))
        for names, networks, given in stages
        for name, network in zip(names, networks)
    }
    try:
        small = in_precision(model, "int8", ranges)
    except NotQuantisableError as error:
        raise InputError(f"{model.bundle.path} cannot be calibrated: {error}; it runs in fp32") from error
    return Calibration(ranges, compare(model, small, others, progress))


def measure_ranges(network: nn.Module, batches: Iterable[Tensor]) -> dict[str, float]:
    """Largest activation at each of `range_points` in a batch of float (n, C, N, N), averaged over the batches.

    Averaged, because one slice with a far larger value would make the steps coarse for all others.
    """
    ranges: dict[str, list[float]] = {}

    def note(name: str, values: Tensor) -> None:
        # Where there is no ReLU, negative values count as well.
        largest = float(values.abs().amax())
        ranges.setdefault(name, []).append(largest)

    def note_input(name: str, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        note(name, given[0])

    def note_output(name: str, _: nn.Module, __: tuple[Tensor, ...], made: Tensor) -> None:
        note(name, made)

    with ExitStack() as hooks, torch.inference_mode():
        for name, (module, before) in range_points(network).items():
            if before:
                hooks.enter_context(module.register_forward_pre_hook(partial(note_input, name)))
            else:
                hooks.enter_context(module.register_forward_hook(partial(note_output, name)))
        for batch in batches:
            network(batch)
    means = {name: sum(values) / len(values) for name, values in ranges.items()}
    return {name: float(f"{value:.{RANGE_DIGITS}g}") for name, value in means.items()}


def calibration_images(model: Cascade, cases: Sequence[Case]) -> Tensor:
    """Network input of slices spread over cases, and over each case: float (n, C, N, N)."""
    settings = model.bundle.info.preprocessing
    batches = []
    for case in _spread(cases, CASES):
        volume = read_volume(case.image)
        hu = volume.axial.of(volume.array)
        region = _region(model, case, volume)
        if region is None:
            indices = _spread(range(len(hu)), SLICES_OF_CASE)
            batches.append(network_input(hu, indices, [body_box(hu[index], settings) for index in indices], settings))
        else:
            box, spacing = region.index_box(volume), axial_spacing(volume)
            indices = _spread(range(box.lower[0], box.upper[0]), SLICES_OF_CASE)
            batches.append(
                torch.stack(
                    [crop_input(hu, index=index, box=box, spacing=spacing, settings=settings) for index in indices]
                )
            )
    return torch.cat(batches)


def _region(model: Cascade, case: Case, volume: Volume) -> Region | None:
    """A box around the label where the model was trained on crops."""
    if model.bundle.info.preprocessing.crops is None:
        return None
    return simulated_box(read_label(case, volume), volume, SLACK_MM, case.name)


def compare(
    reference: Cascade,
    other: Cascade,
    cases: Sequence[Case],
    progress: Progress | None = None,
) -> Agreement:
    """Results of two forms of a cascade on the same CTs, whose labels show a tumour in at least one.

    Raises:
        InputError: the reference outlines nothing in any of them, and equal empty masks show nothing.
    """
    overlaps, equal, rows = [], [], []
    outlined = False
    for done, case in enumerate(cases):
        if progress is not None:
            progress("comparing", done, len(cases))
        volume = read_volume(case.image)
        region = _region(reference, case, volume)
        results = [cascade.segment(volume, region=region) for cascade in (reference, other)]
        masks = [result.mask.astype(bool) for result in results]
        outlined = outlined or bool(masks[0].any())
        total = sum(int(mask.sum()) for mask in masks)
        overlaps.append(2 * int((masks[0] & masks[1]).sum()) / total if total else 1.0)
        equal.append(_decisions(results[0]) == _decisions(results[1]))
        abnormal = tumour_slices(read_label(case, volume), volume)
        rows.append(np.stack([_decisions(result)[abnormal] for result in results]))
    if not outlined:
        raise InputError(
            f"the model outlines nothing in {_folder(cases)} in fp32, so masks cannot be compared; give --compare "
            "cases in which it finds tumours"
        )
    recall = np.concatenate(rows, axis=1).mean(axis=1)
    decided = np.concatenate(equal)
    figures = (np.mean(overlaps), min(overlaps), decided.mean(), *recall)
    return Agreement(
        _folder(cases).name, len(cases), len(decided), *(round(float(figure), DIGITS) for figure in figures)
    )


def _folder(cases: Sequence[Case]) -> Path:
    """Of a data set."""
    return cases[0].image.parent.parent


def _picked(model: Cascade, images: Tensor) -> Tensor:
    """What the segmenter will see: slices that the classifier picks, all when it picks none."""
    with torch.inference_mode():
        members = [
            torch.cat([network(batch).softmax(dim=1)[:, 1] for batch in images.split(BATCH)])
            for network in model.classifiers
        ]
    picked = torch.stack(members).mean(dim=0) >= model.bundle.info.thresholds.slice
    return images[picked] if bool(picked.any()) else images


def _decisions(result: CascadeResult) -> np.ndarray:
    return result.slice_probability >= result.threshold


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Up to ``count`` of the items, at equal distances."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]
