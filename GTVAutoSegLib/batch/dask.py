"""A batch on many processes or machines, with Dask: each worker process loads the model once.

A worker that dies is replaced, and its cases are done again by others. A case that was finished before its worker died
is recognised by its commit mark and not done twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Cancelled, InputError, ModelError
from ..system.processes import collect, connect, doing, new_run, stop
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
        InputError: the package distributed is missing, or nothing answers at the address.
        RunError: the scheduler went away.
        Cancelled: ``cancelled`` returned True; finished cases stay.
    """
    if not plans:
        return
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "several workers need Dask, which is not installed; run: pip install 'gtvautoseg[cohort]'"
        ) from error
    own = not address
    with ExitStack() as stack:
        if own:
            from dask.system import CPU_COUNT

            work = replace(work, threads=max(1, CPU_COUNT // workers))
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # Dask would kill workers above their even share of the memory
                dashboard_address="127.0.0.1:0",  # any free port, and not for the network
                silence_logs=logging.CRITICAL,
            )
            address = stack.enter_context(closing(cluster)).scheduler_address
        client = stack.enter_context(closing(connect(address)))
        run = new_run()
        keys = [f"{run}-{index}" for index in range(len(plans))]
        futures = client.map(do_case, plans, [work] * len(plans), [run] * len(plans), key=keys)
        try:
            for plan, future in collect(client, dict(zip(futures, plans)), cancelled or (lambda: False)):
                yield _lost(plan, future.exception()) if future.status == "error" else future.result()
                future.release()
        except BaseException:
            if not own:  # processes of our own end with their cluster
                stop(client, futures, run)
            raise


def _lost(plan: Plan, error: BaseException) -> Outcome:
    """A case whose error came from Dask, and not from the case."""
    import distributed

    if isinstance(error, distributed.KilledWorker):
        text = "every worker process that tried the case died, for lack of memory perhaps; do it alone, without workers"
        return Outcome(plan.case.name, text, failed=True)
    return failure(plan, error if isinstance(error, Exception) else RuntimeError(repr(error)))


def do_case(plan: Plan, work: Work, run: str) -> Outcome:
    """Do one case of a run in a worker process; a case of a run that is stopped is not begun to be written."""
    with doing(run) as stopped:
        return _do_case(plan, work, stopped)


def _do_case(plan: Plan, work: Work, stopped: Callable[[], bool]) -> Outcome:
    earlier = look(plan)
    if earlier.record is not None and not earlier.todo:
        return describe(earlier.record)  # its worker died after writing and before answering
    try:
        model = _load(work)
        volume = read_case(plan)
        refuse_doubts(plan, volume, model.bundle)
        with _INFERENCE:
            _set_threads(work.threads)
            result = model.segment(volume, threshold=work.threshold, cancelled=stopped)
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
    from dask.system import CPU_COUNT

    torch.set_num_threads(threads or CPU_COUNT)
