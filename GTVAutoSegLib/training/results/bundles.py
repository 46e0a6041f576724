"""From a training run to model bundles: one of each finished fold, and one with all their networks side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import nn

from ...cascade.inference import ensemble_probabilities
from ...errors import Cancelled, InputError
from ...model.bundle import DESCRIPTION, SCHEMA
from ...model.info import ModelInfo, NetworkInfo, TaskInfo, Thresholds, TrainingData
from ...model.stages import CascadeStage
from ...system.files import restore_folder, sha256_of, whole_folder, write_json
from ...system.lock import locked
from ...system.names import counted
from ..checkpoint import is_finished, load_state, load_weights, write_halved
from ..configuration import Run
from ..data.crop_set import samples_of, slack_box
from ..data.folds import SPLIT, Fold
from ..data.slices import StoredCase
from ..data.tasks import Task
from ..stages import STAGES
from .threshold import ByMask, best_thresholds, measure_case, threshold_curves

PATIENCE_SECONDS = 3600
CURVES = "thresholds.json"
BOXES = 3  # of each validation case, where a network sees a box


def build_bundles(
    run: Run,
    folds: Sequence[Fold],
    cases: dict[str, StoredCase],
    device: torch.device,
    cancelled: Callable[[], bool],
) -> Path | None:
    """Write the bundle of every finished fold, ``<fold>/<task id>/``, and of all of them together, ``<task id>/``.

    Weights are stored as float16: half the size, and the difference is far below that between two trainings.

    Thresholds are chosen on cases that the networks did not learn from. Those of a fold's bundle are chosen on the
    validation cases of the other folds, so that the fold's own cases can still measure it fairly; a single fold has
    only its own. Where an ensemble votes, the threshold is the share of members that have to agree, and stays at one
    half. ``thresholds.json`` holds the curves.

    Args:
        run: what was trained, and where.
        folds: all of the run's.
        cases: by name.
        device: where networks run to choose the thresholds.
        cancelled: asked after every case; nothing is written when it returns True.

    Returns:
        The folder of the bundle of all, or None when no fold has both networks.

    Raises:
        DiskError: they cannot be written.
        RunError: the files of a fold are damaged.
        Cancelled: ``cancelled`` returned True.
    """
    folder = run.folder
    # Without the lock, two machines that finish at the same time would each write a bundle without the other's fold.
    with locked(folder, PATIENCE_SECONDS):
        finished = [fold for fold in folds if all(is_finished(folder / fold.name / stage) for stage in STAGES)]
        if not finished:
            return None
        figures: dict[str, list[ByMask]] = {}
        if run.preset.choose_threshold:
            figures = _figures(run, folds=finished, cases=cases, device=device, cancelled=cancelled)
        for fold in finished:
            others = [name for name in figures if name != fold.name] or list(figures)
            _write(run, folder / fold.name, folds=[fold], cases=cases, thresholds=_thresholds(figures, others))
        chosen = _thresholds(figures, figures)
        if figures:
            curves = threshold_curves([case for found in figures.values() for case in found], chosen)
            write_json(folder / CURVES, {"chosen": asdict(chosen), **curves})
        if len(finished) > 1:
            chosen = _unvoted(run.task, chosen)
        return _write(run, folder, folds=finished, cases=cases, thresholds=chosen)


def restore_bundles(folder: Path, name: str) -> None:
    """Clean up after a process that was killed while it wrote bundles, and put back what it was about to replace.

    Args:
        folder: of the run.
        name: of the bundles.
    """
    try:
        with locked(folder):
            for target in (folder / name, *(fold / name for fold in folder.iterdir() if fold.is_dir())):
                restore_folder(target)
    except InputError:  # a process that is alive holds the lock, and is writing
        pass


def _write(run: Run, place: Path, folds: Sequence[Fold], cases: dict[str, StoredCase], thresholds: Thresholds) -> Path:
    """Write a bundle beside its place, then put it there; a kill in between is mended by `restore_bundles`."""
    target = place / run.task.id
    with whole_folder(target, "free space on the disk and run again with --resume") as part:
        files = {stage: _copy_weights(run.folder, part, folds, stage) for stage in STAGES}
        taught = _cases(cases, (fold.training for fold in folds))
        data = _training_data(run, taught, _cases(cases, (fold.validation for fold in folds)))
        info = _describe(run, folds=folds, data=data, files=files, part=part, thresholds=thresholds)
        write_json(part / DESCRIPTION, asdict(info))
    return target


def _cases(cases: dict[str, StoredCase], names: Iterable[Iterable[str]]) -> list[StoredCase]:
    return [cases[name] for name in sorted({name for part in names for name in part})]


def _training_data(run: Run, cases: Sequence[StoredCase], validation: Sequence[StoredCase]) -> TrainingData:
    """What the applicability check compares a CT with, ranges over all training cases; and which CTs those are.

    The CTs of the model that the networks began with count, too. Those on which epochs and thresholds were chosen do
    not, where they taught as well.
    """
    task, start = run.task, run.start
    known, chosen = {case.voxels for case in cases}, {case.voxels for case in validation}
    if start is not None:
        known |= set(start.info.training_data.voxels_sha256)
        chosen |= set(start.info.training_data.chosen_on)
    low, high = _ranges([case.hu_percentiles for case in cases])
    return TrainingData(
        description=task.data,
        cases=len(cases),
        spacing_mm=_ranges([case.spacing_mm for case in cases]),
        extent_mm=_ranges(_extents(task, cases)),
        hu_percentiles=(low, high),
        voxels_sha256=tuple(sorted(known)),
        chosen_on=tuple(sorted(chosen - known)),
        every_ct=start is None or start.info.training_data.every_ct,
    )


def _extents(task: Task, cases: Sequence[StoredCase]) -> list[tuple[float, ...]]:
    """Extents along the axial x, y and z axes, mm: of the CTs, or of the smallest and largest boxes drawn in them."""
    crops = task.preprocessing.crops
    if crops is None:
        return [case.extent_mm for case in cases]
    boxes = [slack_box(case, np.full((2, 3), slack)) for case in cases for slack in crops.slack_mm]
    spacings = [case.spacing_mm for case in cases for _ in crops.slack_mm]
    return [
        tuple((high - low) * step for low, high, step in zip(box.lower[::-1], box.upper[::-1], spacing))
        for box, spacing in zip(boxes, spacings)
    ]


def _figures(
    run: Run,
    folds: Sequence[Fold],
    cases: dict[str, StoredCase],
    device: torch.device,
    cancelled: Callable[[], bool],
) -> dict[str, list[ByMask]]:
    """By fold, how its networks do on its validation cases."""
    figures: dict[str, list[ByMask]] = {}
    for fold in folds:
        classify, segment = (
            partial(
                ensemble_probabilities,
                [_load(run, fold, stage).to(device)],
                flips=CascadeStage(stage).of(run.task).flips,
            )
            for stage in STAGES
        )
        figures[fold.name] = []
        for name in fold.validation:
            for box in range(1 if run.task.preprocessing.crops is None else BOXES):
                samples = samples_of((cases[name],), run.task.preprocessing, fixed=box)
                figures[fold.name].append(measure_case(samples, classify, segment, device))
            if cancelled():
                raise Cancelled("the run was stopped while thresholds were chosen; its networks are trained and kept")
    return figures


def _thresholds(figures: dict[str, list[ByMask]], names: Iterable[str]) -> Thresholds:
    """The best thresholds on the validation cases of these folds; 0.5 where there are no folds."""
    chosen = [case for name in names for case in figures[name]]
    return best_thresholds(chosen) if chosen else Thresholds()


def _unvoted(task: Task, chosen: Thresholds) -> Thresholds:
    """The same thresholds, but one half for a stage whose networks vote."""
    half = Thresholds()
    return Thresholds(
        half.slice if task.classifier.combine == "vote" else chosen.slice,
        half.mask if task.segmenter.combine == "vote" else chosen.mask,
    )


def _load(run: Run, fold: Fold, stage: str) -> nn.Module:
    network = run.task.build(stage)
    network.load_state_dict(load_weights(run.folder / fold.name / stage))
    return network.eval()


def _ranges(rows: Sequence[tuple[float, ...]]) -> tuple[tuple[float, float], ...]:
    return tuple((round(min(axis), 4), round(max(axis), 4)) for axis in zip(*rows))


def _copy_weights(folder: Path, part: Path, folds: Sequence[Fold], stage: str) -> tuple[str, ...]:
    names = []
    for fold in folds:
        name = f"{stage}.safetensors" if len(folds) == 1 else f"{stage}_{fold.name}.safetensors"
        write_halved(part / name, folder / fold.name / stage)
        names.append(name)
    return tuple(names)


def _describe(
    run: Run,
    folds: Sequence[Fold],
    data: TrainingData,
    files: dict[str, tuple[str, ...]],
    part: Path,
    thresholds: Thresholds,
) -> ModelInfo:
    task = run.task
    networks = {
        stage: NetworkInfo(
            stage.of(task).network,
            task.arguments(stage),
            files[stage],
            combine=stage.of(task).combine,
            flips=stage.of(task).flips,
        )
        for stage in CascadeStage
    }
    return ModelInfo(
        schema=SCHEMA,
        id=task.id,
        title=task.title,
        version=task.version,
        licence=task.licence,
        intended_use=task.intended_use,
        task=TaskInfo(task.id, site=task.site, roi=task.roi, terminology=task.terminology, color=task.color),
        preprocessing=task.preprocessing,
        classifier=networks[CascadeStage.CLASSIFIER],
        segmenter=networks[CascadeStage.SEGMENTER],
        training_data=data,
        sha256={path.name: sha256_of(path) for path in sorted(part.glob("*.safetensors"))},
        thresholds=thresholds,
        postprocessing=task.postprocessing,
        metrics=_metrics(run.folder, folds),
    )


def _metrics(folder: Path, folds: Sequence[Fold]) -> dict[str, Any]:
    """The training's validation figures, by stage; those of the whole cascade come from ``evaluate``."""
    split = "val" if folds[0].name == SPLIT else f"validation part of {counted(len(folds), 'fold')}"
    states = {stage: [load_state(folder / fold.name / stage) for fold in folds] for stage in STAGES}
    best = {stage: [state["best"] for state in found if state is not None] for stage, found in states.items()}
    figures = {f"{stage}_validation": round(mean(values), 4) for stage, values in best.items()}
    return {"split": split, **figures, "figures": {stage.name: stage.figure for stage in STAGES.values()}}
