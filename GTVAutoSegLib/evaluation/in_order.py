"""Cases in other processes, yielded in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

from ..errors import RunError
from ..system.processes import WorkerDied, processors_each, run_jobs
from ..training.data.dataset import Case

R = TypeVar("R")


def in_order(do: Callable[[Case], R], cases: Sequence[Case], workers: int, *, networks: bool = True) -> Iterator[R]:
    """Do something with every case, each process with its share of the CPU's threads.

    Args:
        do: what; pickled, so what it loads it should keep.
        cases: of a data set.
        workers: processes; with one it is done in this process.
        networks: whether PyTorch takes part.

    Raises:
        RunError: a process died.
    """
    if workers == 1:
        yield from map(do, cases)
        return
    job = partial(_do, do, threads=processors_each(workers) if networks else None)
    waiting = iter(range(len(cases)))
    next_one, found = next(waiting, None), {}
    with closing(run_jobs(job, list(enumerate(cases)), workers=workers)) as running:
        for ended in running:
            if isinstance(ended.error, WorkerDied):
                raise RunError(f"{ended.job[1].name}: {ended.error}; use fewer --workers")
            found[ended.job[0]] = ended.result()
            while next_one in found:
                yield found.pop(next_one)
                next_one = next(waiting, None)


def _do(do: Callable[[Case], R], job: tuple[int, Case], _: Callable[[], bool], threads: int | None) -> R:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return do(job[1])
