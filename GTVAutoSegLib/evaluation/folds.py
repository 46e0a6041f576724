"""Measuring a training run by itself: every case by the networks of the fold that did not learn from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..model.bundle import DESCRIPTION
from ..system.progress import Progress, followed
from ..training.configuration import Configuration, read_configuration
from ..training.data.dataset import Case
from ..training.data.folds import read_dataset
from ..training.data.slice_store import content_of
from .cases import EVALUATING, Failure, Measurement, Subject, evaluate

EPOCHS_REMARK = (
    "each network's best epoch was chosen on the cases it is measured on, which flatters it a little; patients kept "
    "aside from the run give the figure to report"
)


@dataclass(frozen=True)
class Part:
    """The networks of a fold, and cases to measure them on.

    Attributes:
        name: of the fold; measurements carry it as their model.
        bundle: path of the fold's own bundle.
        cases: which its networks did not learn from.
    """

    name: str
    bundle: Path
    cases: tuple[Case, ...]


def held_out(run: Path, dataset: Path) -> tuple[list[Part], list[str]]:
    """The folds of a run that have a bundle, each with the cases it validated on.

    Args:
        run: folder of a training run.
        dataset: the data set it was trained on, as given to the training.

    Returns:
        The parts, and remarks for whoever reads their figures.

    Raises:
        InputError: the folder is no run, no fold of it has a bundle yet, or the data set is another one.
    """
    configuration = read_configuration(run)
    cases = {case.name: case for case in read_dataset(dataset)[0]}
    bundles = {name: run / name / configuration.task.id for name in configuration.folds}
    bundles = {name: bundle for name, bundle in bundles.items() if (bundle / DESCRIPTION).is_file()}
    if not bundles:
        raise InputError(
            f"{run} has no model of a fold; expected a run with a finished classifier and segmenter, so give its "
            "command of 'gtvautoseg train' again with --resume"
        )
    parts = []
    for name, bundle in bundles.items():
        chosen = configuration.folds[name]
        for case in chosen:
            if case not in cases or content_of(cases[case]) != configuration.cases.get(case):
                raise InputError(
                    f"{dataset} is not what {run} was trained on (the case {case} is "
                    f"{'changed' if case in cases else 'missing'}); give the data set of the training as it was"
                )
        parts.append(Part(name, bundle, tuple(cases[case] for case in chosen)))
    return parts, _remarks(configuration, list(bundles))


def evaluate_folds(
    parts: Sequence[Part],
    device: str = "auto",
    workers: int = 1,
    boxes: tuple[float, ...] = (),
    progress: Progress | None = None,
) -> Iterator[list[Measurement] | Failure]:
    """Measure every fold on its cases; as `cases.evaluate`, with the fold's name as the model's.

    Args:
        parts: folds and cases; the same cases for every fold where these are patients that were kept aside.
        device: for the networks.
        workers: processes.
        boxes: as of `cases.Subject`.
        progress: called with "evaluating", cases done, and cases in all.
    """
    found = (
        (part.name, result)
        for part in parts
        for result in evaluate(part.cases, Subject((part.bundle,), device=device, boxes=boxes), workers)
    )
    for name, result in followed(found, EVALUATING, progress, sum(len(part.cases) for part in parts)):
        yield result if isinstance(result, Failure) else [replace(one, model=name) for one in result]


def _remarks(configuration: Configuration, measured: Sequence[str]) -> list[str]:
    remarks = [EPOCHS_REMARK]
    if configuration.preset.choose_threshold and len(measured) == 1:
        remarks.append("the thresholds were chosen on the cases they are measured on as well")
    elif configuration.preset.choose_threshold:
        remarks.append("the thresholds of each fold were chosen on the cases of the other folds")
    missing = {name: len(names) for name, names in configuration.folds.items() if name not in measured}
    if missing:
        remarks.append(
            f"{', '.join(missing)}: not trained yet, so {sum(missing.values())} of the cases are not measured"
        )
    return remarks
