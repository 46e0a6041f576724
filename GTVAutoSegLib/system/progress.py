"""A progress bar, when somebody is watching."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Called with what is being done, how much of it is done, and how much there is in all.
Progress = Callable[[str, int, int], None]


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
