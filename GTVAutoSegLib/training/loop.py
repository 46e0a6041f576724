"""The training loop: both stages of the cascade go through `fit`, top to bottom."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from ..augmentation import AugmentationSettings, augment, draw
from ..dataset import SliceSet
from ..sampling import balanced_indices
from .stages import Stage, average_weights, f1_score

EMA_DECAY = 0.99
CLIP_NORM = 20.0


@dataclass(frozen=True)
class TrainSettings:
    """Hyper-parameters of one stage; the defaults are the paper's (section 4.2).

    Attributes:
        theta: Balance-Sampling Strategy ratio, see `sampling.RATIOS`.
        epochs: upper limit.
        patience: stop after so many epochs without a better validation figure.
        batch: slices per step.
        learning_rate: of AdamW at the start of each cosine cycle.
        weight_decay: of AdamW, on matrices and kernels only.
        restart_epochs: length of the first cosine cycle.
        restart_factor: each cycle is so many times longer than the one before.
        seed: of initialisation, sampling and augmentation.
        augmentation: strengths.
    """

    theta: str = "1"
    epochs: int = 120
    patience: int = 30
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    restart_epochs: int = 20
    restart_factor: int = 2
    seed: int = 0
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)


def fit(
    stage: Stage,
    build: Callable[[], nn.Module],
    training: SliceSet,
    validation: SliceSet,
    settings: TrainSettings,
    output: Path,
    report: Callable[[dict], None] | None = None,
) -> Path:
    """Train one network; validate its moving average after every epoch and keep the best.

    Args:
        stage: loss and validation figure.
        build: makes the network (called after seeding).
        training: slices to learn from; the sampling strategy draws from these only.
        validation: slices to choose the best epoch on; never sampled or augmented.
        settings: hyper-parameters.
        output: folder for ``<stage>.safetensors`` (best weights) and ``<stage>.jsonl`` (one line an epoch).
        report: called with each epoch's record.

    Returns:
        Path of the best weights.
    """
    torch.manual_seed(settings.seed)
    network = build().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(_parameter_groups(network, settings.weight_decay), lr=settings.learning_rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, settings.restart_epochs, settings.restart_factor
    )
    weights, best, best_epoch, step = output / f"{stage.name}.safetensors", -1.0, 0, 0
    output.mkdir(parents=True, exist_ok=True)
    log = output / f"{stage.name}.jsonl"
    log.write_text(json.dumps({"settings": asdict(settings)}) + "\n")

    for epoch in range(settings.epochs):
        started, losses = time.monotonic(), []
        order = balanced_indices(training.abnormal, settings.theta, settings.seed, epoch)
        batches = np.array_split(order, max(1, math.ceil(len(order) / settings.batch)))
        network.train()
        for chosen in batches:
            generator = torch.Generator().manual_seed(hash((settings.seed, epoch, step)) % 2**63)
            images, masks = training.batch(chosen)
            numbers = draw(len(chosen), settings.augmentation, generator)
            images, masks = augment(images, masks, numbers, settings.augmentation.noise_amount)
            loss = stage.loss(network(images.to(memory_format=torch.channels_last)), masks)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
            optimizer.step()
            step += 1
            # Early on the average follows fast, or it would remember the random start for long.
            average_weights(network, average, min(EMA_DECAY, (1 + step) / (10 + step)))
            losses.append(float(loss.detach()))
        scheduler.step()

        score = validate(stage, average, validation, settings.batch)
        if score > best:
            best, best_epoch = score, epoch
            _save_whole(average, weights)
        record = {
            "epoch": epoch,
            "loss": float(np.mean(losses)),
            "validation": score,
            "best": best,
            "seconds": time.monotonic() - started,
        }
        with log.open("a") as file:
            file.write(json.dumps(record) + "\n")
        if report is not None:
            report(record)
        if epoch - best_epoch >= settings.patience:
            break
    return weights


@torch.inference_mode()
def validate(stage: Stage, network: nn.Module, slices: SliceSet, batch: int) -> float:
    """Score of the stage over all slices, pooled."""
    network.eval()
    counts = torch.zeros(3, dtype=torch.int64)
    for start in range(0, len(slices), batch):
        images, masks = slices.batch(np.arange(start, min(start + batch, len(slices))))
        counts += stage.counts(network(images.to(memory_format=torch.channels_last)), masks)
    return f1_score(counts)


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict]:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _save_whole(network: nn.Module, path: Path) -> None:
    temporary = path.with_suffix(".part")
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, temporary)
    temporary.replace(path)
