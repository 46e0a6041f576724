"""A reproduction from a data set to its tables: prepare, plan, train, score, write.

A run's folder holds ``split.json``, ``slices/`` (the store), ``trainings/``, ``scores/`` (figures of every case), and
for each table ``table2.csv``, ``.md``, ``.png`` and ``.json``. Giving the same command again goes on with what is
missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from ...cascade.device import resolve_device
from ...errors import DiskError, InputError
from ...system.files import make_folder, whole_file, write_text
from ...system.lock import locked
from ...system.progress import progress_bar
from ...training.data.slice_store import build_store
from ...training.engine.engine import resolve_precision
from ...training.presets import Preset, TrainSettings
from .execution import run_trainings
from .kept import read_kept
from .pages.caption import Caption
from .pages.figure import draw
from .pages.render import rows_csv, to_json, to_markdown
from .pages.tables import make_rows, pairs_of
from .parts import Part, Setup, plan_parts, shown_recipe
from .request import Request
from .scoring.scores import score_pairs
from .split import divide, keep_split, read_split
from .systems import HCF, TABLES, VOLUME, System, Table
from .timing import epochs_within, estimate, in_order, measure_speeds
from .training import is_done, keep_failure

EPOCHS = "epochs.json"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is going to be done."""

    setup: Setup
    tables: tuple[Table, ...]
    parts: tuple[Part, ...]
    caption: Caption


def prepare(request: Request, say: Say) -> Plan:
    """Read and divide the data, choose the epochs, and say what will be trained and how long it takes.

    Raises:
        InputError: data set, task, preset or folder cannot be used, or the budget is too small.
        DiskError: a file cannot be written.
    """
    setup = _set_up(request)
    tables = _chosen([TABLES[name]() for name in request.tables], request)
    epochs = request.epochs
    if request.budget_hours is not None:
        epochs = _within_budget(request, setup, tables)
    shortened = replace(setup, preset=shorten(setup.preset, epochs))
    parts = tuple(plan_parts(shortened, tables))
    plan = Plan(shortened, tables, parts, Caption(request, setup.preset, shortened))
    say(plan.caption.data)
    return plan


def tell_times(plan: Plan, jobs: int, say: Say) -> list[Part]:
    """Measure every network's speed, and show the plan with the time it takes; returns what is to be trained."""
    missing = [part for part in plan.parts if not is_done(part)]
    speeds = measure_speeds(missing, plan.setup)
    say(estimate(plan.parts, plan.setup, speeds, jobs))
    return in_order(missing, plan.setup, speeds)


def execute(plan: Plan, missing: Sequence[Part], request: Request, say: Say) -> int:
    """Train what is not trained; a failure is kept in the training's folder and stops nothing else.

    Returns:
        The number of trainings that failed.
    """
    failed, done = 0, len(plan.parts) - len(missing)

    def told(part: Part, failure: str) -> None:
        nonlocal failed, done
        done += 1
        if failure:
            failed += 1
            try:
                keep_failure(part, failure)
            except DiskError as error:
                failure += f"; the tables will not say so: {error}"
        title = f"{shown_recipe(plan.setup, part)}, {part.fold.name}"
        say(f"[{done}/{len(plan.parts)}] {title}{': failed: ' + failure if failure else ''}")

    run_trainings(missing, plan.setup, told, jobs=request.jobs, address=request.scheduler)
    return failed


def write_tables(plan: Plan, jobs: int, say: Say) -> int:
    """Score what is trained and write every table; what is missing is said in it.

    Returns:
        The number of trained systems that could not be scored, each fold counted.
    """
    setup = plan.setup
    pairs = [pair for table in plan.tables for pair in pairs_of(table, setup)]
    if not pairs:
        raise InputError(
            f"{setup.folder} holds no system that is finished with these options; train at least one, or repeat the "
            "options it was trained with"
        )
    unscored = score_pairs(pairs, setup, jobs)
    for failure in dict.fromkeys(unscored.values()):
        say(f"not scored: {failure}")
    for table in plan.tables:
        rows = make_rows(table, setup, unscored)
        written = [setup.folder / f"{table.name}{suffix}" for suffix in (".csv", ".md", ".json", ".png")]
        write_text(written[0], rows_csv(rows))
        write_text(written[1], to_markdown(table, rows, plan.caption.markdown(table.name)))
        write_text(written[2], to_json(table, setup, plan.caption.command(table.name)))
        with whole_file(written[3]) as temporary:
            temporary.write_bytes(draw(table, rows, plan.caption.short))
        say("written: " + ", ".join(map(str, written)))
    return len(unscored)


