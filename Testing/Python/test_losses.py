from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from GTVAutoSegLib.networks.multitask import PixelsAndSlice
from GTVAutoSegLib.training.losses import LOSSES, SLICE_LOSSES, output_loss


def batch(seed: int = 0, count: int = 3, side: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 2, side, side, generator=generator)
    return logits, (torch.rand(count, side, side, generator=generator) > 0.7).long()


def foreground_dice(logits: torch.Tensor, target: torch.Tensor, channel: int = 1) -> torch.Tensor:
    """By the definition: one image at a time, class `channel`."""
    values = []
    for image, truth in zip(logits.softmax(dim=1)[:, channel], (target == channel).float()):
        values.append(1 - (2 * (image * truth).sum() + 1e-5) / (image.sum() + truth.sum() + 1e-5))
    return torch.stack(values).mean()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_keeps_the_contract(name):
    logits, target = batch()
    logits.requires_grad_()
    loss = LOSSES[name](logits, target)
    loss.backward()
    assert loss.shape == () and torch.isfinite(loss) and loss > 0
    assert torch.isfinite(logits.grad).all() and logits.grad.abs().sum() > 0
    perfect = F.one_hot(target, 2).permute(0, 3, 1, 2) * 3.0 - 1.5  # sure, and not surer than label smoothing likes
    assert LOSSES[name](perfect, target) < loss
    assert LOSSES[name](perfect, target) < LOSSES[name](-perfect, target)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_parts_weighted_by_size_add_up_to_that_of_the_batch(name):
    logits, target = batch(count=5)
    parts = LOSSES[name](logits[:2], target[:2]) * 0.4 + LOSSES[name](logits[2:], target[2:]) * 0.6
    assert torch.allclose(parts, LOSSES[name](logits, target), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_slice_without_tumour_has_a_finite_loss_and_gradient(name):
    logits = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = LOSSES[name](logits, torch.zeros(2, 8, 8, dtype=torch.long))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", SLICE_LOSSES)
def test_losses_of_the_classifier_take_one_target_a_slice(name):
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    assert LOSSES[name](logits, torch.tensor([0, 1, 1, 0, 1, 0])).shape == ()


def test_cr_is_label_smoothed_cross_entropy_plus_foreground_dice():
    logits, target = batch()
    expected = F.cross_entropy(logits, target, label_smoothing=0.1) + foreground_dice(logits, target)
    assert abs(LOSSES["cr"](logits, target) - expected) < 1e-6


def test_literal_cr_follows_equations_4_to_8():
    logits, target = batch()
    log_p = logits.log_softmax(dim=1)
    q = F.one_hot(target, 2).permute(0, 3, 1, 2)
    pixels, classes = target.numel(), 2
    ce = -(q * log_p).sum() / (classes * pixels)
    epsilon = -log_p.sum() / (classes * pixels)
    dice = (foreground_dice(logits, target, 0) + foreground_dice(logits, target, 1)) / 2
    assert abs(LOSSES["cr-literal"](logits, target) - (dice + 0.9 * ce + 0.1 * epsilon)) < 1e-6


def test_closed_forms_for_an_undecided_network():
    # All logits 0: every probability is a half. One image, half of the pixels tumour.
    logits, target = torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long)
    target[:, :2] = 1
    log2 = torch.log(torch.tensor(2.0))
    for name, expected in {
        "ce": log2,
        "focal": 0.25 * log2,
        "dice": 0.5,  # 1 - 2 * 4 / (8 + 8)
        "dice-ce": 0.5 + log2,
        "tversky": 0.5,  # 4 true, 4 false positive, 4 false negative: 1 - 4 / (4 + 0.3 * 4 + 0.7 * 4)
        "cr": 0.5 + log2,
        "cr-literal": 0.5 + 0.9 * log2 / 2 + 0.1 * log2,
    }.items():
        assert abs(LOSSES[name](logits, target) - expected) < 1e-5, name


def test_tversky_punishes_a_missed_pixel_more_than_a_wrong_one():
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    target[:, :2] = 1
    too_small, too_large = target.clone(), target.clone()
    too_small[:, 1] = 0
    too_large[:, 2] = 1
    as_logits = [F.one_hot(mask, 2).permute(0, 3, 1, 2) * 40.0 for mask in (too_small, too_large)]
    # 4 true positives and 4 missed; 8 true positives and 4 wrong.
    assert abs(LOSSES["tversky"](as_logits[0], target) - (1 - 4 / (4 + 0.7 * 4))) < 1e-5
    assert abs(LOSSES["tversky"](as_logits[1], target) - (1 - 8 / (8 + 0.3 * 4))) < 1e-5


def test_a_second_task_adds_the_cross_entropy_of_the_slices_label():
    pixels, target = batch()
    target[1] = 0
    slices = torch.tensor([2.0, -1.0, 0.5])
    found = output_loss(LOSSES["dice"], PixelsAndSlice(pixels.bfloat16(), slices), target)
    entropy = -(torch.sigmoid(slices).log()[0] + (1 - torch.sigmoid(slices)).log()[1] + torch.sigmoid(slices).log()[2])
    assert found.dtype == torch.float32
    assert torch.allclose(found, foreground_dice(pixels.bfloat16().float(), target) + entropy / 3)


def test_a_network_with_one_task_has_the_loss_itself():
    logits, target = batch()
    assert output_loss(LOSSES["cr"], logits, target) == LOSSES["cr"](logits, target)
