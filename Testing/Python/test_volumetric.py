"""3D systems: their networks, patches, training, and prediction on the CT's own grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import save
from safetensors.torch import load_file, save_file

from GTVAutoSegLib.errors import InputError, RunError
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.networks import build_network
from GTVAutoSegLib.study.volumetric import (
    COARSE,
    FINE,
    SYSTEMS,
    System,
    VolumeSettings,
    load_system,
    predict_case,
    train_system,
)
from GTVAutoSegLib.study.volumetric.grid import axial_spacing, body_box, box_around, resize, shape_at
from GTVAutoSegLib.study.volumetric.networks import VOLUME_NETWORKS
from GTVAutoSegLib.study.volumetric.patches import PatchSet, PreparedVolume, TileSet, keep_volume
from GTVAutoSegLib.study.volumetric.systems import FEWEST_PATCHES
from GTVAutoSegLib.training.checkpoint import read_log
from GTVAutoSegLib.training.data.augmentation import AugmentationSettings, augment, draw
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.engine.engine import make_engine
from GTVAutoSegLib.training.presets import TrainSettings

NONE = AugmentationSettings(zoom=(1.0, 1.0), rotation=0.0, flip_vertical=0.0, distortion=0.0, erasing=0.0, noise=0.0)
TINY = VolumeSettings(
    training=TrainSettings("dice-ce", epochs=4, batch=2, learning_rate=1e-2, restart_epochs=4, augmentation=NONE),
    patch=(16, 32, 32),
    coarse=(16, 16, 16),
    patches=6,
    theta="0",
    margin_mm=6.0,
    width=4,
)


def body_with_ball(shape=(12, 40, 44), centre=(6, 12, 30), radius=6.0, seed=0):
    """HU of a body that fills the picture, and a bright ball in it."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    ball = (3 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2
    hu = np.random.default_rng(seed).normal(0, 10, shape) + np.where(ball, 150, 20)
    hu[:, :2] = -1000
    return hu.round().astype(np.int16), ball


def write_balls(root, count=3):
    for number in range(count):
        folder = root / f"ball{number}"
        folder.mkdir(parents=True)
        hu, ball = body_with_ball(centre=(4 + number, 12 + 5 * number, 30 - 6 * number), seed=number)
        save(hu, folder / "data.nii.gz")
        save(ball.astype(np.uint8), folder / "label.nii.gz")
    return find_cases(root)


def dice(mask, truth):
    return 2 * (mask.astype(bool) & truth).sum() / (mask.sum() + truth.sum())


class Brightness(torch.nn.Module):
    """Takes what is bright for tumour; each voxel by itself, so that it is the same in patches and as a whole."""

    def forward(self, x):
        logit = 40 * (x - 0.55)
        return torch.cat([-logit, logit], dim=1)


def brightness_system(**changes):
    settings = replace(TINY, spacing_mm=(1.0, 1.0, 3.0), **changes)
    return System("vbnet3d", settings, {COARSE: Brightness(), FINE: Brightness()}, torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "stages", "paper"), [("vnet3d", 1, 12.95e6), ("nnunet3d", 2, 22.24e6), ("vbnet3d", 2, 25.88e6)]
)
def test_a_system_has_the_parameter_count_of_the_paper_s_table_2(name, stages, paper):
    with torch.device("meta"):
        network = build_network(VOLUME_NETWORKS, name, {})
    count = len(SYSTEMS[name]) * sum(parameter.numel() for parameter in network.parameters())
    assert len(SYSTEMS[name]) == stages
    assert count == pytest.approx(paper, rel=0.005)