def reproduce(request: Request, say: Say, *, dry_run: bool = False, report_only: bool = False) -> int:
    """Do everything; see the module.

    Args:
        request: what is asked for.
        say: prints a line for the user.
        dry_run: stop after the plan and its time; the slice store and the timings are written.
        report_only: write the tables from what is finished, also while another process trains.

    Returns:
        The number of trainings that failed, and of trained systems that could not be scored.
    """
    make_folder(request.folder)
    if not report_only:
        say("preparing slices and timing every network, both kept for later runs; then comes the plan")
    plan = prepare(request, say)
    if report_only:
        return write_tables(plan, request.jobs, say)
    with locked(request.folder):
        missing = tell_times(plan, request.jobs, say)
        if dry_run:
            return 0
        failed = execute(plan, missing, request, say)
        return failed + write_tables(plan, request.jobs, say)


def shorten(preset: Preset, epochs: int | None) -> Preset:
    """The preset with at most so many epochs for every network.

    The first cosine cycle is shortened with them, so that a short training also ends at a low learning rate.
    """
    if epochs is None:
        return preset

    def short(settings: TrainSettings) -> TrainSettings:
        most = min(settings.epochs, epochs)
        return replace(settings, epochs=most, restart_epochs=min(settings.restart_epochs, most))

    return replace(preset, classifier=short(preset.classifier), segmenter=short(preset.segmenter))


def _set_up(request: Request) -> Setup:
    split = read_split(request.dataset, request.cases, request.preset.seed)
    everyone = [*split.training, *split.test]
    with progress_bar("case") as progress:
        built = build_store(everyone, request.task.preprocessing, request.store, progress)
    stored = {case.name: case for case in built}
    training = [stored[case.name] for case in split.training]
    folds = divide(
        training, patients=split.patients, count=request.preset.folds, seed=request.preset.seed, run=request.folds
    )
    keep_split(request.folder, [stored[case.name] for case in split.test], folds, request.preset.seed)
    return Setup(
        task=request.task,
        preset=request.preset,
        precision=resolve_precision(resolve_device(request.device), request.precision),
        device=request.device,
        threads=max(1, torch.get_num_threads() // request.jobs),
        folder=request.folder.resolve(),
        cases={case.name: case for case in everyone},
        stored=stored,
        test=tuple(case.name for case in split.test),
        folds=folds,
        # As many as `divide` had to choose from: no more than there are patients.
        fold_count=min(request.preset.folds, len({split.patients[case.name] for case in split.training})),
    )


def _chosen(tables: Sequence[Table], request: Request) -> tuple[Table, ...]:
    """The tables with the rows that are asked for; HCF, which every row is compared with, stays."""
    names = list(dict.fromkeys(system.name for table in tables for system in table.systems))
    if unknown := [name for name in request.systems if name not in names]:
        raise InputError(f"--systems names {unknown[0]!r}; expected rows of the tables, of: {', '.join(names)}")

    def wanted(system: System) -> bool:
        named = not request.systems or system.name in (*request.systems, HCF.name)
        return named and (request.volumes or system.segmenter.stage != VOLUME)

    return tuple(replace(table, systems=tuple(filter(wanted, table.systems))) for table in tables)


def _within_budget(request: Request, setup: Setup, tables: Sequence[Table]) -> int:
    """Epochs that fit the budget; chosen once, so that going on trains the same networks."""
    assert request.budget_hours is not None  # noqa: S101 - asked by the caller
    parts = plan_parts(setup, tables)
    key = hashlib.sha256("\n".join([str(request.budget_hours), *(part.folder.name for part in parts)]).encode())
    path = setup.folder / EPOCHS
    known = read_kept(path) if path.is_file() else {}
    if known is None:
        raise InputError(
            f"{path} is damaged; delete it to have the epochs chosen anew, which may train other networks than before, "
            "or give --epochs with the number in the tables' captions instead of --budget"
        )
    if key.hexdigest() not in known:
        speeds = measure_speeds(parts, setup)
        found = epochs_within(3600 * request.budget_hours, parts=parts, setup=setup, speeds=speeds, jobs=request.jobs)
        known[key.hexdigest()] = found
        write_text(path, json.dumps(known, indent=1) + "\n")
    count: int = known[key.hexdigest()]
    return count
