"""From a training run to model bundles: one of each finished fold, and one with all their networks side by side."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import DiskError, InputError
from ...model.bundle import DESCRIPTION, SCHEMA
from ...model.info import ModelInfo, NetworkInfo, TaskInfo, Thresholds, TrainingData
from ...model.stages import CascadeStage
from ...system.lock import locked
from ..checkpoint import is_finished, load_state, load_weights, write_tensors
from ..data.folds import SPLIT, Fold
from ..data.slices import StoredCase
from ..data.tasks import Task
from ..presets import Preset
from ..stages import STAGES
from .threshold import SliceFigures, best_threshold, measure_case

PATIENCE_SECONDS = 3600
REPLACED = "replaced"


def build_bundles(
    task: Task, preset: Preset, folder: Path, folds: Sequence[Fold], cases: dict[str, StoredCase], device: torch.device
) -> Path | None:
    """Write the bundle of every finished fold, ``<fold>/<task id>/``, and of all of them together, ``<task id>/``.

    Weights are stored as float16: half the size, and the difference is far below that between two trainings.

    A chosen slice threshold is the best one for cases that the networks did not learn from. The one in a fold's bundle
    is chosen on the other folds' cases, so that the fold's own measure it fairly, and on its own when there is no other
    fold. By vote the threshold is a share of members and stays at one half.

    Args:
        task: with the size and width that were trained.
        preset: whether the slice threshold is chosen on the validation cases.
        folder: of the run.
        folds: all of the run's.
        cases: by name.
        device: where networks run to choose the threshold.

    Returns:
        The folder of the bundle of all, or None when no fold has both networks.

    Raises:
        DiskError: they cannot be written.
        RunError: the files of a fold are damaged.
    """
    # Two machines that finish at once would each miss the other's fold.
    with locked(folder, PATIENCE_SECONDS):
        finished = [fold for fold in folds if all(is_finished(folder / fold.name / stage) for stage in STAGES)]
        if not finished:
            return None
        figures = _figures(task, folder, finished, cases, device) if preset.choose_threshold else {}
        for fold in finished:
            others = [name for name in figures if name != fold.name] or list(figures)
            _write(task, folder, folder / fold.name / task.id, [fold], cases, _threshold(figures, others))
        voted = task.classifier.combine == "vote" and len(finished) > 1
        return _write(task, folder, folder / task.id, finished, cases, _threshold(figures, [] if voted else figures))


def restore_bundles(folder: Path, name: str) -> None:
    """Clean up after a process that was killed while it wrote bundles, and put back what it was about to replace.

    Args:
        folder: of the run.
        name: of the bundles.
    """
    try:
        with locked(folder):
            for target in (folder / name, *(fold / name for fold in folder.iterdir() if fold.is_dir())):
                for part in target.parent.glob(f".{name}.*.part"):
                    _put_back(part, target)
                    shutil.rmtree(part, ignore_errors=True)
                shutil.rmtree(target / REPLACED, ignore_errors=True)
    except InputError:  # another process holds the lock: it is at it, and alive
        pass


def _put_back(part: Path, target: Path) -> None:
    if (part / REPLACED).exists() and not target.exists():
        (part / REPLACED).rename(target)


def _write(
    task: Task,
    folder: Path,
    target: Path,
    folds: Sequence[Fold],
    cases: dict[str, StoredCase],
    threshold: float,
) -> Path:
    """Write a bundle beside its place, then put it there; a kill in between is mended by `restore_bundles`."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir()
        files = {stage: _copy_weights(folder, part, folds, stage) for stage in STAGES}
        info = _describe(task, folder, folds, cases, files, part, threshold)
        (part / DESCRIPTION).write_text(json.dumps(asdict(info), indent=2) + "\n", encoding="utf-8")
        if target.exists():
            target.rename(part / REPLACED)
        part.rename(target)
        shutil.rmtree(target / REPLACED, ignore_errors=True)
    except OSError as error:
        raise DiskError(
            f"{target} could not be written ({error.strerror or error}); free space on the disk and run again with "
            "--resume"
        ) from error
    finally:
        _put_back(part, target)
        shutil.rmtree(part, ignore_errors=True)
    return target


