"""A Slicer for tests: real MRML, Qt with PythonQt's semantics, no Slicer. See README.md.

Importing this package is cheap; Qt, VTK and MRML are imported when the runtime boots.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["boot", "load_module", "process_events_until"]


def boot(headless: bool = False) -> Any:
    """Start the runtime, or return the one that runs; see :func:`start.boot`."""
    from .start import boot as start

    return start(headless)


def load_module(path: str | Path, with_widget: bool = True) -> Any:
    """Load a scripted module's file; see :func:`modules.load_module`. The runtime has to run."""
    from .modules import load_module as load

    return load(path, with_widget)


def process_events_until(condition: Callable[[], bool], timeout: float = 10.0) -> bool:
    """Run the event loop until the condition holds; see :func:`start.process_events_until`."""
    from .start import process_events_until as process

    return process(condition, timeout)
