"""PyTorch: whether it works. Slicer's process never imports it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from ..failures import Failure
from ..run import python_slicer
from ..run.ended import Ended, failure_of

EXTENSION = "PyTorchUtils"


def probe_command() -> list[str]:
    """Command line that tries PyTorch on every device."""
    return python_slicer.worker_command("probe")


def probe_answer(ended: Ended) -> dict[str, Any] | Failure:
    """What the probe found: torch, cuda and devices; or why there is nothing."""
    return failure_of(ended) or ended.result or {}


def extension_is_there() -> bool:
    """Whether the PyTorch extension is installed; why one does not load, the installation says."""
    return sys.modules.get(EXTENSION) is not None or find_spec(EXTENSION) is not None
