"""One training of a plan, from nothing or from where a killed one stood, to its predictions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...errors import GTVAutoSegError, InputError, RunError
from ...images.read import read_volume
from ...system.files import make_folder, write_text
from ...training.checkpoint import load_weights, read_log
from ...training.data.slices import SliceSet
from ...training.engine.engine import make_engine
from ...training.loop import Job, fit
from ...training.progress.monitor import Monitor, clock, never
from ...training.stages import STAGES
from ..volumetric import load_system, predict_case, train_system
from .kept import read_kept
from .parts import Part, Setup
from .scoring.predictions import (
    FIGURES,
    PREDICTIONS,
    NetworkOnCases,
    clock_of,
    native_mask,
    pack,
    save_predictions,
    slice_areas,
    slice_probabilities,
    stored_boxes,
)
from .systems import CLASSIFIER, VOLUME

FAILURE, TIME = "failure.txt", "seconds.txt"
MEASURED = ("parameters", "epochs", "best_epoch", "validation", "training_seconds", "seconds_per_slice")


class LogMonitor(Monitor):
    """A line an epoch on standard error, and the time that training took, kept over interruptions.

    Args:
        title: begins the line.
        epochs: upper limit.
        folder: for the file with the time.
        device: where the network is trained.
        cancelled: as for `Monitor`.
    """

    def __init__(
        self, title: str, epochs: int, folder: Path, device: torch.device, cancelled: Callable[[], bool] = never
    ) -> None:
        super().__init__(cancelled)
        self.title, self.epochs, self.file = title, epochs, folder / TIME
        self.clock = clock_of(device)
        self.seconds = self._spent()
        self.last = self.clock()

    def _spent(self) -> float:
        if not os.path.lexists(self.file):
            return 0.0
        try:
            return float(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.file} is damaged ({error}); delete it, and the table tells only the time from now on, or "
                f"delete {self.file.parent} to train this network anew"
            ) from error

    def epoch(self, record: dict[str, Any]) -> None:
        """Say how far it is."""
        now = self.clock()
        self.seconds, self.last = self.seconds + now - self.last, now
        write_text(self.file, f"{self.seconds:.2f}\n")
        left = record["seconds"] * (self.epochs - record["epoch"] - 1)
        text = (
            f"{self.title}: epoch {record['epoch'] + 1}/{self.epochs}, loss {record['loss']:.4f}, validation "
            f"{record['validation']:.4f}, best {record['best']:.4f}, at most {clock(left)} left"
        )
        print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Something the user should know."""
        print(f"{self.title}: {text}", file=sys.stderr, flush=True)


def is_done(part: Part) -> bool:
    """Whether a training is finished and its predictions are there."""
    return read_figures(part) is not None


def do_part(setup: Setup, part: Part, cancelled: Callable[[], bool] = never) -> str:
    """Train and predict; what is finished is left alone.

    Args:
        setup: of all.
        part: the training.
        cancelled: asked at every step; the training stops when it returns True, and can be continued.

    Returns:
        Why it failed, a sentence, or "".
    """
    try:
        part.folder.mkdir(parents=True, exist_ok=True)
        (part.folder / FAILURE).unlink(missing_ok=True)
        if not is_done(part):
            torch.set_num_threads(setup.threads)
            (_do_volume if part.recipe.stage == VOLUME else _do_slices)(setup, part, cancelled)
        return ""
    except GTVAutoSegError as error:
        return str(error)
    except Exception as error:
        import traceback

        traceback.print_exc()
        return f"failed unexpectedly ({type(error).__name__}: {error}); see log.txt in {part.folder}"


def keep_failure(part: Part, failure: str) -> None:
    """Keep why a training failed, until it is tried again; raises DiskError."""
    make_folder(part.folder)
    write_text(part.folder / FAILURE, failure + "\n")


def read_failure(part: Part) -> str:
    """Why a training failed when it was last tried, or ""."""
    path = part.folder / FAILURE
    return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""


