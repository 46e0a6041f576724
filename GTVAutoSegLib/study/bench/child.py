"""The process that is measured: ``python -m GTVAutoSegLib.study.bench.child``, asked through `process.Child`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...system.allocator import keep_freed_memory
from .process import peak_memory_mb, serve

if TYPE_CHECKING:
    from ...cascade.cascade import Cascade

_loaded: dict[str, Cascade] = {}


def facts() -> dict[str, Any]:
    """Versions, and the devices that work."""
    import torch

    from ...cascade.device import describe, gpus, probe
    from ...cascade.int8.layers import missing_support

    devices = ["cpu", *(str(gpu) for gpu in gpus() if probe(gpu) is None)]
    return {
        "torch": torch.__version__,
        "devices": {name: describe(torch.device(name)) for name in devices},
        "int8": not missing_support(),
    }


def make_bundle(folder: str, width: int, size: int, side: int, shrink: int = 1) -> dict[str, Any]:
    """Write a fitted bundle."""
    from .fitted_bundle import write_fitted_bundle

    write_fitted_bundle(Path(folder), width=width, size=size, side=side, shrink=shrink)
    return {}


def make_ct(path: str, slices: int, positive: int, side: int) -> dict[str, Any]:
    """Write a phantom and say which slices are positive."""
    import SimpleITK as sitk

    from .phantom import make_phantom

    phantom = make_phantom(slices, positive, side)
    image = sitk.GetImageFromArray(phantom.hu)
    image.SetSpacing(phantom.spacing)
    sitk.WriteImage(image, path, useCompression=path.endswith(".gz"), compressionLevel=1)
    return {"positive": [int(index) for index in phantom.positive.nonzero()[0]]}


def describe_model(model: str) -> dict[str, Any]:
    """Sizes of a model, and operations of its stages a slice; counting takes memory, so not in a measured process."""
    from ...model.bundle import read_bundle

    info = read_bundle(model).info
    from .scaling.roofline import stage_operations

    return {
        "size": info.preprocessing.size,
        "width": info.segmenter.arguments.get("width"),
        "shrink": info.classifier.arguments.get("shrink", 1),
        "calibrated": info.calibration is not None,
        "operations": stage_operations(info),
    }


def load(model: str, device: str, precision: str) -> dict[str, Any]:
    """Load the model that is measured from now on."""
    from ...cascade.load import load_model

    started = time.perf_counter()
    _loaded["cascade"] = load_model(model, device=device, precision=precision)
    return {"seconds": time.perf_counter() - started}


def segment(ct: str, output: str) -> dict[str, Any]:
    """One CT from file to file; seconds by step, the slices picked, and the most memory held so far."""
    from ...cascade.result import describe_segment
    from ...images.read import read_volume
    from ...images.write import write_mask

    cascade = _loaded["cascade"]
    started = time.perf_counter()
    volume = read_volume(ct)
    read = time.perf_counter() - started
    started = time.perf_counter()
    result = cascade.segment(volume)
    whole = time.perf_counter() - started
    started = time.perf_counter()
    write_mask(result.mask, volume, Path(output), describe_segment(cascade.bundle))
    written = time.perf_counter() - started
    return {
        "seconds": {"read": read, **result.timings, "total": whole, "write": written},
        "slices": len(result.picked),
        "picked": [int(index) for index in result.picked.nonzero()[0]],
        "memory_mb": peak_memory_mb(),
    }


def gemm() -> dict[str, Any]:
    """Rates of the matrix product on the loaded model's device, operations per second."""
    from .scaling.roofline import gemm_rates

    return {"rates": gemm_rates(_loaded["cascade"].device)}


ACTIONS = {action.__name__: action for action in (facts, make_bundle, make_ct, describe_model, load, segment, gemm)}

if __name__ == "__main__":
    keep_freed_memory()
    serve(ACTIONS)
