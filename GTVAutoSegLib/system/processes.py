"""Jobs on the workers of a Dask cluster: collecting what they return, and stopping the ones that have begun.

Dask only forgets a task that has begun. It would still write to its folder when that is another run's, so that each
job says when it begins and ends, and is told when its run is stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from ..errors import Cancelled, InputError, RunError

T = TypeVar("T")

CONNECT_S = 20
POLL_S = 0.1
STOP_S = 60
# In a worker: the runs that were stopped, and the run of each job it is doing.
_stopped: set[str] = set()
_doing: list[str] = []


def connect(address: str) -> Any:
    """A client of a running scheduler.

    Raises:
        InputError: nothing answers at the address.
    """
    import distributed

    try:
        return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address} ({error}); expected something like tcp://host:8786, so start "
            "'dask scheduler' first"
        ) from None


def collect(client: Any, jobs: dict[Any, T], cancelled: Callable[[], bool]) -> Iterator[tuple[T, Any]]:
    """Yield each job with its future, as they end.

    Args:
        client: of `connect`.
        jobs: by future.
        cancelled: asked all the time.

    Raises:
        RunError: the scheduler went away.
        Cancelled: ``cancelled`` returned True.
    """
    import distributed

    completed = distributed.as_completed(list(jobs), loop=client.loop)
    while not completed.is_empty():
        if cancelled():
            raise Cancelled("the run was cancelled; what is finished is kept")
        if not completed.has_ready():
            if client.status not in ("running", "connecting"):
                raise RunError("the Dask scheduler went away; start it again and resume: what is finished is kept")
            time.sleep(POLL_S)
            continue
        future = next(completed)
        if future.status == "cancelled":
            raise RunError("the Dask scheduler went away; start it again and resume: what is finished is kept")
        yield jobs[future], future


def new_run() -> str:
    """A name for a run, unlike every other's."""
    return f"gtvautoseg-{os.urandom(4).hex()}"


def stop(client: Any, futures: Sequence[Any], run: str) -> None:
    """Take back the jobs of a run that are left, and wait up to a minute until no worker does one any more.

    Args:
        client: of `connect`.
        futures: of the run.
        run: its name, see `doing`.
    """
    if client.status != "running":
        return
    client.cancel(list(futures))
    end = time.monotonic() + STOP_S
    with suppress(TimeoutError):
        while (left := end - time.monotonic()) > 0:
            # `Client.run` itself would wait for a worker that hangs for as long as it does.
            asked = client.sync(client._run, stop_in_worker, run, on_error="ignore", callback_timeout=left)
            if not any(asked.values()):
                return
            time.sleep(POLL_S)


def stop_in_worker(run: str) -> int:
    """Have a worker do no more of a run; returns how many of its jobs have not ended yet."""
    _stopped.add(run)
    return _doing.count(run)


@contextmanager
def doing(run: str) -> Iterator[Callable[[], bool]]:
    """In a worker, around a job of a run: gives what tells the job whether its run was stopped."""
    _doing.append(run)
    try:
        yield lambda: run in _stopped
    finally:
        _doing.remove(run)