def make_job(setup: Setup, part: Part) -> Job:
    """What `training.loop.fit` trains for a 2D network.

    Raises:
        InputError: the network is unknown, or its arguments do not fit.
    """
    try:
        task = setup.task_of(part.recipe)
    except ValueError as error:
        raise InputError(f"{part.recipe.label}: {error}") from error
    return Job(
        stage=STAGES[part.recipe.stage],
        build=lambda: task.build(part.recipe.stage),
        training=SliceSet(tuple(setup.stored[name] for name in part.fold.training)),
        validation=SliceSet(tuple(setup.stored[name] for name in part.fold.validation)),
        settings=setup.settings(part.recipe),
        theta=part.recipe.theta,
        seed=setup.seed(part.fold),
    )


def _do_slices(setup: Setup, part: Part, cancelled: Callable[[], bool]) -> None:
    job = make_job(setup, part)
    engine = make_engine(setup.device, setup.precision)
    monitor = LogMonitor(
        part.title, epochs=job.settings.epochs, folder=part.folder, device=engine.device, cancelled=cancelled
    )
    log = fit(job, part.folder, engine, monitor)
    network = job.build()
    network.load_state_dict(load_weights(part.folder))
    run = NetworkOnCases(network.eval().to(engine.device), engine.device)
    if part.recipe.stage == CLASSIFIER:
        arrays = {name: slice_probabilities(run, setup.stored[name]) for name in (*part.fold.validation, *setup.test)}
    else:
        arrays = {name: slice_areas(run, setup.stored[name]) for name in part.fold.validation}
        for name in setup.test:
            stored = setup.stored[name]
            boxes, shape = stored_boxes(setup.cases[name], stored, setup.task.preprocessing)
            arrays[name] = pack(native_mask(run, stored, boxes, shape))
    save_predictions(part.folder / PREDICTIONS, **arrays)
    figures = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "epochs": len(log),
        "best_epoch": log[-1]["best_epoch"] + 1,
        "validation": log[-1]["best"],
        "training_seconds": round(monitor.seconds, 1),
        "seconds_per_slice": run.seconds / run.slices,
    }
    write_text(part.folder / FIGURES, json.dumps(figures, indent=2) + "\n")


def _do_volume(setup: Setup, part: Part, cancelled: Callable[[], bool]) -> None:
    settings = setup.volume_settings(part.recipe, part.fold)
    training, validation = (
        [setup.cases[name] for name in names] for names in (part.fold.training, part.fold.validation)
    )
    engine = make_engine(setup.device, setup.precision)
    train_system(
        part.recipe.network,
        training=training,
        validation=validation,
        settings=settings,
        folder=part.folder,
        engine=engine,
        resume=True,
        title=part.title,
        cancelled=cancelled,
    )
    system = load_system(part.folder, str(engine.device))
    arrays, seconds, slices = {}, 0.0, 0
    now = clock_of(engine.device)
    for name in setup.test:
        volume = read_volume(setup.cases[name].image)
        started = now()
        mask = predict_case(system, volume)
        seconds += now() - started
        arrays[name] = pack(volume.axial.of(mask))
        slices += len(volume.axial.of(mask))
    save_predictions(part.folder / PREDICTIONS, **arrays)
    logs = [log for log in (read_log(path) for path in sorted(part.folder.iterdir()) if path.is_dir()) if log]
    figures = {
        "parameters": sum(p.numel() for network in system.networks.values() for p in network.parameters()),
        "epochs": max(len(log) for log in logs),
        "best_epoch": max(log[-1]["best_epoch"] + 1 for log in logs),
        "validation": logs[-1][-1]["best"],
        "training_seconds": round(sum(record["seconds"] for log in logs for record in log), 1),
        "seconds_per_slice": seconds / max(slices, 1),
    }
    write_text(part.folder / FIGURES, json.dumps(figures, indent=2) + "\n")


def read_figures(part: Part) -> dict[str, Any] | None:
    """What is known of a finished training; None when it is not finished.

    Where the file is damaged, the training is gone through again: its epochs are kept, so that it only predicts anew.
    """
    return read_kept(part.folder / FIGURES, MEASURED)
