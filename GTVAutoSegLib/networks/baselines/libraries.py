"""The libraries that only the networks for comparison need: the extra ``baselines``, never inside Slicer."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import torch

from ...errors import ModelError

# Operators that torchvision describes to PyTorch while it is imported, as if its compiled part were always there.
_DESCRIBED = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def baseline_library(module: str) -> ModuleType:
    """Import a module of segmentation-models-pytorch or timm.

    Both import torchvision, whose compiled operators exist only beside the very build of PyTorch they were compiled
    for: with a CPU build of PyTorch and torchvision from PyPI they cannot be loaded, and the import ends with
    "operator torchvision::nms does not exist". No network here uses them, so in that case the two are declared,
    without an implementation, and the import goes through.

    Raises:
        ModelError: it is not installed.
    """
    try:
        _import_torchvision()
        return import_module(module)
    except ImportError as error:
        raise ModelError(
            f"this network needs {module.partition('.')[0]}, which cannot be imported ({error}); run: "
            "pip install 'gtvautoseg[baselines]'"
        ) from error


def _import_torchvision() -> None:
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in _DESCRIBED:
            torch.library.define(f"torchvision::{name}", _SIGNATURE)
        import_module("torchvision")
