"""What a stage costs at the least: its convolutions, at the rate of this machine's best matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from ....model.info import ModelInfo, NetworkInfo
from ....networks import CLASSIFIERS, SEGMENTERS, build_network
from ...cost import multiply_adds

SIDE = 1024
REPEATS = 6


def stage_operations(info: ModelInfo) -> dict[str, float]:
    """Floating-point operations a slice (a multiplication and an addition are two), by stage, of all its members."""
    shape = (info.preprocessing.channels, info.preprocessing.size, info.preprocessing.size)
    return {
        "classifying": _operations(CLASSIFIERS, info.classifier, shape),
        "segmenting": _operations(SEGMENTERS, info.segmenter, shape),
    }


def _operations(registry: dict[str, Callable[..., nn.Module]], info: NetworkInfo, shape: tuple[int, ...]) -> float:
    with torch.device("meta"):  # counted from the shapes alone
        network = build_network(registry, info.network, info.arguments)
    return 2.0 * multiply_adds(network, shape) * len(info.files)


def gemm_rates(device: torch.device) -> dict[str, float]:
    """Operations per second of a square matrix product, the best of several, by precision."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(SIDE, SIDE, generator=generator).to(device)
    rates = {"fp32": _rate(lambda: numbers @ numbers, device)}
    if device.type == "cpu":
        bytes_ = torch.randint(-127, 128, (SIDE, SIDE), generator=generator, dtype=torch.int8)
        rates["int8"] = _rate(lambda: torch._int_mm(bytes_, bytes_), device)
    if device.type == "cuda":
        halves = numbers.half()
        rates["fp16"] = _rate(lambda: halves @ halves, device)
    return rates


def _rate(multiply: Callable[[], object], device: torch.device) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        multiply()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2 * SIDE**3 / best
