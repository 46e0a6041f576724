"""A progress bar, when somebody is watching."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..errors import Cancelled

T = TypeVar("T")
# Called with what is being done, how much of it is done, and how much there is in all.
Progress = Callable[[str, int, int], None]
# Takes the name of an event, and its content as keyword arguments.
Send = Callable[..., None]


def sending(send: Send) -> Progress:
    """Progress callback that sends each call as an event."""
    return lambda stage, done, total: send("progress", stage=stage, done=done, total=total)


def stopping(progress: Progress | None, cancelled: Callable[[], bool], sentence: str) -> Progress:
    """The callback, which then raises Cancelled with a sentence where the run is to be stopped."""

    def told(stage: str, done: int, total: int) -> None:
        if progress is not None:
            progress(stage, done, total)
        if cancelled():
            raise Cancelled(sentence)

    return told


def followed(items: Iterable[T], stage: str, progress: Progress | None, total: int) -> Iterator[T]:
    """Items as they come; how many are dealt with is said each time when the next one is asked for."""
    for done, item in enumerate(items, 1):
        yield item
        if progress is not None:
            progress(stage, done, total)


@contextmanager
def progress_bar(unit: str = "slice") -> Iterator[Progress | None]:
    """Progress callback drawing one bar a stage on standard error; None when that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ImportError:  # Slicer's Python does not have it, and needs nothing more than torch and safetensors
        yield None
        return
    bars: dict[str, tqdm] = {}

    def update(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            for earlier in bars.values():
                earlier.close()
            bars[stage] = tqdm(total=total, desc=stage, unit=unit, file=sys.stderr)
        bars[stage].update(done - bars[stage].n)

    try:
        yield update
    finally:
        for bar in bars.values():
            bar.close()
