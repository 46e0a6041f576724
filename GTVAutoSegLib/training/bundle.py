"""From a training run to a model bundle: the finished folds' networks side by side, their probabilities averaged."""

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
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import DiskError
from ..model import DESCRIPTION, SCHEMA, ModelInfo, NetworkInfo, TaskInfo, Thresholds, TrainingData
from ..slices import StoredCase
from ..tasks import Task
from .checkpoint import WEIGHTS, is_finished, read_log
from .folds import SPLIT, Fold
from .presets import Preset
from .stages import STAGES
from .threshold import best_threshold, measure_case


def build_bundle(
    task: Task, preset: Preset, folder: Path, folds: Sequence[Fold], cases: dict[str, StoredCase], device: torch.device
) -> Path | None:
    """Write ``<folder>/<task id>/`` from every fold whose two networks are finished.

    Weights are stored as float16: half the size, and the difference is far below that between two trainings.

    Args:
        task: with the size and width that were trained.
        preset: whether the slice threshold is chosen on the validation cases.
        folder: of the run.
        folds: all of the run's.
        cases: by name.
        device: where networks run to choose the threshold.

    Returns:
        The bundle's folder, or None when no fold has both networks.

    Raises:
        DiskError: it cannot be written.
    """
    finished = [fold for fold in folds if all(is_finished(folder / fold.name / stage) for stage in STAGES)]
    if not finished:
        return None
    threshold = _chosen_threshold(task, folder, finished, cases, device) if preset.choose_threshold else 0.5
    target = folder / task.id
    part = folder / f".{task.id}.{secrets.token_hex(4)}.part"
    try:
        part.mkdir()
        files = {stage: _copy_weights(folder, part, finished, stage) for stage in STAGES}
        info = _describe(task, folder, finished, cases, files, part, threshold)
        (part / DESCRIPTION).write_text(json.dumps(asdict(info), indent=2) + "\n", encoding="utf-8")
        if target.exists():
            target.rename(part / "replaced")
        part.rename(target)
        shutil.rmtree(target / "replaced", ignore_errors=True)
    except OSError as error:
        raise DiskError(
            f"{target} could not be written ({error.strerror or error}); free space on the disk and run again with "
            "--resume"
        ) from error
    finally:
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


def _chosen_threshold(
    task: Task, folder: Path, folds: Sequence[Fold], cases: dict[str, StoredCase], device: torch.device
) -> float:
    """The best slice threshold over all cases, each seen by the networks of the fold that it validates."""
    figures = []
    for fold in folds:
        classifier, segmenter = (_load(task, folder, fold, stage).to(device) for stage in STAGES)
        figures += [measure_case(cases[name], classifier, segmenter, device) for name in fold.validation]
    return best_threshold(figures)


def _load(task: Task, folder: Path, fold: Fold, stage: str) -> nn.Module:
    network = task.build(stage)
    network.load_state_dict(load_file(folder / fold.name / stage / WEIGHTS))
    return network.eval()


def _ranges(rows: Sequence[tuple[float, ...]]) -> tuple[tuple[float, float], ...]:
    return tuple((round(min(axis), 4), round(max(axis), 4)) for axis in zip(*rows))


def _copy_weights(folder: Path, part: Path, folds: Sequence[Fold], stage: str) -> tuple[str, ...]:
    names = []
    for fold in folds:
        name = f"{stage}.safetensors" if len(folds) == 1 else f"{stage}_{fold.name}.safetensors"
        weights = load_file(folder / fold.name / stage / WEIGHTS)
        save_file({key: _halved(value) for key, value in weights.items()}, part / name)
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
        stage: NetworkInfo(getattr(task, stage).network, task.arguments(stage), names) for stage, names in files.items()
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
        classifier=networks["classifier"],
        segmenter=networks["segmenter"],
        training_data=training_data(task, [cases[name] for name in taught]),
        sha256={path.name: _sha256(path) for path in sorted(part.glob("*.safetensors"))},
        thresholds=Thresholds(slice=threshold),
        postprocessing=task.postprocessing,
        metrics=_metrics(folder, folds),
    )


def _metrics(folder: Path, folds: Sequence[Fold]) -> dict[str, Any]:
    """Validation figures of the training; what the cascade reaches is measured by evaluating it."""
    split = "val" if folds[0].name == SPLIT else f"validation part of {len(folds)} fold(s)"
    best = {stage: [read_log(folder / fold.name / stage)[-1]["best"] for fold in folds] for stage in STAGES}
    figures = {f"{stage}_validation": round(mean(values), 4) for stage, values in best.items()}
    return {"split": split, **figures, "figures": {stage.name: stage.figure for stage in STAGES.values()}}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
