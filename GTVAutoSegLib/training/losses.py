"""Training losses on two-class logits, and the registry of their names.

Every loss takes logits (N, 2, ...) and an int64 target (N, ...) of 0 and 1, and is a mean over the N images: a batch
may be cut into parts whose losses, weighted by their sizes, add up to that of the whole.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..networks.multitask import PixelsAndSlice

DICE_SMOOTH = 1e-5
LABEL_SMOOTHING = 0.1
FOCAL_GAMMA = 2.0
# Weights of false positives and false negatives.
TVERSKY_ALPHA, TVERSKY_BETA = 0.3, 0.7


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Foreground Dice loss, per image, then the mean over the batch (paper equation 5, for the tumour class).

    On a slice without tumour the term is close to 1 with almost no gradient: there only the cross-entropy teaches.
    """
    return tversky_index_loss(logits, target, 0.5, 0.5)


def tversky_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Tversky loss (Salehi et al. 2017): as Dice, with a missed pixel weighing more than a wrong one."""
    return tversky_index_loss(logits, target, TVERSKY_ALPHA, TVERSKY_BETA)


def tversky_index_loss(logits: Tensor, target: Tensor, alpha: float, beta: float) -> Tensor:
    """1 - TP / (TP + alpha FP + beta FN) of the tumour class with soft counts; 0.5 and 0.5 make it Dice.

    The smoothing term is that of Dice written as 2 TP / (2 TP + FP + FN).
    """
    probability = logits.softmax(dim=1)[:, 1].flatten(1)
    truth = target.flatten(1).to(probability.dtype)
    hit = (probability * truth).sum(dim=1)
    wrong, missed = probability.sum(dim=1) - hit, truth.sum(dim=1) - hit
    total = 2 * (hit + alpha * wrong + beta * missed)
    return (1 - (2 * hit + DICE_SMOOTH) / (total + DICE_SMOOTH)).mean()


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Focal loss (Lin et al. 2017) with gamma 2 and no class weights, mean over pixels."""
    entropy = F.cross_entropy(logits, target, reduction="none")
    return ((1 - torch.exp(-entropy)) ** FOCAL_GAMMA * entropy).mean()


def dice_ce_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Dice plus cross-entropy."""
    return dice_loss(logits, target) + F.cross_entropy(logits, target)


def cr_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Combined Regularization loss: Dice plus label-smoothed cross-entropy (paper section 3.3, equations 4 to 8).

    Equations 6 to 8 without their factor 1/K on the cross-entropy are label smoothing with alpha = 0.1.
    """
    return dice_loss(logits, target) + F.cross_entropy(logits, target, label_smoothing=LABEL_SMOOTHING)


def cr_literal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """CR loss by the letter of equations 4 to 8: K = 2 classes in the Dice mean, and 1/K before the cross-entropy."""
    flipped = torch.flip(logits, dims=(1,))  # makes background the class that Dice is taken of
    dice = (dice_loss(logits, target) + dice_loss(flipped, 1 - target)) / 2
    uniform = -logits.log_softmax(dim=1).mean()
    return dice + (1 - LABEL_SMOOTHING) * F.cross_entropy(logits, target) / 2 + LABEL_SMOOTHING * uniform


def output_loss(loss: Callable[[Tensor, Tensor], Tensor], output: Tensor | PixelsAndSlice, target: Tensor) -> Tensor:
    """A loss of what a network returns in training mode.

    With two tasks the binary cross-entropy of the slice's label is added: together with the loss "dice" this is what
    the authors' code minimises for SANet + MTL.

    Args:
        loss: of logits and target.
        output: logits, or those of pixels and slice.
        target: int64 (N, ...) of 0 and 1.
    """
    if isinstance(output, Tensor):
        return loss(output.float(), target)
    shows_tumour = target.flatten(1).any(dim=1).float()
    second = F.binary_cross_entropy_with_logits(output.slices.float(), shows_tumour)
    return loss(output.pixels.float(), target) + second


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cr": cr_loss,
    "cr-literal": cr_literal_loss,
    "dice": dice_loss,
    "ce": F.cross_entropy,  # mean over pixels
    "focal": focal_loss,
    "dice-ce": dice_ce_loss,
    "tversky": tversky_loss,
}
# Those that need no area, for the slice classifier.
SLICE_LOSSES = ("ce", "focal")
