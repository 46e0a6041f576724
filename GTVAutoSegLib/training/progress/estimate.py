"""What a training will take, before it begins: cases, slices, steps, disk, and time by a few real steps.

Nothing is written into the run's folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...images.read import read_volume
from ...model.stages import CascadeStage
from ...system.files import temporary_folder
from ...system.progress import Progress, followed
from ...system.settings import PreprocessSettings
from ..checkpoint import is_finished, read_log
from ..configuration import FILE as CONFIGURATION
from ..configuration import Run
from ..data.batches import TrainingSamples
from ..data.crop_set import samples_of
from ..data.dataset import Case, label_mask, read_patients
from ..data.folds import check_fold
from ..data.slice_store import build_store, stored_bytes
from ..data.slices import StoredCase
from ..engine.engine import Engine
from ..loop import Job, fit
from ..run import cases_of, chosen_folds, folds_of
from ..stages import STAGES
from ..starting import first_network
from .monitor import Monitor
from .plan import NetworkPlan, plan_networks

READING = "reading labels"
STEPS = 3  # timed, after one that is not
CPU_BATCH = 8  # there the time of a slice does not depend on how many are taken at once
MOST_CASES = 2  # prepared to time steps on


@dataclass(frozen=True)
class NetworkEstimate:
    """One network to train.

    Attributes:
        fold: name.
        network: "classifier" or "segmenter".
        epochs: still to be trained, at most.
        steps: of an epoch.
        seconds_per_step: measured; of an epoch's validation its share.
    """

    fold: str
    network: str
    epochs: int
    steps: int
    seconds_per_step: float


@dataclass(frozen=True)
class Estimate:
    """What a training will take.

    Attributes:
        cases: of the data set.
        patients: whose they are.
        slices: axial slices of all cases.
        tumour_slices: those that show tumour.
        folds: that are trained now.
        networks: in the order of their training; finished ones are left out.
        store_mb: size of the prepared slices, MB, if none is there yet.
        seconds: at most, preparation of slices and choice of thresholds included.
        measured: where the seconds come from.
        preset: name.
        device: trained on.
    """

    cases: int
    patients: int
    slices: int
    tumour_slices: int
    folds: int
    networks: tuple[NetworkEstimate, ...]
    store_mb: float
    seconds: float
    measured: str
    preset: str
    device: str


@dataclass(frozen=True)
class _Speed:
    """Seconds of learning from a slice and of judging one."""

    learn: float
    judge: float


def estimate(run: Run, engine: Engine, preset: str, progress: Progress | None = None) -> Estimate:
    """Look at all labels and take a few steps of each kind of network on some cases.

    Args:
        run: what would be trained.
        engine: device and precision.
        preset: name, to be told.
        progress: called with "reading labels", cases done and cases in all.

    Raises:
        InputError: data set or run folder cannot be used.
        RunError: a step failed.
    """
    cases, brought = cases_of(run)
    abnormal, store_bytes = _look(followed(cases, READING, progress, len(cases)), run.task.preprocessing)
    chosen = chosen_folds(run, folds_of(run, abnormal, brought))
    for fold in chosen:
        check_fold(fold, abnormal)
    plans = plan_networks(run, chosen, abnormal)
    logs = {plan.title: _log(run, plan) for plan in plans}
    plans = [
        replace(plan, epochs=max(0, plan.epochs - len(logs[plan.title])))
        for plan in plans
        if not is_finished(run.folder / plan.fold / plan.network)
    ]
    with temporary_folder() as folder:
        sick = [case for case in cases if any(abnormal[case.name])]
        prepared, seconds_per_case = _prepare(run, sick[:MOST_CASES], folder)
        speeds = {
            stage: _time(run, stage=stage, prepared=prepared, engine=engine, folder=folder)
            for stage in dict.fromkeys(plan.network for plan in plans)
        }
    steps = {plan.title: _step_seconds(plan, logs[plan.title], speeds[plan.network]) for plan in plans}
    seconds = sum(plan.epochs * plan.steps * steps[plan.title] for plan in plans)
    if not run.store.is_dir():
        seconds += seconds_per_case * len(cases)
    if run.preset.choose_threshold:
        seconds += sum(speeds[plan.network].judge * plan.validation for plan in plans)
    return Estimate(
        cases=len(cases),
        patients=len(set(read_patients(run.dataset, abnormal).values())),
        slices=sum(map(len, abnormal.values())),
        tumour_slices=sum(map(sum, abnormal.values())),
        folds=len(chosen),
        networks=tuple(
            NetworkEstimate(
                fold=plan.fold,
                network=plan.network,
                epochs=plan.epochs,
                steps=plan.steps,
                seconds_per_step=round(steps[plan.title], 4),
            )
            for plan in plans
        ),
        store_mb=round(store_bytes / 1e6, 1),
        seconds=round(seconds, 1),
        measured=_origin(logs),
        preset=preset,
        device=str(engine.device),
    )


def _look(cases: Iterable[Case], settings: PreprocessSettings) -> tuple[dict[str, list[bool]], int]:
    """Which slices of each case show tumour, by its label alone, and the bytes that all take when they are prepared."""
    abnormal: dict[str, list[bool]] = {}
    store_bytes = 0
    for case in cases:
        label = read_volume(case.label)
        axial = label.axial.of(label_mask(case, label))
        abnormal[case.name] = [bool(plane.any()) for plane in axial]
        store_bytes += stored_bytes(axial.shape, settings)
        del label, axial  # before the next one is read
    return abnormal, store_bytes


def _log(run: Run, plan: NetworkPlan) -> list[dict[str, Any]]:
    """What was trained of a network before; nothing in a folder that is no run."""
    if not (run.folder / CONFIGURATION).exists():
        return []
    return read_log(run.folder / plan.fold / plan.network)


def _prepare(run: Run, cases: Sequence[Case], folder: Path) -> tuple[tuple[StoredCase, ...], float]:
    """Some cases in a store of their own, and the seconds that one takes."""
    started = time.monotonic()
    prepared = tuple(build_store(cases, run.task.preprocessing, folder / "slices"))
    return prepared, (time.monotonic() - started) / len(cases)


def _time(run: Run, stage: str, prepared: tuple[StoredCase, ...], engine: Engine, folder: Path) -> _Speed:
    settings = CascadeStage(stage).of(run.preset)
    batch = min(settings.batch, CPU_BATCH) if engine.device.type == "cpu" else settings.batch
    samples = samples_of(prepared, run.task.preprocessing)
    job = Job(
        stage=STAGES[stage],
        build=lambda: first_network(run.task, stage, run.start, run.encoder),
        training=_Few(samples, batch * (STEPS + 1)),
        validation=_Few(samples, 2 * batch),
        settings=replace(settings, batch=batch, epochs=1),
        theta="n",
        grey=run.task.preprocessing.grey_channels,
    )
    watch = _Watch()
    (folder / stage).mkdir()
    fit(job, folder / stage, engine, watch)
    steps = np.diff(watch.steps)
    return _Speed(float(np.median(steps)) / batch, (watch.ended - watch.steps[-1]) / (2 * batch))


def _step_seconds(plan: NetworkPlan, log: Sequence[dict[str, Any]], speed: _Speed) -> float:
    """By the log of this network where there is one, else by what was measured."""
    if log:
        return float(np.median([record["seconds"] for record in log])) / plan.steps
    return (plan.slices * speed.learn + plan.validation * speed.judge) / plan.steps


def _origin(logs: dict[str, list[dict[str, Any]]]) -> str:
    steps = f"{STEPS} steps of each network on this machine"
    if not any(logs.values()):
        return steps
    return "the log of this run" if all(logs.values()) else f"the log of this run, and {steps}"


class _Few:
    """A given number of samples; they are used again where there are fewer."""

    def __init__(self, samples: TrainingSamples, count: int) -> None:
        self.samples, self.count = samples, count

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        return self.samples.batch(indices % len(self.samples))

    def draw(self, theta: str, seed: int, epoch: int, *, static: bool) -> np.ndarray:
        order = self.samples.draw(theta, seed, epoch, static=static)
        return np.resize(order, self.count)


class _Watch(Monitor):
    """When steps were taken."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[float] = []
        self.ended = 0.0

    def step(self, *_: int) -> None:
        self.steps.append(self._now())

    def epoch(self, _: dict[str, Any]) -> None:
        self.ended = self._now()

    @staticmethod
    def _now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.monotonic()