@pytest.mark.parametrize("size", [(16, 32, 32), (5, 16, 16), (17, 33, 20)])
@pytest.mark.parametrize("name", VOLUME_NETWORKS)
def test_a_3d_network_answers_on_the_grid_it_was_given(name, size):
    network = build_network(VOLUME_NETWORKS, name, {"width": 4, "in_channels": 2})
    assert network(torch.rand(2, 2, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize("name", VOLUME_NETWORKS)
def test_the_gradient_reaches_every_parameter_of_a_3d_network(name):
    torch.manual_seed(0)
    network = build_network(VOLUME_NETWORKS, name, {"width": 4})
    logits = network(torch.rand(2, 1, 16, 32, 32))
    (logits * torch.randn(logits.shape)).sum().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("name", VOLUME_NETWORKS)
def test_saved_and_loaded_weights_of_a_3d_network_give_the_same_output(name, tmp_path):
    network, other = (build_network(VOLUME_NETWORKS, name, {"width": 4}).eval() for _ in range(2))
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    volume = torch.rand(1, 1, 16, 32, 32)
    assert torch.equal(network(volume), other(volume))


def test_every_slice_of_a_volume_is_augmented_alike_and_as_a_slice_alone():
    settings = AugmentationSettings(noise=0.0)
    numbers = draw(2, settings, torch.Generator().manual_seed(1))
    images, masks = torch.rand(2, 1, 3, 32, 32), torch.rand(2, 3, 32, 32) > 0.5
    together = augment(images, masks, numbers)
    for depth in range(3):
        alone = augment(images[:, :, depth], masks[:, depth], numbers)
        torch.testing.assert_close(together[0][:, :, depth], alone[0])
        assert torch.equal(together[1][:, depth], alone[1])


def test_a_box_keeps_its_place_on_another_grid_and_ends_at_the_volume_s_edge():
    mask = np.zeros((10, 10, 10), bool)
    mask[4:6, 0:2, 8] = True
    assert box_around(mask, (20, 30, 10), (1, 3, 1)) == (slice(7, 13), slice(0, 9), slice(7, 10))
    assert box_around(np.zeros((4, 4, 4), bool), (8, 8, 8), (1, 1, 1)) is None


def test_the_body_s_box_leaves_the_air_around_it_out():
    image = torch.zeros(6, 20, 30)
    assert image[body_box(image)].shape == image.shape
    image[2:5, 3:9, 10:25] = torch.rand(3, 6, 15) + 0.1
    assert body_box(image) == (slice(2, 5), slice(3, 9), slice(10, 25))


def test_resizing_a_ramp_keeps_every_place():
    ramp = (torch.arange(24.0) + 0.5).div(24).expand(6, 5, 24).contiguous()
    for width in (12, 8, 48):
        resized = resize(ramp, (6, 5, width))
        places = (torch.arange(float(width)) + 0.5) / width
        torch.testing.assert_close(resized[0, 0, 2:-2], places[2:-2], rtol=0, atol=1e-5)


def test_spacing_and_shape_are_axial_whatever_the_storage_order():
    sagittal = Volume(np.zeros((20, 30, 40), np.int16), (3.0, 2.0, 1.0), direction=(0, 0, 1, 0, 1, 0, -1, 0, 0))
    assert axial_spacing(sagittal) == (1.0, 2.0, 3.0)
    assert shape_at(sagittal, (2.0, 2.0, 2.0)) == (60, 30, 10)


@pytest.fixture
def balls(tmp_path):
    volumes = []
    for number in range(2):
        hu, ball = body_with_ball(seed=number)
        keep_volume(tmp_path / f"{number}", torch.from_numpy(hu / 400.0 + 0.4).clamp(0, 1), torch.from_numpy(ball))
        volumes.append(PreparedVolume(tmp_path / f"{number}"))
    return volumes


@pytest.mark.parametrize(("theta", "share"), [("0", 1.0), ("1", 0.5), ("4", 0.2)])
def test_theta_is_the_share_of_patches_around_tumour(balls, theta, share):
    patches = PatchSet(balls, (2, 4, 4), 50)
    order = patches.draw(theta, 0, 0)
    _, masks = patches.batch(order)
    assert len(order) == 100
    # A patch anywhere rarely meets the ball, which fills a hundredth of the volume.
    assert masks.flatten(1).any(dim=1).float().mean() == pytest.approx(share, abs=0.08)


def test_an_epoch_draws_other_patches_than_the_one_before_and_the_same_again_when_resumed(balls):
    patches = PatchSet(balls, (4, 16, 16), 6)
    first, again, other = patches.draw("1", 3, 0), patches.draw("1", 3, 0), patches.draw("1", 3, 1)
    assert np.array_equal(first, again)
    assert not set(first) & set(other)
    assert torch.equal(patches.batch(first)[0], patches.batch(again)[0])
    assert sorted(patches.draw("1", 3, 1, static=True)) == sorted(first)


def test_a_patch_larger_than_the_volume_has_it_in_the_middle(balls):
    images, masks = PatchSet(balls, (16, 48, 48), 1).batch(np.array([0]))
    assert torch.equal(images[0, 0, 2:14, 4:44, 2:46], torch.from_numpy(np.array(balls[0].image)))
    assert masks.sum() == balls[0].label.sum()


def test_tiles_cover_every_voxel_of_every_volume(balls):
    tiles = TileSet(balls, (5, 16, 16))
    _, masks = tiles.batch(np.arange(len(tiles)))
    assert len(tiles) == 2 * 3 * 3 * 3
    assert masks.sum() >= sum(volume.label.sum() for volume in balls)


def test_an_epoch_has_as_many_patches_as_cover_the_volumes_and_a_few_where_one_does(balls):
    from GTVAutoSegLib.study.volumetric.training import _covering

    assert _covering(balls, (5, 16, 16)) == 3 * 3 * 3
    assert _covering(balls, (12, 40, 44)) == FEWEST_PATCHES


def test_a_cascade_learns_a_ball_and_outlines_it_on_the_native_grid(tmp_path):
    cases = write_balls(tmp_path / "data")
    train_system("nnunet3d", cases[:2], cases[2:], TINY, tmp_path / "run", make_engine("cpu"))
    system = load_system(tmp_path / "run", "cpu")
    for case in cases:
        volume = read_volume(case.image)
        mask = predict_case(system, volume)
        assert mask.dtype == np.uint8 and mask.shape == volume.array.shape
        assert dice(mask, read_volume(case.label).array.astype(bool)) > 0.5
    assert not (tmp_path / "run" / "volumes").exists()


def test_training_goes_on_where_it_was_stopped_and_refuses_what_does_not_fit(tmp_path):
    cases = write_balls(tmp_path / "data")
    settings = replace(TINY, patches=1, training=replace(TINY.training, epochs=2))
    train = {"training": cases[:2], "validation": cases[2:], "folder": tmp_path / "run", "engine": make_engine("cpu")}
    train_system("vnet3d", settings=settings, **train)
    log = read_log(tmp_path / "run" / FINE)
    assert len(log) == 2
    with pytest.raises(InputError, match="begun or finished"):
        train_system("vnet3d", settings=settings, **train)
    with pytest.raises(InputError, match="another training"):
        train_system("vnet3d", settings=replace(settings, seed=1), resume=True, **train)
    train_system("vnet3d", settings=settings, resume=True, **train)
    assert read_log(tmp_path / "run" / FINE) == log
    with pytest.raises(InputError, match="'vnet' is unknown; expected one of vnet3d"):
        train_system("vnet", settings=settings, **train)
    with pytest.raises(InputError, match="no validation cases"):
        train_system("vnet3d", settings=settings, **{**train, "validation": []})


def test_cases_without_tumour_cannot_be_trained_on_alone(tmp_path):
    cases = write_balls(tmp_path / "data", 2)
    save(np.zeros((12, 40, 44), np.uint8), cases[0].label)
    with pytest.raises(InputError, match=r"training cases of vnet3d \(ball0\) show no tumour"):
        train_system("vnet3d", cases[:1], cases[1:], TINY, tmp_path / "run", make_engine("cpu"))


def test_an_unfinished_system_is_not_opened(tmp_path):
    with pytest.raises(InputError, match="expected the folder of a 3D system"):
        load_system(tmp_path, "cpu")


def test_one_patch_over_the_whole_volume_is_the_network_s_own_answer():
    from GTVAutoSegLib.study.volumetric.prediction import slide

    torch.manual_seed(0)
    network = build_network(VOLUME_NETWORKS, "vnet3d", {"width": 4}).eval()
    system = System("vnet3d", replace(TINY, patch=(16, 32, 32)), {FINE: network}, torch.device("cpu"))
    image = torch.rand(16, 32, 32)
    with torch.inference_mode():
        alone = network(image[None, None]).softmax(dim=1)[0, 1]
        torch.testing.assert_close(slide(system, image), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("centre", [(2, 8, 36), (9, 33, 8)])
def test_coarse_to_fine_finds_an_object_outside_the_centre(centre):
    hu, ball = body_with_ball(centre=centre, radius=7)
    mask = predict_case(brightness_system(), Volume(hu, (1.0, 1.0, 3.0)))
    assert dice(mask, ball) > 0.97


def test_the_fine_network_looks_only_where_the_coarse_one_found_something():
    hu, ball = body_with_ball()
    volume, seen = Volume(hu, (1.0, 1.0, 3.0)), []

    class Watched(Brightness):
        def forward(self, x):
            seen.append(x.shape)
            return super().forward(x)

    system = brightness_system(margin_mm=3.0, patch=(4, 16, 16), overlap=0.0)
    predict_case(replace(system, networks={COARSE: Brightness(), FINE: Watched()}), volume)
    assert 0 < len(seen) < 12  # 27 patches cover the whole volume
    hu[ball] = 20
    seen.clear()
    assert not predict_case(replace(system, networks={COARSE: Brightness(), FINE: Watched()}), volume).any()
    assert seen == []


def test_a_system_without_a_coarse_stage_looks_at_the_body_only():
    hu, ball = body_with_ball()
    around = np.full((12, 160, 176), -1000, np.int16)
    around[:, 60:100, 66:110] = hu
    seen = []

    class Watched(Brightness):
        def forward(self, x):
            seen.append(x.shape)
            return super().forward(x)

    system = replace(brightness_system(patch=(12, 40, 40), overlap=0.0), networks={FINE: Watched()})
    mask = predict_case(system, Volume(around, (1.0, 1.0, 3.0)))
    assert len(seen) == 2  # 20 patches cover the whole volume
    assert dice(mask[:, 60:100, 66:110], ball) > 0.97 and mask.sum() == mask[:, 60:100, 66:110].sum()


def test_a_prediction_lies_on_the_grid_of_a_turned_and_finer_volume():
    hu, ball = body_with_ball(radius=9)
    fine, truth = np.repeat(hu, 3, axis=0), np.repeat(ball, 3, axis=0)
    turned = Volume(np.ascontiguousarray(fine[::-1].transpose(2, 1, 0)), direction=(0, 0, 1, 0, 1, 0, -1, 0, 0))
    stored = np.ascontiguousarray(turned.axial.undo(fine))
    mask = predict_case(brightness_system(), replace(turned, array=stored))
    assert mask.shape == stored.shape
    assert dice(mask, np.ascontiguousarray(turned.axial.undo(truth))) > 0.9


def test_values_that_are_no_numbers_are_no_result():
    class Broken(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x, x], dim=1) * float("nan")

    system = replace(brightness_system(), networks={FINE: Broken()})
    with pytest.raises(RunError, match="no numbers"):
        predict_case(system, Volume(body_with_ball()[0], (1.0, 1.0, 3.0)))
