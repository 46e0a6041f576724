"""Measuring models, or masks of any origin, case by case, on the native grid against the native labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cascade.load import check_torch, load_model
from ..cascade.person import simulated_box
from ..errors import InputError
from ..images.metrics import Agreement, SliceCounts, compare, count_slices
from ..images.placement import tumour_slices
from ..images.read import read_volume
from ..images.volume import Volume
from ..model.bundle import read_bundle
from ..system.progress import Progress, followed
from ..training.data.dataset import SUFFIXES, Case, read_label
from ..training.data.imports.voxels import voxels_sha256
from .boxes import boxed
from .in_order import in_order

if TYPE_CHECKING:
    from ..cascade.cascade import Cascade

CASCADE, ALL_SLICES, TRUE_SLICES = "cascade", "all_slices", "true_slices"
PREDICTIONS = "predictions"
EVALUATING = "evaluating"


@dataclass(frozen=True)
class Measurement:
    """One mask of one case against its reference.

    Attributes:
        model: which model made it, see `model_names`, or the folder of predictions.
        case: name.
        variant: "cascade"; "all_slices", the segmenter alone, on every slice; "true_slices", the segmenter on the
            slices of the reference, which is what a perfect classifier would give; or "predictions". Inside a box each
            has the box's name in front, see `boxes.boxed`.
        agreement: with the reference.
        slices: the classifier's judgement for a cascade, the slices of the mask for predictions, otherwise None.
        voxels: what the CT is known by, see `training.data.imports.voxels`.
    """

    model: str
    case: str
    variant: str
    agreement: Agreement
    slices: SliceCounts | None
    voxels: str = ""


@dataclass(frozen=True)
class Failure:
    """A case that could not be measured, and the sentence that says why."""

    case: str
    reason: str


@dataclass(frozen=True)
class Subject:
    """What is measured: models, or a folder of masks.

    Attributes:
        models: paths of bundles.
        predictions: folder with ``<case>.nii.gz`` or ``<case>/*.nii.gz``; None when there are models.
        device: for the models.
        boxes: mm of slack of the boxes that models look inside, one measurement each; none for whole CTs.
    """

    models: tuple[Path, ...] = ()
    predictions: Path | None = None
    device: str = "auto"
    boxes: tuple[float, ...] = ()


def evaluate(
    cases: Sequence[Case], subject: Subject, workers: int = 1, progress: Progress | None = None
) -> Iterator[list[Measurement] | Failure]:
    """Measure every case; yields in the order of the cases, whatever the number of workers.

    Args:
        cases: of a data set.
        subject: what to measure.
        workers: processes; each loads the models itself and takes its share of the CPU's threads.
        progress: called with "evaluating", cases done, and cases in all.

    Raises:
        InputError: a prediction is missing (before anything is measured), or there is no such device.
        ModelError: a model is missing or damaged, or PyTorch is.
        RunError: memory ran out, or a process died.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1")
    if subject.predictions is not None:
        for case in cases:
            find_prediction(subject.predictions, case)
    _measurer.cache_clear()  # since an earlier call a model may have changed on disk
    _measurer(subject)  # what is wrong with a model or device is said before a case is read, or a process started
    do = partial(_measure, subject=subject)
    results = in_order(do, cases, workers, networks=bool(subject.models))
    yield from followed(results, EVALUATING, progress, len(cases))


def find_prediction(folder: Path, case: Case) -> Path:
    """The mask of a case in a folder of predictions.

    Raises:
        InputError: there is none, or more than one.
    """
    files = [folder / f"{case.name}{suffix}" for suffix in SUFFIXES]
    files += sorted(path for suffix in SUFFIXES for path in (folder / case.name).glob(f"*{suffix}"))
    files = [path for path in files if path.is_file()]
    if len(files) != 1:
        found = ", ".join(map(str, files)) or "none"
        raise InputError(
            f"{folder} has {len(files)} masks for the case {case.name} ({found}); expected one, {case.name}.nii.gz or "
            f"{case.name}/*.nii.gz"
        )
    return files[0]


def model_names(models: Sequence[Path]) -> list[str]:
    """A name for each bundle: its id, numbered where several have the same."""
    ids = [read_bundle(path).info.id for path in models]
    return [one if ids.count(one) == 1 else f"{one} ({ids[:index].count(one) + 1})" for index, one in enumerate(ids)]


def measure_model(
    name: str,
    model: Cascade,
    case: Case,
    volume: Volume,
    reference: np.ndarray,
    slack_mm: float | None = None,
) -> list[Measurement]:
    """Run a cascade as it is, its segmenter on every slice, and its segmenter on the slices of the reference.

    Args:
        name: of the model.
        model: the `cascade.cascade.Cascade`.
        case: for its name.
        volume: the CT.
        reference: bool (z, y, x).
        slack_mm: of the box around the reference that it looks inside; None for the whole CT.
    """
    region = None if slack_mm is None else simulated_box(reference, volume, slack_mm, case.name)
    result = model.segment(volume, region=region)
    abnormal = tumour_slices(reference, volume)
    masks = {
        CASCADE: result.mask,
        ALL_SLICES: model.segment(volume, picked=np.ones_like(abnormal), region=region).mask,
        TRUE_SLICES: model.segment(volume, picked=abnormal, region=region).mask,
    }
    counts = {CASCADE: count_slices(result.picked, abnormal)}
    return [
        Measurement(
            name,
            case=case.name,
            variant=boxed(variant, slack_mm),
            agreement=compare(mask, reference, volume),
            slices=counts.get(variant),
        )
        for variant, mask in masks.items()
    ]


@lru_cache(maxsize=1)
def _measurer(subject: Subject) -> Callable[[Case], list[Measurement] | Failure]:
    """A function that measures one case; models stay loaded in this process."""
    if subject.models:
        check_torch()
    # The reference, so that figures do not depend on the machine; `calibration` compares the others with it.
    models = [load_model(path, subject.device, "fp32") for path in subject.models]
    names = model_names(subject.models)

    def measure(case: Case) -> list[Measurement] | Failure:
        try:
            volume = read_volume(case.image)
            reference = read_label(case, volume)
            if subject.predictions is not None:
                return [_measure_prediction(subject.predictions, case, volume, reference)]
            results = (
                measure_model(name, model=model, case=case, volume=volume, reference=reference, slack_mm=slack)
                for name, model in zip(names, models)
                for slack in subject.boxes or (None,)
            )
            voxels = voxels_sha256(volume)
            return [replace(measurement, voxels=voxels) for result in results for measurement in result]
        except InputError as error:
            return Failure(case.name, str(error))

    return measure


def _measure_prediction(folder: Path, case: Case, volume: Volume, reference: np.ndarray) -> Measurement:
    mask = read_label(replace(case, label=find_prediction(folder, case)), volume)
    counts = count_slices(tumour_slices(mask, volume), tumour_slices(reference, volume))
    return Measurement(
        folder.name, case=case.name, variant=PREDICTIONS, agreement=compare(mask, reference, volume), slices=counts
    )


def _measure(case: Case, subject: Subject) -> list[Measurement] | Failure:
    return _measurer(subject)(case)
