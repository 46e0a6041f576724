"""Jobs in other processes, with Dask: worker processes of our own, or the workers of a scheduler that runs already.

A worker that dies is replaced, and its jobs are done again at the end, one by one: there is more memory then, and a job
that only waited in a worker while another job killed it is not blamed. A job that kills its worker even then ends with
`WorkerDied`. (A scheduler that runs already first tries as often as its configuration says.)

Whoever can connect to a scheduler or a worker can have it run any code. The processes of our own therefore listen on
this machine only, and answer nobody without the key of this run (TLS with a certificate made for it).

Dask cannot stop a job that has begun, it only forgets it. The job would go on writing to its folder when another run
already uses that. So each job says when it begins and ends, and can ask whether its run was stopped.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from ..errors import Cancelled, InputError, RunError

T = TypeVar("T")
R = TypeVar("R")

CONNECT_S = 20
POLL_S = 0.1
STOP_S = 60
NEEDED = ("distributed", "cryptography")
OWN_CLUSTER: dict[str, Any] = {
    # A job is tried once beside others, and once more when it is alone.
    "distributed.scheduler.allowed-failures": 0,
    # Web pages about the cluster, which nobody here looks at.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
GONE = "the Dask scheduler went away; start it again and resume: what is finished is kept"
# In a worker: the runs that were stopped, and the run of each job it is doing.
_stopped: set[str] = set()
_doing: list[str] = []


class WorkerDied(RunError):
    """Every worker process that tried a job died."""


@dataclass(frozen=True)
class Ended(Generic[T, R]):
    """A job that is over.

    Attributes:
        job: what was to be done.
        value: what came of it.
        error: why nothing came of it: what the job raised, or `WorkerDied`; None when it went well.
    """

    job: T
    value: R | None = None
    error: Exception | None = None

    def result(self) -> R:
        """What came of it; raises ``error`` when it did not go well."""
        if self.error is not None:
            raise self.error
        return cast("R", self.value)


def run_jobs(
    do: Callable[[T, Callable[[], bool]], R],
    jobs: Sequence[T],
    *,
    workers: int = 1,
    address: str = "",
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[Ended[T, R], None, None]:
    """Do jobs in other processes, and yield them as they end.

    Closing the generator stops what is left: processes of our own end, those of a scheduler do no more of this run.

    Args:
        do: does a job in a worker; it gets the job, and what tells whether its run was stopped. Both are pickled.
        jobs: in the order in which they are begun.
        workers: how many processes of our own to start.
        address: of a running scheduler, to use its workers instead.
        cancelled: asked all the time.

    Raises:
        InputError: a package is missing, or nothing answers at the address.
        RunError: the scheduler went away.
        Cancelled: ``cancelled`` returned True.
    """
    if not jobs:
        return
    check_installed()
    with ExitStack() as stack:
        security = None
        if not address:
            address, security = stack.enter_context(_own_cluster(workers))
        client = stack.enter_context(closing(connect(address, security)))
        run = f"gtvautoseg-{os.urandom(4).hex()}"
        futures: list[Any] = []

        def done(some: Sequence[T]) -> Iterator[Ended[T, R]]:
            keys = [f"{run}-{len(futures) + index}" for index in range(len(some))]
            begun = client.map(_do, [do] * len(some), some, [run] * len(some), key=keys)
            futures.extend(begun)
            for job, future in _collect(client, dict(zip(begun, some)), cancelled):
                yield _ended(job, future)
                future.release()

        alone = []
        try:
            for ended in done(jobs):
                if isinstance(ended.error, WorkerDied):
                    alone.append(ended.job)
                else:
                    yield ended
            for job in alone:
                yield from done([job])
        except BaseException:
            if security is None:  # processes of our own end with their cluster
                stop(client, futures, run)
            raise


def check_installed() -> None:
    """Raise InputError unless the packages for work in other processes are there."""
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            raise InputError(
                f"work in several processes needs {name}, which is not installed; run: pip install 'gtvautoseg[cohort]'"
            ) from error


@contextmanager
def _own_cluster(workers: int) -> Iterator[tuple[str, Any]]:
    """Worker processes that end with the block: address and key of their scheduler."""
    import dask
    import distributed

    security = distributed.Security.temporary()
    with dask.config.set(OWN_CLUSTER):
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # Dask would kill workers above their even share of the memory
            security=security,
            dashboard_address="127.0.0.1:0",  # any free port, and not for the network
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
    with closing(cluster):
        yield cluster.scheduler_address, security


def connect(address: str, security: Any = None) -> Any:
    """A client of a running scheduler; without a key of its own Dask's configuration gives it."""
    import distributed

    try:
        return distributed.Client(address, security=security, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # TypeError where TLS lacks its certificates
        raise InputError(
            f"no Dask scheduler answers at {address} ({error}); expected something like tls://host:8786, so start "
            "'dask scheduler' first, and tell Dask's configuration the certificates"
        ) from None


def processors_each(workers: int) -> int:
    """How many of this machine's processors each of so many processes may use."""
    check_installed()
    from dask.system import CPU_COUNT

    return max(1, int(CPU_COUNT) // max(1, workers))


def worker_number() -> int:
    """In a worker process of our own: which it is, from 0."""
    from distributed import get_worker

    return int(get_worker().name)


def _do(do: Callable[[T, Callable[[], bool]], R], job: T, run: str) -> R:
    """In a worker: do a job, and let it ask whether its run was stopped."""
    _doing.append(run)
    try:
        return do(job, lambda: run in _stopped)
    finally:
        _doing.remove(run)


def _ended(job: T, future: Any) -> Ended[T, Any]:
    import distributed

    if future.status != "error":
        return Ended(job, future.result())
    error = future.exception()
    if isinstance(error, distributed.KilledWorker):
        return Ended(job, error=WorkerDied("every worker process that tried it died, for lack of memory perhaps"))
    return Ended(job, error=error if isinstance(error, Exception) else RuntimeError(repr(error)))


def _collect(client: Any, jobs: dict[Any, T], cancelled: Callable[[], bool]) -> Iterator[tuple[T, Any]]:
    """Yield each job with its future, as they end; raises RunError and Cancelled, see `run_jobs`."""
    import distributed

    completed = distributed.as_completed(list(jobs), loop=client.loop)
    while not completed.is_empty():
        if cancelled():
            raise Cancelled("the run was cancelled; what is finished is kept")
        if not completed.has_ready():
            if client.status not in ("running", "connecting"):
                raise RunError(GONE)
            time.sleep(POLL_S)
            continue
        future = next(completed)
        if future.status == "cancelled":
            raise RunError(GONE)
        yield jobs[future], future


def stop(client: Any, futures: Sequence[Any], run: str) -> None:
    """Take back the jobs of a run that are left, and wait up to a minute until no worker does one any more."""
    if client.status != "running":
        return
    client.cancel(list(futures))
    end = time.monotonic() + STOP_S
    with suppress(TimeoutError):
        while (left := end - time.monotonic()) > 0:
            # `Client.run` itself would wait for a worker that hangs for as long as it does.
            asked = client.sync(client._run, _stop_in_worker, run, on_error="ignore", callback_timeout=left)
            if not any(asked.values()):
                return
            time.sleep(POLL_S)


def _stop_in_worker(run: str) -> int:
    """Have a worker do no more of a run; returns how many of its jobs have not ended yet."""
    _stopped.add(run)
    return _doing.count(run)
