"""How long a plan takes: a few real steps of every network, measured on this machine before it starts."""

from __future__ import annotations

import heapq
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...cascade.device import describe
from ...errors import Cancelled, GTVAutoSegError, InputError, RunError
from ...system.files import write_text
from ...training.checkpoint import read_log
from ...training.data.sampling import balanced_indices
from ...training.engine.engine import Engine, make_engine
from ...training.loop import fit
from ...training.progress.monitor import Monitor, clock
from ..bench.machine import processor
from .kept import read_kept
from .parts import Part, Setup, parts_of, shown_recipe
from .scoring.predictions import NetworkOnCases
from .systems import HCF, VOLUME, Recipe
from .training import is_done, make_job
from .volume_timing import measure_volume, volume_seconds

FILE = "timings.json"
STEPS = 3  # timed, after one that is not


@dataclass(frozen=True)
class Speed:
    """Of one network.

    Attributes:
        step: seconds of a training step on a full batch.
        batch: slices, or patches of volumes, of it.
        slice: seconds to look at one of them without learning.
    """

    step: float
    batch: int
    slice: float


class _Stopwatch(Monitor):
    """Notes the time of every step, and ends the training when there are enough."""

    def __init__(self) -> None:
        super().__init__(lambda: len(self.times) > STEPS)
        self.times: list[float] = []

    def step(self, epoch: int, done: int, total: int) -> None:  # noqa: ARG002 - the monitor's interface
        """Note the time."""
        self.times.append(time.perf_counter())


def measure_speeds(parts: Iterable[Part], setup: Setup) -> dict[Recipe, Speed | str]:
    """Time every network of a plan once on this machine; kept in the run's folder, so that going on measures no more.

    Returns:
        Speed by the recipe without its loss and ratio, which do not matter; or why the network cannot be trained.
    """
    path = setup.folder / FILE
    known = read_kept(path) or {}
    speeds: dict[Recipe, Speed | str] = {}
    torch.set_num_threads(setup.threads)
    engine = make_engine(setup.device, setup.precision)
    # A folder may go on on another machine, where what was measured here is no guide.
    place = processor() if engine.device.type == "cpu" else f"{describe(engine.device)}, {processor()}"
    for part in parts:
        recipe = network_of(part.recipe)
        if recipe in speeds:
            continue
        settings = setup.settings(part.recipe)
        shape = (setup.task.preprocessing.size, setup.task.width, settings.batch, setup.precision, setup.threads)
        key = f"{recipe.stage}: {recipe.label} {' '.join(map(str, shape))} on {place}"
        kept = _as_speed(known.get(key))
        if kept is not None:
            speeds[recipe] = kept
            continue
        try:
            found = _measure(part, setup, engine)
        except GTVAutoSegError as error:
            speeds[recipe] = str(error)
            continue
        speeds[recipe] = found
        known[key] = asdict(found)
        write_text(path, json.dumps(known, indent=1) + "\n")
    return speeds


def _as_speed(kept: Any) -> Speed | None:
    """What was kept of a network; None when it is missing or damaged."""
    try:
        return Speed(float(kept["step"]), int(kept["batch"]), float(kept["slice"]))
    except (TypeError, KeyError, ValueError):
        return None


def network_of(recipe: Recipe) -> Recipe:
    """A recipe without what does not change its speed."""
    return Recipe(recipe.stage, recipe.network, recipe.arguments)


def seconds_left(part: Part, setup: Setup, speed: Speed, epochs: int | None = None) -> float:
    """What is left of a training, all epochs taken; 0 when it is done.

    Args:
        part: the training.
        setup: of all.
        speed: of its network.
        epochs: instead of the preset's.
    """
    if is_done(part):
        return 0.0
    settings = setup.settings(part.recipe)
    if part.recipe.stage == VOLUME:
        return volume_seconds(
            part, setup=setup, step=speed.step, look=speed.slice, epochs=settings.epochs if epochs is None else epochs
        )
    abnormal = np.concatenate([setup.stored[name].abnormal for name in part.fold.training])
    seen = len(balanced_indices(abnormal, part.recipe.theta, 0, 0))
    epoch = seen / speed.batch * speed.step + _slices(part.fold.validation, setup) * speed.slice
    wanted = settings.epochs if epochs is None else epochs
    looked_at = _slices((*part.fold.validation, *setup.test), setup)
    return max(0, wanted - _epochs_done(part)) * epoch + looked_at * speed.slice


