"""A training run: data set to slice store, folds and stages one after another, then the bundle and the report.

A run folder holds ``run.json`` (the configuration), ``folds.json``, ``slices/`` (the store),
``<fold>/<stage>/`` (see `checkpoint`), and at the end ``<task id>/`` (the model bundle), ``training.png`` and
``report.html``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from ..errors import InputError
from ..files import write_text
from ..store import SliceSet, StoredCase, build_store
from ..tasks import Task
from .bundle import build_bundle
from .checkpoint import STATE
from .folds import Fold, check_fold, load_folds, read_dataset
from .loop import Job, fit
from .monitor import LiveMonitor, Monitor, show_count
from .presets import Preset
from .report import write_report
from .stages import STAGES

CONFIGURATION = "run.json"


@dataclass(frozen=True)
class Run:
    """What to train, and where.

    Attributes:
        task: with the preset's size and width.
        preset: hyper-parameters.
        dataset: folder, only read.
        folder: the run's own.
        store: slice store; ``folder / "slices"`` unless shared between runs.
        stages: names.
        fold: number of a fold, or None for all.
        resume: continue networks that were begun.
    """

    task: Task
    preset: Preset
    dataset: Path
    folder: Path
    store: Path
    stages: tuple[str, ...] = tuple(STAGES)
    fold: int | None = None
    resume: bool = False


def train(run: Run, fabric: Fabric, say: Callable[[str], None]) -> Path | None:
    """Do everything; see the module.

    Args:
        run: what to train, and where.
        fabric: device, precision and processes.
        say: prints a line for the user; called by the first process only.

    Returns:
        The model bundle, or None while a stage is missing.

    Raises:
        InputError: data set, task, preset or run folder cannot be used.
        DiskError: a file cannot be written.
        RunError: training failed.
    """
    cases, split = read_dataset(run.dataset)
    if split is not None and run.fold is not None:
        raise InputError(f"{run.dataset} brings its own division in train and val; leave --fold out")
    if fabric.is_global_zero:
        run.folder.mkdir(parents=True, exist_ok=True)
        _check_folder(run)
    # The first process builds, the others find the store ready.
    with fabric.rank_zero_first():
        stored = build_store(cases, run.task.preprocessing, run.store, show_count if fabric.is_global_zero else None)
        folds = [split] if split is not None else load_folds(run.folder, stored, run.preset.folds, run.preset.seed)
    if fabric.is_global_zero:
        _check_configuration(run, stored, folds)
        say(_describe(stored))
    by_name = {case.name: case for case in stored}
    chosen = _chosen_folds(run, folds)
    for fold in chosen:
        check_fold(fold, by_name)
    if fabric.is_global_zero and not run.resume:
        _check_untouched(run, chosen)
    for fold in chosen:
        for stage in run.stages:
            _train_one(run, fold, stage, by_name, folds, fabric)
    if not fabric.is_global_zero:
        return None
    bundle = build_bundle(run.task, run.folder, folds, by_name)
    write_report(run.folder, run.task, run.preset, folds, by_name, bundle)
    return bundle


def _train_one(
    run: Run, fold: Fold, stage: str, cases: dict[str, StoredCase], folds: Sequence[Fold], fabric: Fabric
) -> None:
    folder = run.folder / fold.name / stage
    folder.mkdir(parents=True, exist_ok=True)
    settings = getattr(run.preset, stage)
    job = Job(
        stage=STAGES[stage],
        build=lambda: run.task.build(stage),
        training=SliceSet(tuple(cases[name] for name in fold.training)),
        validation=SliceSet(tuple(cases[name] for name in fold.validation)),
        settings=settings,
        theta=getattr(run.task, stage).theta,
        seed=run.preset.seed + list(folds).index(fold),
    )
    if not fabric.is_global_zero:
        fit(job, folder, fabric, Monitor())
        return
    monitor = LiveMonitor(f"{fold.name}, {stage}", STAGES[stage].figure, settings.epochs, folder / "tensorboard")
    try:
        fit(job, folder, fabric, monitor)
    finally:
        monitor.close()


def _chosen_folds(run: Run, folds: list[Fold]) -> list[Fold]:
    if run.fold is None:
        return folds
    if not 0 <= run.fold < len(folds):
        raise InputError(f"fold {run.fold} does not exist; expected 0 to {len(folds) - 1}, or all")
    return [folds[run.fold]]


def _configuration(run: Run, stored: Sequence[StoredCase], folds: Sequence[Fold]) -> dict[str, Any]:
    return {
        "task": asdict(run.task),
        "preset": asdict(run.preset),
        "cases": {case.name: case.folder.name.rpartition("-")[2] for case in stored},
        "folds": {fold.name: list(fold.validation) for fold in folds},
    }


def _check_folder(run: Run) -> None:
    """Refuse a folder that holds something else before anything is written into it."""
    if (run.folder / CONFIGURATION).exists():
        return
    strangers = sorted(path.name for path in run.folder.iterdir() if path.name not in ("folds.json", run.store.name))
    if strangers:
        raise InputError(
            f"{run.folder} is not empty and no training run (it holds {strangers[0]}); give an empty or a new folder"
        )


def _check_configuration(run: Run, stored: Sequence[StoredCase], folds: Sequence[Fold]) -> None:
    path = run.folder / CONFIGURATION
    ours = json.loads(json.dumps(_configuration(run, stored, folds)))
    if not path.is_file():
        write_text(path, json.dumps(ours, indent=2) + "\n")
        return
    theirs = json.loads(path.read_text(encoding="utf-8"))
    difference = _difference(theirs, ours)
    if difference is not None:
        key, was, is_now = difference
        raise InputError(
            f"{run.folder} belongs to another configuration: {key} is {_short(was)} there and {_short(is_now)} now; "
            "give another folder, or the same data and settings"
        )


def _difference(theirs: Any, ours: Any, where: str = "") -> tuple[str, Any, Any] | None:
    """The first key that differs, with both values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            found = _difference(theirs.get(key), ours.get(key), f"{where}.{key}" if where else key)
            if found is not None:
                return found
        return None
    return None if theirs == ours else (where, theirs, ours)


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check_untouched(run: Run, folds: Sequence[Fold]) -> None:
    for fold in folds:
        for stage in run.stages:
            folder = run.folder / fold.name / stage
            if (folder / STATE).exists():
                raise InputError(
                    f"{folder} holds a training that was begun or finished; add --resume to continue the run, or give "
                    "another folder"
                )


def _describe(stored: Sequence[StoredCase]) -> str:
    empty = sum(not any(case.abnormal) for case in stored)
    slices = sum(len(case.abnormal) for case in stored)
    abnormal = sum(sum(case.abnormal) for case in stored)
    text = f"{len(stored)} cases, {slices} slices, {abnormal} of them with tumour"
    return text + (f"; {empty} cases without any tumour" if empty else "")
