"""What ``gtvautoseg train --dry-run`` tells: how large a training would be, and how long it would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...system.names import counted
from ...system.progress import Send, stopping
from ...system.settings import as_json
from .following import shown_progress

if TYPE_CHECKING:
    from ...training.configuration import Run
    from ...training.engine.engine import Engine

STOPPED = "the estimate was stopped; nothing was written"


def tell_estimate(work: Run, engine: Engine, preset: str, send: Send | None, cancelled: Callable[[], bool]) -> None:
    """Measure, and print or send what was found; nothing is written.

    Raises:
        Cancelled: it was stopped.
    """
    from ...training.progress.estimate import estimate
    from ...training.progress.monitor import clock

    with shown_progress(send) as progress:
        found = estimate(work, engine, preset, stopping(progress, cancelled, STOPPED))
    if send is not None:
        send("result", estimate=as_json(found))
        return
    size = f"{counted(found.cases, 'case')} of {counted(found.patients, 'patient')}, {counted(found.slices, 'slice')}"
    print(f"{size}, {found.tumour_slices} of them with tumour; prepared slices take {found.store_mb:g} MB")
    for one in found.networks:
        seconds = one.epochs * one.steps * one.seconds_per_step
        print(
            f"{one.fold}, {one.network}: {counted(one.epochs, 'epoch')} of {counted(one.steps, 'step')}, "
            f"{one.seconds_per_step:.3g} s a step, {clock(seconds)}"
        )
    print(
        f"at most {clock(found.seconds)} on {found.device} with the preset {found.preset}, by {found.measured}; "
        "nothing was written"
    )
