"""Training losses on two-class logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

DICE_SMOOTH = 1e-5
LABEL_SMOOTHING = 0.1


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Foreground Dice loss, per image, then the mean over the batch (paper equation 5, for the tumour class).

    On a slice without tumour the term is close to 1 with almost no gradient: there only the cross-entropy teaches.

    Args:
        logits: (N, 2, H, W).
        target: int64 (N, H, W), 1 is tumour.
    """
    probability = logits.softmax(dim=1)[:, 1].flatten(1)
    truth = target.flatten(1).to(probability.dtype)
    overlap = (probability * truth).sum(dim=1)
    total = probability.sum(dim=1) + truth.sum(dim=1)
    return (1 - (2 * overlap + DICE_SMOOTH) / (total + DICE_SMOOTH)).mean()


def cr_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Combined Regularization loss: Dice plus label-smoothed cross-entropy (paper section 3.3, equations 4 to 8).

    Equations 6 to 8 without their factor 1/K on the cross-entropy are label smoothing with alpha = 0.1.

    Args:
        logits: (N, 2, H, W).
        target: int64 (N, H, W), 1 is tumour.
    """
    return dice_loss(logits, target) + F.cross_entropy(logits, target, label_smoothing=LABEL_SMOOTHING)
