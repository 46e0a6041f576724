"""Doing the trainings of a plan: several at once in child processes, or on a Dask cluster.

A process that dies takes one training with it and nothing else; the next run continues from its last epoch.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import torch

from ...errors import InputError
from ...system.processes import collect, connect, doing, new_run, stop
from .parts import Part, Setup
from .training import do_part

LOG = "log.txt"
Told = Callable[[Part, str], None]
# One training at a time in a process: the seed of PyTorch's random numbers is the process's.
_TRAINING = threading.Lock()


def run_in_processes(parts: Sequence[Part], setup: Setup, jobs: int, told: Told) -> None:
    """Do trainings in child processes; they end with this one.

    Args:
        parts: in order.
        setup: of all.
        jobs: how many at once; with several GPUs they take turns on them.
        told: called with each training as it ends, and why it failed or "".
    """
    waiting = list(parts)
    idle = [_Worker(replace(setup, device=device)) for device in _devices(setup.device, min(jobs, len(parts)))]
    busy: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and idle:
                idle[0].begin(waiting.pop(0))
                busy.append(idle.pop(0))
            for ready in wait([worker.answers for worker in busy]):
                worker = next(worker for worker in busy if worker.answers is ready)
                busy.remove(worker)
                part = worker.part
                told(part, worker.outcome())
                idle.append(worker)
    finally:
        for worker in (*idle, *busy):
            worker.stop()


class _Worker:
    """A child process that does one training after another; where one kills it, the next gets a new process."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.process: SpawnProcess | None = None

    def begin(self, part: Part) -> None:
        self.part = part
        if self.process is not None and not self.process.is_alive():
            self.process = None  # it died after its last answer
        if self.process is None:
            # A forked process would inherit PyTorch's locked thread pools.
            context = multiprocessing.get_context("spawn")
            self.answers, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(self.setup, theirs), daemon=True)
            self.process.start()
            theirs.close()  # or the end of the process would not be seen as the end of its answers
        with suppress(OSError):  # it died while it started; `outcome` will tell
            self.answers.send(part)

    def outcome(self) -> str:
        try:
            return self.answers.recv()
        except (EOFError, OSError):  # OSError where it died before it had read its part
            assert self.process is not None  # noqa: S101 - it was begun
            self.process.join()
            code, self.process = self.process.exitcode, None
            return f"its process died (exit code {code}), for lack of memory perhaps; run again to continue it"

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.join()


def run_on_scheduler(parts: Sequence[Part], setup: Setup, address: str, told: Told) -> None:
    """Do trainings on the workers of a running Dask scheduler, which see the same folders.

    Raises:
        InputError: the package distributed is missing, or nothing answers at the address.
        RunError: the scheduler went away.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "a cluster needs Dask, which is not installed; run: pip install 'gtvautoseg[cohort]'"
        ) from error
    with closing(connect(address)) as client:
        run = new_run()
        futures = {
            client.submit(do_in_worker, setup, part, run, key=f"{run}-{number}"): part
            for number, part in enumerate(parts)
        }
        try:
            for part, future in collect(client, futures, lambda: False):
                if future.status == "finished":
                    told(part, future.result())
                elif isinstance(future.exception(), distributed.KilledWorker):
                    told(part, "every worker process that tried it died, for lack of memory perhaps")
                else:
                    told(part, f"failed on its worker ({future.exception()})")
                future.release()
        except BaseException:
            stop(client, list(futures), run)
            raise


def do_in_worker(setup: Setup, part: Part, run: str) -> str:
    """Do one training of a run in a Dask worker, until the run is stopped; see `training.do_part`."""
    with doing(run) as stopped, _TRAINING:
        return do_part(setup, part, stopped)


def _devices(device: str, jobs: int) -> list[str]:
    """One for each of the processes."""
    count = torch.cuda.device_count()
    if device in ("auto", "cuda") and count > 1:
        return [f"cuda:{job % count}" for job in range(jobs)]
    return [device] * jobs


def _serve(setup: Setup, parts: Connection) -> None:
    """What a child process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children itself
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        part: Part = parts.recv()
        part.folder.mkdir(parents=True, exist_ok=True)
        log = (part.folder / LOG).open("a", encoding="utf-8", buffering=1)
        with log, redirect_stdout(log), redirect_stderr(log):
            failed = do_part(setup, part)
        parts.send(failed)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
