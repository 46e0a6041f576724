"""GTVAutoSeg: gross tumour volume segmentation on CT with a heterogeneous cascade (Shi et al. 2024)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loading import load_model
    from .volume_io import read_volume

__version__ = "0.1.0"
__all__ = ["__version__", "load_model", "read_volume"]

_HOMES = {"load_model": ".loading", "read_volume": ".volume_io"}


def __getattr__(name: str) -> Any:
    # Imported on first use: neither Slicer's start nor `gtvautoseg --help` may wait for SimpleITK or torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
