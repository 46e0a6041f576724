"""GTVAutoSeg: gross tumour volume segmentation on CT with a heterogeneous cascade (Shi et al. 2024)."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cascade.load import load_model
    from .images.read import read_volume
    from .images.write import write_mask

__version__ = "0.1.0"
__all__ = ["__version__", "load_model", "read_volume", "write_mask"]

_HOMES = {"load_model": ".cascade.load", "read_volume": ".images.read", "write_mask": ".images.write"}


# The module that programs import `write_mask` from since the first version.
sys.modules[f"{__name__}.mask_writer"] = sys.modules[__name__]


def __getattr__(name: str) -> Any:
    # Imported on first use: neither Slicer's start nor `gtvautoseg --help` may wait for SimpleITK or torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
