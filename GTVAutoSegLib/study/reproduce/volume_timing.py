"""How long a 3D system takes: a few steps of its network on random patches, times the patches of an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from ...cascade.device import describe, is_out_of_memory
from ...errors import OutOfMemoryError, RunError
from ...training.engine.engine import Engine
from ...training.losses import LOSSES
from ..volumetric import COARSE, SYSTEMS
from ..volumetric.systems import FEWEST_PATCHES, build
from .parts import Part, Setup

STEPS = 2  # timed, after one that is not


def measure_volume(part: Part, setup: Setup, engine: Engine) -> tuple[float, float]:
    """Seconds of a training step on a batch of patches, and of looking at one patch without learning.

    Raises:
        OutOfMemoryError: memory ran out.
        RunError: the network failed.
    """
    settings = setup.volume_settings(part.recipe, part.fold)
    network = build(part.recipe.network, settings).to(engine.device)
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.rand(settings.training.batch, 1, *settings.patch, device=engine.device)
    target = (images[:, 0] > 0.9).long()
    loss = LOSSES[settings.training.loss]

    def learn() -> None:
        optimizer.zero_grad()
        with engine.autocast():
            logits: Tensor = network(images)
        loss(logits.float(), target).backward()
        optimizer.step()

    def look() -> None:
        with torch.inference_mode(), engine.autocast():
            network(images[:1])

    try:
        step = _timed(learn, engine)
        network.eval()
        return step, _timed(look, engine)
    except RuntimeError as error:
        where = describe(engine.device)
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"memory ran out on {where}; lower --size or --width, or use --no-3d") from error
        raise RunError(f"{part.recipe.network} failed on {where}: {error}; use --no-3d, or another device") from error


def volume_seconds(part: Part, setup: Setup, step: float, look: float, epochs: int) -> float:
    """Of all stages of a system, all epochs taken, and of the test cases; at most, for air is left out of volumes."""
    settings = setup.volume_settings(part.recipe, part.fold)
    trained, validated, tested = (
        _patches(names, setup, settings.patch) for names in (part.fold.training, part.fold.validation, setup.test)
    )
    # Patches learnt from and looked at; the coarse network sees each volume as one.
    coarse = FEWEST_PATCHES * len(part.fold.training), len(part.fold.validation)
    stages = [coarse if stage == COARSE else (trained, validated) for stage in SYSTEMS[part.recipe.network]]
    per_epoch = sum(learnt * step / settings.training.batch + seen * look for learnt, seen in stages)
    return epochs * per_epoch + tested * look / (1 - settings.overlap) ** 3


def _patches(names: tuple[str, ...], setup: Setup, patch: tuple[int, int, int]) -> int:
    total = 0
    for name in names:
        stored = setup.stored[name]
        sides = [extent / step for extent, step in zip(stored.extent_mm, stored.spacing_mm)]
        total += math.prod(math.ceil(side / length) for side, length in zip(sides, patch[::-1]))
    return total


def _timed(work: Callable[[], None], engine: Engine) -> float:
    work()
    started = time.perf_counter()
    for _ in range(STEPS):
        work()
    if engine.device.type == "cuda":
        torch.cuda.synchronize(engine.device)
    return (time.perf_counter() - started) / STEPS
