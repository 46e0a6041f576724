"""What differs between the two stages of the cascade: target, loss and the figure that picks the best epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..losses import cr_loss


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: "classifier" or "segmenter".
        loss: (logits, masks) -> scalar; masks are bool (n, N, N) after augmentation.
        counts: (logits, masks) -> true positives, false positives, false negatives; slices or pixels.
    """

    name: str
    loss: Callable[[Tensor, Tensor], Tensor]
    counts: Callable[[Tensor, Tensor], Tensor]


def slice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of slice logits (n, 2) against "shows tumour"."""
    return F.cross_entropy(logits, masks.flatten(1).any(dim=1).long())


def slice_counts(logits: Tensor, masks: Tensor) -> Tensor:
    """True positive, false positive and false negative slices, int64 (3,)."""
    return _counts(logits.argmax(dim=1).bool(), masks.flatten(1).any(dim=1))


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """CR loss of pixel logits (n, 2, N, N)."""
    return cr_loss(logits, masks.long())


def pixel_counts(logits: Tensor, masks: Tensor) -> Tensor:
    """True positive, false positive and false negative pixels, int64 (3,)."""
    return _counts(logits.argmax(dim=1).bool(), masks)


def f1_score(counts: Tensor) -> float:
    """F1 of slices, which for pixels is the pooled Dice; 1 when there is nothing to find and nothing was found."""
    hit, wrong, missed = (int(value) for value in counts)
    return 1.0 if hit + wrong + missed == 0 else 2 * hit / (2 * hit + wrong + missed)


STAGES: dict[str, Stage] = {
    "classifier": Stage("classifier", slice_loss, slice_counts),
    "segmenter": Stage("segmenter", mask_loss, pixel_counts),
}


def average_weights(network: nn.Module, average: nn.Module, decay: float) -> None:
    """Move the exponential moving average a step towards the network, buffers included."""
    for mean, value in zip(average.state_dict().values(), network.state_dict().values()):
        if mean.is_floating_point():
            mean.lerp_(value.detach(), 1 - decay)
        else:
            mean.copy_(value)


def _counts(predicted: Tensor, truth: Tensor) -> Tensor:
    return torch.stack([(predicted & truth).sum(), (predicted & ~truth).sum(), (~predicted & truth).sum()])
