"""A training run: data set to slice store, folds and stages one after another, then the bundle and the report.

A run folder holds ``run.json`` (the configuration), ``folds.json``, ``slices/`` (the store),
``<fold>/<stage>/`` (see `checkpoint`), and at the end ``<fold>/<task id>/`` and ``<task id>/`` (model bundles of a fold
and of all folds), ``training.svg`` and ``report.html``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

from ..errors import InputError
from ..model.stages import CascadeStage
from ..system.files import make_folder
from ..system.leftovers import FILE_PREFIX
from ..system.lock import locked
from ..system.names import counted
from ..system.progress import stopping
from .checkpoint import check_untouched
from .configuration import FILE as CONFIGURATION
from .configuration import Configuration, Run, check_configuration, read_configuration, save_configuration
from .data.crop_set import samples_of
from .data.dataset import Case, read_patients
from .data.folds import FILE as FOLDS
from .data.folds import Abnormal, Fold, check_fold, chosen_training, load_folds, read_dataset, save_folds
from .data.slice_store import build_store
from .data.slices import StoredCase
from .engine.engine import Engine
from .loop import Job, fit
from .progress.plan import NetworkPlan, plan_networks
from .progress.reporter import Reporter
from .results.bundles import build_bundles, restore_bundles
from .results.report import write_report
from .stages import STAGES
from .starting import first_network

STOPPED = "the training was stopped while slices were prepared; those that are ready are kept"


def train(run: Run, engine: Engine, reporter: Reporter) -> Path | None:
    """Do everything; see the module.

    Args:
        run: what to train, and where.
        engine: device, precision and processes.
        reporter: is told how the run goes on; one that says nothing for every process but the first.

    Returns:
        The model bundle, or None while a stage is missing.

    Raises:
        InputError: data set, task, preset or run folder cannot be used.
        DiskError: a file cannot be written.
        RunError: training failed.
        Cancelled: ``reporter.cancelled`` returned True.
    """
    # The first process builds the store and writes the configuration, the others find both.
    with engine.rank_zero_first():
        stored, folds = _prepare(run, reporter)
    reporter.say(_describe(stored))
    left_out = sorted(
        {case.name for case in stored} - {name for fold in folds for name in fold.training + fold.validation}
    )
    if left_out:
        count = counted(len(left_out), "case")
        reporter.say(f"{count} in none of the folds that {run.dataset} brings: {', '.join(left_out)}")
    cases = {case.name: case for case in stored}
    plans = plan_networks(run, chosen_folds(run, folds), {case.name: case.abnormal for case in stored})
    reporter.begin(plans)
    for plan in plans:
        _train_one(run, plan=plan, cases=cases, folds=folds, engine=engine, reporter=reporter)
    if not engine.is_global_zero:
        return None
    reporter.writing()
    bundle = build_bundles(run, folds=folds, cases=cases, device=engine.device, cancelled=reporter.cancelled)
    write_report(run, folds, cases, bundle)
    return bundle


def _prepare(run: Run, reporter: Reporter) -> tuple[list[StoredCase], list[Fold]]:
    """Build the store and check everything before the run folder is marked as this run's."""
    cases, brought = cases_of(run)
    make_folder(run.folder)
    _check_strangers(run)
    with reporter.preparing() as progress:
        told = stopping(progress, reporter.cancelled, STOPPED)
        stored = build_store(cases, run.task.preprocessing, run.store, told)
    abnormal = {case.name: case.abnormal for case in stored}
    folds = folds_of(run, abnormal, brought)
    configuration = Configuration(
        task=run.task,
        preset=run.preset,
        cases={case.name: case.content for case in stored},
        folds={fold.name: fold.validation for fold in folds},
        training=chosen_training(folds, abnormal),
    )
    check_configuration(run.folder, configuration)
    for fold in chosen_folds(run, folds):
        check_fold(fold, abnormal)
        for stage in () if run.resume else run.stages:
            check_untouched(run.folder / fold.name / stage, run.folder / fold.name / stage)
    if not (run.folder / CONFIGURATION).exists():
        if not brought:
            save_folds(run.folder, folds, run.preset.seed)
        # Last, because what a killed run lacks is written only while this is not there.
        save_configuration(run.folder, configuration)
    restore_bundles(run.folder, run.task.id)
    return stored, folds


