"""What differs between the two stages of the cascade: the target, and the figure that picks the best epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.stages import CascadeStage


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
