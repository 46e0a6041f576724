"""PyTorch: whether it works. Slicer's process never imports it."""

from __future__ import annotations

from typing import Any

from ..failures import Failure
from ..run import python_slicer
from ..run.ended import Ended, failure_of


def probe_command() -> list[str]:
    """Command line that tries PyTorch on every device."""
    return python_slicer.worker_command("probe")


def probe_answer(ended: Ended) -> dict[str, Any] | Failure:
    """What the probe found: torch, cuda and devices; or why there is nothing."""
    return failure_of(ended) or ended.result or {}


def extension_is_there() -> bool:
    """Whether the PyTorch extension is installed and loaded."""
    try:
        import PyTorchUtils  # noqa: F401
    except ModuleNotFoundError:
        return False
    except Exception:
        return True  # it is there and does not load; the installation says why
    return True