def cases_of(run: Run) -> tuple[list[Case], list[Fold]]:
    """Cases of a run's data set, and the folds that it brings along.

    Raises:
        InputError: it cannot be used, or a fold was asked for and it brings a single one.
    """
    cases, brought = read_dataset(run.dataset)
    if len(brought) == 1 and run.fold is not None:
        raise InputError(f"{run.dataset} brings its own division in train and val; leave --fold out")
    return cases, brought


def folds_of(run: Run, abnormal: Abnormal, brought: Sequence[Fold]) -> list[Fold]:
    """The folds of a run, those of its folder if it has any.

    Raises:
        InputError: the folder's do not fit the data set.
    """
    if brought:
        return list(brought)
    patients = read_patients(run.dataset, abnormal)
    return load_folds(run.folder, abnormal=abnormal, count=run.preset.folds, seed=run.preset.seed, patients=patients)


def _train_one(
    run: Run,
    plan: NetworkPlan,
    cases: dict[str, StoredCase],
    folds: Sequence[Fold],
    engine: Engine,
    reporter: Reporter,
) -> None:
    stage = plan.network
    fold = next(fold for fold in folds if fold.name == plan.fold)
    folder = run.folder / fold.name / stage
    folder.mkdir(parents=True, exist_ok=True)
    job = Job(
        stage=STAGES[stage],
        build=lambda: first_network(run.task, stage, run.start, run.encoder),
        training=samples_of(tuple(cases[name] for name in fold.training), run.task.preprocessing),
        validation=samples_of(tuple(cases[name] for name in fold.validation), run.task.preprocessing, fixed=0),
        settings=CascadeStage(stage).of(run.preset),
        theta=CascadeStage(stage).of(run.task).theta,
        seed=run.preset.seed + list(folds).index(fold),
        grey=run.task.preprocessing.grey_channels,
    )
    # Folds and stages may be trained side by side; one network trained twice at once would be neither's.
    held = locked(folder) if engine.is_global_zero else nullcontext()
    with held, closing(reporter.monitor(plan, STAGES[stage].figure, folder)) as monitor:
        fit(job, folder, engine, monitor)


def chosen_folds(run: Run, folds: list[Fold]) -> list[Fold]:
    """Those to train.

    Raises:
        InputError: the one asked for does not exist.
    """
    if run.fold is None:
        return folds
    if not 0 <= run.fold < len(folds):
        raise InputError(f"fold {run.fold} does not exist; expected 0 to {len(folds) - 1}, or all")
    return [folds[run.fold]]


def _check_strangers(run: Run) -> None:
    """Refuse a folder that holds something else, or a damaged run, before anything is written into it."""
    if (run.folder / CONFIGURATION).exists():
        read_configuration(run.folder)
        return
    ours = (FOLDS, run.store.name)
    names = sorted(path.name for path in run.folder.iterdir())
    strangers = [name for name in names if name not in ours and not name.startswith(FILE_PREFIX)]
    if strangers:
        raise InputError(
            f"{run.folder} is not empty and no training run (it holds {strangers[0]}); give an empty or a new folder"
        )


def _describe(stored: Sequence[StoredCase]) -> str:
    empty = sum(not any(case.abnormal) for case in stored)
    slices = sum(len(case.abnormal) for case in stored)
    abnormal = sum(sum(case.abnormal) for case in stored)
    text = f"{counted(len(stored), 'case')}, {counted(slices, 'slice')}, {abnormal} of them with tumour"
    return text + (f"; {counted(empty, 'case')} without any tumour" if empty else "")
