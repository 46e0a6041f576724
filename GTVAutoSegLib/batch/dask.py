"""A batch on many processes or machines, with Dask: each worker process loads the model once.

A worker that dies is replaced, and its cases are done again by others. A case that was finished before its worker died
is recognised by its commit mark and not done twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Cancelled, ModelError
from ..system.processes import WorkerDied, processors_each, run_jobs
from .case import Outcome, describe, failure, read_case, refuse_doubts, write_or_fail
from .earlier import look
from .plan import Plan

if TYPE_CHECKING:
    from ..cascade.cascade import Cascade

# Reading and writing of several cases may overlap in a worker with several threads; the network is one.
_INFERENCE = threading.Lock()


@dataclass(frozen=True)
class Work:
    """What is the same for all cases.

    Attributes:
        model: path of the bundle, the same on all machines.
        digest: of the bundle, see `model.bundle.Bundle`.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        precision: one of `PRECISIONS`.
        threshold: slice probability from which a slice is segmented; None for the model's own.
        threads: of PyTorch in each worker; 0 for all the processors the worker may use.
    """

    model: Path
    digest: str
    device: str
    precision: str
    threshold: float | None
    threads: int = 0


def run_on_cluster(
    plans: Sequence[Plan],
    work: Work,
    *,
    workers: int = 0,
    address: str = "",
    cancelled: Callable[[], bool] | None = None,
) -> Generator[Outcome]:
    """Do cases on Dask workers.

    Args:
        plans: what to do.
        work: how.
        workers: how many local processes to start.
        address: of a running scheduler, instead of local processes.
        cancelled: asked all the time; the run stops when it returns True.

    Raises:
        InputError: a package is missing, or nothing answers at the address.
        RunError: the scheduler went away.
        Cancelled: ``cancelled`` returned True; finished cases stay.
    """
    if not address:
        work = replace(work, threads=processors_each(workers))
    jobs = run_jobs(
        partial(do_case, work=work),
        plans,
        workers=workers,
        address=address,
        cancelled=cancelled or (lambda: False),
    )
    with closing(jobs):
        for ended in jobs:
            yield _lost(ended.job, ended.error) if ended.value is None else ended.value


def _lost(plan: Plan, error: Exception | None) -> Outcome:
    """A case whose error came from Dask, and not from the case."""
    if isinstance(error, WorkerDied):
        return Outcome(plan.case.name, f"{error}; do it alone, without workers", failed=True)
    return failure(plan, error or RuntimeError("a worker gave no answer"))


def do_case(plan: Plan, stopped: Callable[[], bool], work: Work) -> Outcome:
    """Do one case in a worker process; a case of a run that is stopped is not begun to be written."""
    earlier = look(plan)
    if earlier.record is not None and not earlier.todo:
        return describe(earlier.record)  # its worker died after writing and before answering
    try:
        model = _load(work)
        volume = read_case(plan)
        refuse_doubts(plan, volume, model.bundle)
        with _INFERENCE:
            _set_threads(work.threads)
            result = model.segment(volume, threshold=work.threshold, cancelled=stopped, region=plan.case.region)
        if stopped():
            raise Cancelled("the run was stopped before the case was written")
    except Exception as error:
        return failure(plan, error)
    return write_or_fail(plan, volume, result, model.bundle)


@lru_cache(maxsize=1)
def _load(work: Work) -> Cascade:
    from ..cascade.load import load_model

    model = load_model(work.model, work.device, work.precision)
    if model.bundle.digest != work.digest:
        raise ModelError(f"{work.model} is another model on this machine than where the run was started; copy it anew")
    return model


def _set_threads(threads: int) -> None:
    """PyTorch's threads: Dask starts its workers with one, for it expects many small tasks."""
    import torch

    torch.set_num_threads(threads or processors_each(1))