def _epochs_done(part: Part) -> int:
    try:
        return len(read_log(part.folder))
    except RunError:  # damaged: its training says so, and stops no other
        return 0


def _slices(names: Iterable[str], setup: Setup) -> int:
    return sum(len(setup.stored[name].abnormal) for name in names)


def makespan(durations: Sequence[float], jobs: int) -> float:
    """How long trainings take, the next one starting as soon as one of ``jobs`` places is free."""
    ends = [0.0] * jobs
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


def epochs_within(
    budget_seconds: float, parts: Sequence[Part], setup: Setup, speeds: dict[Recipe, Speed | str], jobs: int
) -> int:
    """The most epochs, at most the preset's and the same for all, with which the plan fits a budget.

    Raises:
        InputError: not even one epoch each fits.
    """
    for epochs in range(max(setup.preset.classifier.epochs, setup.preset.segmenter.epochs), 0, -1):
        needed = makespan([_seconds(part, setup, speeds, epochs) for part in parts], jobs)
        if needed <= budget_seconds:
            return epochs
    raise InputError(
        f"the budget of {budget_seconds / 3600:.2g} h is less than one epoch for each of {len(parts)} networks takes "
        f"({needed / 3600:.2g} h); raise --budget, or lower --folds, --cases, --size or --width"
    )


def estimate(parts: Sequence[Part], setup: Setup, speeds: dict[Recipe, Speed | str], jobs: int) -> str:
    """The plan and its time for people: a line a network, and the sum."""
    lines = [f"plan: {len(parts)} trainings, {sum(is_done(part) for part in parts)} of them finished"]
    groups: dict[Recipe, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.recipe, []).append(part)
    for recipe, group in groups.items():
        speed = speeds.get(network_of(recipe))
        left = [part for part in group if not is_done(part)]
        if isinstance(speed, str):
            text = f"cannot be trained: {speed}"
        elif not left or speed is None:  # only what is left was timed
            text = "finished"
        else:
            times = [seconds_left(part, setup, speed) for part in left]
            text = f"{len(left)} left, {clock(sum(times) / len(times))} each"
        lines.append(f"  {recipe.stage:<10} {shown_recipe(setup, group[0]):<40} {text}")
    total = makespan([_seconds(part, setup, speeds, setup.settings(part.recipe).epochs) for part in parts], jobs)
    lines.append(
        f"estimated time: at most {clock(total)} with {jobs} at a time, by the speed of each network when it alone ran "
        "here"
    )
    return "\n".join(lines)


def in_order(parts: Sequence[Part], setup: Setup, speeds: dict[Recipe, Speed | str]) -> list[Part]:
    """Fold by fold, HCF first, then the shortest, so that a run that is cut short can compare many systems."""
    first = {part.folder for fold in setup.folds for part in parts_of(setup, HCF, fold)}

    def rank(part: Part) -> tuple[int, bool, float]:
        seconds = _seconds(part, setup, speeds, setup.settings(part.recipe).epochs)
        return setup.folds.index(part.fold), part.folder not in first, seconds

    return sorted(parts, key=rank)


def _seconds(part: Part, setup: Setup, speeds: dict[Recipe, Speed | str], epochs: int) -> float:
    speed = speeds.get(network_of(part.recipe))
    if not isinstance(speed, Speed):
        return 0.0
    return seconds_left(part, setup, speed, min(epochs, setup.settings(part.recipe).epochs))


def _measure(part: Part, setup: Setup, engine: Engine) -> Speed:
    if part.recipe.stage == VOLUME:
        step, look = measure_volume(part, setup, engine)
        return Speed(step, 2, look)
    job = make_job(setup, part)
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory() as folder, suppress(Cancelled):
        fit(job, Path(folder), engine, watch)
    network = NetworkOnCases(job.build().eval().to(engine.device), engine.device)
    started = time.perf_counter()
    for _ in network(setup.stored[part.fold.validation[0]]):
        pass
    per_slice = (time.perf_counter() - started) / network.slices
    if len(watch.times) < 2:  # one step an epoch: the data set is tiny
        return Speed(per_slice * 3 * job.settings.batch, job.settings.batch, per_slice)
    steps = [after - before for before, after in zip(watch.times, watch.times[1:])]
    return Speed(sum(steps) / len(steps), job.settings.batch, per_slice)
