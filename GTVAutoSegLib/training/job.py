"""What the training loop is given: one network, and what it learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from .data.batches import Samples, TrainingSamples
from .presets import TrainSettings
from .stages import Stage


@dataclass(frozen=True)
class Job:
    """One network to train.

    Attributes:
        stage: target and validation figure.
        build: makes the network (called after seeding).
        training: slices, or patches of volumes, to learn from; the sampling strategy draws from these only.
        validation: those to choose the best epoch on; never sampled or augmented.
        settings: hyper-parameters.
        theta: Balance-Sampling Strategy ratio.
        seed: of initialisation, sampling and augmentation.
        grey: how many of the input channels hold grey values, see `augmentation.augment`.
    """

    stage: Stage
    build: Callable[[], nn.Module]
    training: TrainingSamples
    validation: Samples
    settings: TrainSettings
    theta: str
    seed: int = 0
    grey: int | None = None
