from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from GTVAutoSegLib.training.data.augmentation import AugmentationSettings, Draw, augment, draw

NOTHING = AugmentationSettings(zoom=(1.0, 1.0), rotation=0.0, flip_vertical=0.0, distortion=0.0, erasing=0.0, noise=0.0)
N = 48


def disc(row: int = 20, column: int = 30, radius: int = 9) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(N), torch.arange(N), indexing="ij")
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def batch(count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask is where the image is above a half."""
    masks = disc().repeat(count, 1, 1)
    return masks[:, None].float() * 0.8 + 0.1, masks


def numbers(settings: AugmentationSettings, count: int = 6, seed: int = 0) -> Draw:
    return draw(count, settings, torch.Generator().manual_seed(seed))


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_without_any_of_the_six_nothing_changes():
    images, masks = batch()
    out, out_masks = augment(images, masks, numbers(NOTHING))
    assert torch.allclose(out, images, atol=1e-5)
    assert torch.equal(out_masks, masks)


@pytest.mark.parametrize(
    "change",
    [
        {"zoom": (0.8, 1.2)},
        {"rotation": 15.0},
        {"flip_vertical": 1.0},
        {"flip_horizontal": 1.0},
        {"distortion": 1.0},
        {"zoom": (0.8, 1.2), "rotation": 15.0, "flip_vertical": 0.5, "distortion": 1.0},
    ],
)
def test_image_and_mask_move_together_and_the_mask_stays_a_mask(change):
    images, masks = batch()
    out, out_masks = augment(images, masks, numbers(replace(NOTHING, **change)))
    assert out.shape == images.shape and out_masks.dtype == torch.bool and out_masks.shape == masks.shape
    assert not torch.allclose(out, images, atol=1e-3)
    for image, mask in zip(out, out_masks):
        assert overlap(image[0] > 0.5, mask) > 0.97


def test_the_vertical_flip_is_exact():
    images, masks = batch()
    out, out_masks = augment(images, masks, numbers(replace(NOTHING, flip_vertical=1.0)))
    assert torch.allclose(out, images.flip(2), atol=1e-5)
    assert torch.equal(out_masks, masks.flip(1))


def test_zoom_scales_the_area_by_its_square():
    images, masks = batch()
    for factor in (0.8, 1.2):
        _, out = augment(images, masks, numbers(replace(NOTHING, zoom=(factor, factor))))
        assert out[0].sum() / masks[0].sum() == pytest.approx(factor**2, rel=0.06)


def test_rotation_turns_about_the_centre_by_the_angle_drawn():
    settings = replace(NOTHING, rotation=15.0)
    images, masks = batch()
    for seed in range(3):
        chosen = numbers(settings, seed=seed)
        angle = torch.atan2(chosen.affine[:, 1, 0], chosen.affine[:, 0, 0])
        assert angle.abs().max() <= math.radians(15) + 1e-6
        _, out = augment(images, masks, chosen)
        centre = torch.tensor([20.0, 30.0]) - (N - 1) / 2
        for turn, mask in zip(angle, out):
            found = torch.nonzero(mask).float().mean(dim=0) - (N - 1) / 2
            y, x = centre
            expected = torch.stack(
                [torch.cos(turn) * y - torch.sin(turn) * x, torch.sin(turn) * y + torch.cos(turn) * x]
            )
            assert torch.allclose(found, expected, atol=0.35)


@pytest.mark.parametrize("flips", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_turned_and_flipped_slice_is_not_sheared(flips):
    chosen = numbers(replace(NOTHING, rotation=15.0, flip_vertical=flips[0], flip_horizontal=flips[1]))
    matrix = chosen.affine[:, :, :2]
    assert matrix[:, 0, 1].abs().min() > 1e-3  # it is turned
    assert torch.allclose(matrix @ matrix.transpose(1, 2), torch.eye(2).expand(6, 2, 2), atol=1e-6)
    mirrored = sum(flips) == 1
    assert torch.allclose(torch.linalg.det(matrix), torch.full((6,), -1.0 if mirrored else 1.0), atol=1e-6)


def test_the_distortion_has_the_strength_asked_for_and_keeps_the_area():
    chosen = numbers(replace(NOTHING, distortion=1.0, distortion_strength=0.01), count=64)
    pixels = chosen.displacement.square().mean().sqrt() / 2  # grid units: 2 is the side
    assert pixels == pytest.approx(0.01, rel=0.05)
    images, masks = batch(64)
    _, out = augment(images, masks, chosen)
    assert out.sum() / masks.sum() == pytest.approx(1.0, abs=0.03)


def test_erasing_blanks_a_rectangle_of_the_area_asked_for_in_image_and_mask():
    images, masks = torch.ones(32, 1, 64, 64), torch.ones(32, 64, 64, dtype=torch.bool)
    out, out_masks = augment(images, masks, numbers(replace(NOTHING, erasing=1.0), count=32))
    assert torch.equal(out[:, 0] > 0.5, out_masks)
    for mask in out_masks:
        rows, columns = (~mask).any(dim=1).sum(), (~mask).any(dim=0).sum()
        assert rows * columns == (~mask).sum()  # one full rectangle
        assert 0.005 < float((~mask).float().mean()) < 0.065


def test_noise_hits_the_fraction_asked_for_in_the_image_only():
    images, masks = torch.full((8, 1, 64, 64), 0.5), torch.zeros(8, 64, 64, dtype=torch.bool)
    out, out_masks = augment(images, masks, numbers(replace(NOTHING, noise=1.0), count=8), noise_amount=0.1)
    assert not out_masks.any()
    assert float((out == 0).float().mean()) == pytest.approx(0.05, abs=0.01)
    assert float((out == 1).float().mean()) == pytest.approx(0.05, abs=0.01)
    assert not torch.equal(out[0], out[1])


def test_a_batch_cut_into_parts_is_augmented_as_the_whole():
    settings = AugmentationSettings(noise=0.5, erasing=1.0)
    images, masks = batch(8)
    chosen = numbers(settings, count=8)
    whole = augment(images, masks, chosen)
    for rows in (slice(0, 3), slice(3, 8)):
        part = augment(images[rows], masks[rows], chosen.of(rows))
        assert torch.equal(part[0], whole[0][rows]) and torch.equal(part[1], whole[1][rows])


def test_the_same_seed_draws_the_same_numbers():
    first, again, other = (augment(*batch(), numbers(AugmentationSettings(), seed=seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_numbers_drawn_lie_in_the_papers_ranges_and_happen_as_often_as_asked():
    chosen = numbers(AugmentationSettings(), count=4000)
    scale = 1 / torch.hypot(chosen.affine[:, 0, 0], chosen.affine[:, 1, 0])
    assert scale.min() >= 0.8 - 1e-5 and scale.max() <= 1.2 + 1e-5
    determinant = torch.det(chosen.affine[:, :, :2])
    shares = {
        "flipped": float((determinant < 0).float().mean()),
        "distorted": float((chosen.displacement.flatten(1).abs().sum(dim=1) > 0).float().mean()),
        "erased": float((chosen.erased[:, 1] > chosen.erased[:, 0]).float().mean()),
        "noisy": float((chosen.noise_seed >= 0).float().mean()),
    }
    assert shares == pytest.approx({"flipped": 0.5, "distorted": 0.5, "erased": 0.5, "noisy": 0.1}, abs=0.04)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise": 1.5}, "noise is 1.5, expected a probability"),
        ({"zoom": (1.2, 0.8)}, r"zoom is \[1.2, 0.8\], expected \[smallest, largest\]"),
        ({"rotation": -1.0}, "rotation is -1.0"),
    ],
)
def test_settings_that_make_no_sense_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        AugmentationSettings(**change)
