"""What a user asks of a reproduction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...training.data.tasks import Task
from ...training.presets import Preset


@dataclass(frozen=True)
class Request:
    """What a user asks for; None leaves a value to task, preset or data.

    Attributes:
        tables: names.
        dataset: folder, only read.
        folder: of the results.
        store: slice store.
        task: with size and width as they shall be run.
        task_name: what the user calls it, an id or a file.
        preset: hyper-parameters.
        preset_name: what the user calls it.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        precision: "auto", or key of `training.engine.engine.PRECISIONS`.
        folds: how many are run.
        cases: how many are taken, for quick runs.
        epochs: upper limit for every network.
        budget_hours: the most epochs, the same for every network, that fit.
        jobs: trainings at once.
        scheduler: address of a Dask scheduler, instead of processes on this machine.
        volumes: whether 3D systems are compared as well.
        systems: names of the rows that are compared with HCF; empty for all.
    """

    tables: tuple[str, ...]
    dataset: Path
    folder: Path
    store: Path
    task: Task
    task_name: str
    preset: Preset
    preset_name: str
    device: str = "auto"
    precision: str = "auto"
    folds: int | None = None
    cases: int | None = None
    epochs: int | None = None
    budget_hours: float | None = None
    jobs: int = 1
    scheduler: str = ""
    volumes: bool = True
    systems: tuple[str, ...] = ()
