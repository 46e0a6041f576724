"""Doing the trainings of a plan: several at once in processes of our own, or on a Dask cluster.

A process that dies takes nothing with it: its training goes on from its last epoch in another process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial

import torch

from ...system.processes import run_jobs, worker_number
from .parts import Part, Setup
from .training import do_part

LOG = "log.txt"
Told = Callable[[Part, str], None]
# One training at a time in a process: the seed of PyTorch's random numbers is the process's.
_TRAINING = threading.Lock()


def run_trainings(parts: Sequence[Part], setup: Setup, told: Told, *, jobs: int = 1, address: str = "") -> None:
    """Do trainings in other processes; those of our own end with this one.

    Args:
        parts: in order.
        setup: of all.
        told: called with each training as it ends, and why it failed or "".
        jobs: how many at once; with several GPUs they take turns on them.
        address: of a running Dask scheduler whose workers do them instead, and see the same folders.

    Raises:
        InputError: a package is missing, or nothing answers at the address.
        RunError: the scheduler went away.
    """
    do = partial(do_in_worker if address else do_in_own_process, setup=setup)
    with closing(run_jobs(do, parts, workers=min(jobs, len(parts)), address=address)) as running:
        for ended in running:
            told(ended.job, str(ended.value) if ended.error is None else f"{ended.error}; run again to continue it")


def do_in_worker(part: Part, stopped: Callable[[], bool], setup: Setup) -> str:
    """Do one training in a Dask worker, until the run is stopped; see `training.do_part`."""
    with _TRAINING:
        return do_part(setup, part, stopped)


def do_in_own_process(part: Part, stopped: Callable[[], bool], setup: Setup) -> str:
    """Do one training in a process of our own: what it says goes to its log, and GPUs are shared out."""
    part.folder.mkdir(parents=True, exist_ok=True)
    log = (part.folder / LOG).open("a", encoding="utf-8", buffering=1)
    with log, redirect_stdout(log), redirect_stderr(log):
        return do_in_worker(part, stopped, replace(setup, device=_device(setup.device, torch.cuda.device_count())))


def _device(device: str, count: int) -> str:
    """That of this process, of so many GPUs."""
    return f"cuda:{worker_number() % count}" if device in ("auto", "cuda") and count > 1 else device
