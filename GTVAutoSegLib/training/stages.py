"""What the training loop is given: a job, and of the cascade's two stages the target and the figure to judge by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..model.stages import CascadeStage
from .data.batches import Samples, TrainingSamples
from .presets import TrainSettings


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: "classifier" or "segmenter".
        figure: what is validated, for people.
        target: masks bool (n, N, N) after augmentation -> int64 target of the loss, 1 is tumour.
    """

    name: str
    figure: str
    target: Callable[[Tensor], Tensor]

    def counts(self, logits: Tensor, masks: Tensor) -> Tensor:
        """True positives, false positives and false negatives, int64 (3,): of slices, or of pixels."""
        predicted, truth = logits.argmax(dim=1).bool(), self.target(masks).bool()
        return torch.stack([(predicted & truth).sum(), (predicted & ~truth).sum(), (~predicted & truth).sum()])


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


def slice_target(masks: Tensor) -> Tensor:
    """Whether each slice shows tumour, int64 (n,)."""
    return masks.flatten(1).any(dim=1).long()


def pixel_target(masks: Tensor) -> Tensor:
    """The masks as int64 (n, N, N)."""
    return masks.long()


def f1_score(counts: Tensor) -> float:
    """F1 of slices, which for pixels is the pooled Dice; 1 when there is nothing to find and nothing was found."""
    hit, wrong, missed = (int(value) for value in counts)
    return 1.0 if hit + wrong + missed == 0 else 2 * hit / (2 * hit + wrong + missed)


STAGES: dict[str, Stage] = {
    CascadeStage.CLASSIFIER: Stage(CascadeStage.CLASSIFIER, "slice F1", slice_target),
    CascadeStage.SEGMENTER: Stage(CascadeStage.SEGMENTER, "pooled Dice of all slices", pixel_target),
}
