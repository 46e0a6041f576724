"""Processor time of the stages on few slices, for `guard`: ``python -m GTVAutoSegLib.study.bench.guard.child``.

Processor time of one thread, because a busy machine stretches the time on the wall and hardly this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ....cascade.cascade import Cascade
from ....cascade.load import load_model
from ....cascade.preprocess import body_box, network_input
from ....images.volume import Volume
from ....system.allocator import keep_freed_memory
from ..phantom import make_phantom
from ..process import serve

SLICES, POSITIVE = 2, 1
GEMM_SIDE, GEMM_REPEATS = 1024, 2
PREPARE_REPEATS = 8  # a few milliseconds each, which one interruption would double

_loaded: dict[str, Any] = {}


def load(model: str, precision: str, side: int) -> dict[str, Any]:
    """Load the model and a phantom, and run once to warm up."""
    phantom = make_phantom(SLICES, POSITIVE, side)
    cascade = load_model(model, device="cpu", precision=precision)
    _loaded.update(cascade=cascade, volume=Volume(phantom.hu, phantom.spacing))
    cost()
    return {}


def cost() -> dict[str, Any]:
    """Processor seconds: preprocessing of a slice, each stage on a slice, and a matrix product's multiply-add."""
    cascade: Cascade = _loaded["cascade"]
    volume: Volume = _loaded["volume"]
    every = np.ones(SLICES, bool)
    prepare = min(_seconds(lambda: _preprocess(cascade, volume.array)) for _ in range(PREPARE_REPEATS)) / SLICES
    # Each run preprocesses every slice as well; a threshold of 1 picks none.
    classify = _seconds(lambda: cascade.segment(volume, threshold=1.0)) / SLICES - prepare
    segment = _seconds(lambda: cascade.segment(volume, picked=every)) / SLICES - prepare
    return {"preprocess": prepare, "classifier": classify, "segmenter": segment, "operation": _operation()}


def _preprocess(cascade: Cascade, hu: np.ndarray) -> None:
    settings = cascade.bundle.info.preprocessing
    network_input(hu, range(SLICES), [body_box(plane, settings) for plane in hu], settings)


def _operation() -> float:
    numbers = torch.rand(GEMM_SIDE, GEMM_SIDE)
    return min(_seconds(lambda: numbers @ numbers) for _ in range(GEMM_REPEATS)) / (2 * GEMM_SIDE**3)


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    keep_freed_memory()
    serve({"load": load, "cost": cost})