def training_data(task: Task, cases: Iterable[StoredCase]) -> TrainingData:
    """What the applicability check compares a CT with: ranges over all training cases."""
    cases = list(cases)
    low, high = _ranges([case.hu_percentiles for case in cases])
    return TrainingData(
        description=task.data,
        cases=len(cases),
        spacing_mm=_ranges([case.spacing_mm for case in cases]),
        extent_mm=_ranges([case.extent_mm for case in cases]),
        hu_percentiles=(low, high),
    )


def _figures(
    task: Task, folder: Path, folds: Sequence[Fold], cases: dict[str, StoredCase], device: torch.device
) -> dict[str, list[SliceFigures]]:
    """What each fold's networks make of the cases it validates."""
    figures = {}
    for fold in folds:
        classifier, segmenter = (_load(task, folder, fold, stage).to(device) for stage in STAGES)
        figures[fold.name] = [measure_case(cases[name], classifier, segmenter, device) for name in fold.validation]
    return figures


def _threshold(figures: dict[str, list[SliceFigures]], names: Iterable[str]) -> float:
    """The best slice threshold on the validation cases of some folds; 0.5 without any."""
    chosen = [case for name in names for case in figures[name]]
    return best_threshold(chosen) if chosen else Thresholds.slice


def _load(task: Task, folder: Path, fold: Fold, stage: str) -> nn.Module:
    network = task.build(stage)
    network.load_state_dict(load_weights(folder / fold.name / stage))
    return network.eval()


def _ranges(rows: Sequence[tuple[float, ...]]) -> tuple[tuple[float, float], ...]:
    return tuple((round(min(axis), 4), round(max(axis), 4)) for axis in zip(*rows))


def _copy_weights(folder: Path, part: Path, folds: Sequence[Fold], stage: str) -> tuple[str, ...]:
    names = []
    for fold in folds:
        name = f"{stage}.safetensors" if len(folds) == 1 else f"{stage}_{fold.name}.safetensors"
        weights = load_weights(folder / fold.name / stage)
        write_tensors(part / name, {key: _halved(value) for key, value in weights.items()})
        names.append(name)
    return tuple(names)


def _halved(value: Tensor) -> Tensor:
    """As float16 where every number fits."""
    half = value.half() if value.dtype == torch.float32 else value
    return half if bool(torch.isfinite(half).all()) else value


def _describe(
    task: Task,
    folder: Path,
    folds: Sequence[Fold],
    cases: dict[str, StoredCase],
    files: dict[str, tuple[str, ...]],
    part: Path,
    threshold: float,
) -> ModelInfo:
    networks = {
        stage: NetworkInfo(stage.of(task).network, task.arguments(stage), files[stage], stage.of(task).combine)
        for stage in CascadeStage
    }
    taught = sorted({name for fold in folds for name in fold.training})
    return ModelInfo(
        schema=SCHEMA,
        id=task.id,
        title=task.title,
        version=task.version,
        licence=task.licence,
        intended_use=task.intended_use,
        task=TaskInfo(task.id, task.site, task.roi, task.terminology, task.color),
        preprocessing=task.preprocessing,
        classifier=networks[CascadeStage.CLASSIFIER],
        segmenter=networks[CascadeStage.SEGMENTER],
        training_data=training_data(task, [cases[name] for name in taught]),
        sha256={path.name: _sha256(path) for path in sorted(part.glob("*.safetensors"))},
        thresholds=Thresholds(slice=threshold),
        postprocessing=task.postprocessing,
        metrics=_metrics(folder, folds),
    )


def _metrics(folder: Path, folds: Sequence[Fold]) -> dict[str, Any]:
    """Validation figures of the training; what the cascade reaches is measured by evaluating it."""
    split = "val" if folds[0].name == SPLIT else f"validation part of {len(folds)} fold(s)"
    states = {stage: [load_state(folder / fold.name / stage) for fold in folds] for stage in STAGES}
    best = {stage: [state["best"] for state in found if state is not None] for stage, found in states.items()}
    figures = {f"{stage}_validation": round(mean(values), 4) for stage, values in best.items()}
    return {"split": split, **figures, "figures": {stage.name: stage.figure for stage in STAGES.values()}}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
