"""Crops around a tumour: in training, and for a box that a user drew."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import make_bundle
from datasets import write_case, write_dataset, write_preset, write_task
from phantoms import body_ct

from GTVAutoSegLib.cascade.applicability import NO_BOX, needs_box
from GTVAutoSegLib.cascade.crops import crop_input, crop_rectangle, loosened, random_slack
from GTVAutoSegLib.cascade.load import load_model
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.region import IndexBox, Region
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.system.settings import CropSettings, PreprocessSettings
from GTVAutoSegLib.training.data.crop_set import CropSet, extent
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.slice_store import build_store

SPACING = (3.0, 1.0, 1.0)
CROPS = PreprocessSettings(
    size=32, channels=3, neighbour_mm=6.0, more_windows=((-1000.0, 400.0),), crops=CropSettings(4.0, (5.0, 20.0), 10.0)
)
BOX = IndexBox((2, 10, 12), (8, 30, 40))


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    return tuple(build_store(find_cases(write_dataset(folder / "data", 2, slices=12)), CROPS, folder / "store"))


def test_an_input_shows_the_box_and_its_margin_in_every_window():
    hu = np.full((10, 44, 50), -1000, np.int16)
    hu[:, 6:34, 8:44] = 40
    image = crop_input(hu, 4, BOX, SPACING, CROPS)
    assert image.shape == (CROPS.input_channels, 32, 32) == (8, 32, 32)
    assert np.allclose(image[:3], 0.5) and np.allclose(image[3:6], 1040 / 1400, atol=1e-5)
    hu[:, 5] = hu[:, :, 44] = 400  # just outside the margin
    assert np.allclose(crop_input(hu, 4, BOX, SPACING, CROPS), image)


def test_neighbours_are_as_far_apart_as_asked_for_and_the_ends_repeat():
    hu = np.zeros((10, 44, 50), np.int16) + np.arange(10, dtype=np.int16)[:, None, None] * 40 - 160
    levels = crop_input(hu, 3, BOX, SPACING, CROPS)[:3].mean((1, 2)) * 10
    assert np.allclose(levels, (1, 3, 5), atol=1e-4)
    assert np.allclose(crop_input(hu, 9, BOX, SPACING, CROPS)[:3].mean((1, 2)) * 10, (7, 9, 9), atol=1e-4)


def test_two_channels_say_where_in_the_box_a_pixel_lies():
    image = crop_input(np.zeros((10, 44, 50), np.int16), 2, BOX, SPACING, CROPS)
    assert image[6, 0, 0] == 0 and image[6, 16, 16] == pytest.approx(0.96, abs=0.05)
    assert np.allclose(image[7], 0.15)  # half a slice of 3 mm from the end, of the 10 mm that are shown
    assert crop_input(np.zeros((10, 44, 50), np.int16), 0, BOX, SPACING, CROPS)[7].max() == 0


def test_a_crop_ends_where_the_slice_ends():
    rectangle = crop_rectangle(IndexBox((0, 2, 40), (4, 20, 50)), CropSettings(4.0), SPACING, (10, 44, 50))
    assert (rectangle.top, rectangle.bottom, rectangle.left, rectangle.right) == (0, 24, 36, 50)


def test_faces_move_by_their_own_slack_and_stop_at_the_border():
    slack = np.array([[6.0, 3.0, 50.0], [3.0, 0.0, 5.0]])
    assert loosened(BOX, slack, SPACING, (10, 44, 50)) == IndexBox((0, 7, 0), (9, 30, 45))


def test_slacks_are_off_centre_and_within_their_limits():
    drawn = np.array([random_slack(np.random.default_rng(seed), CropSettings()) for seed in range(400)])
    assert drawn.min() >= 5 and drawn.max() <= 50 and np.median(drawn) == pytest.approx(15.8, abs=1.5)
    assert abs(drawn[:, 0] - drawn[:, 1]).max() > 30
    assert (random_slack(np.random.default_rng(0), CropSettings(), np.full((2, 3), 30.0)) >= 30).all()


def test_every_sample_has_a_box_of_its_own_that_its_slice_lies_in(cases):
    samples = CropSet(cases, CROPS)
    order = samples.draw("n", 0, 0)
    images, masks = samples.batch(order)
    assert images.shape == (24, 8, 32, 32) and masks.shape == (24, 32, 32)
    assert (images[:, 7].amax((1, 2)) > 0).all()  # no slice outside its box
    assert (masks.any(2).any(1).numpy() == samples.abnormal[order]).all()
    again, _ = samples.batch(order)
    assert (again == images).all()
    samples.draw("n", 0, 1)
    assert (samples.batch(order)[0] != images).any()


def test_validation_has_fixed_boxes_and_only_the_slices_in_them(cases):
    samples, other = CropSet(cases, CROPS, 0), CropSet(cases, CROPS, 1)
    everything = np.arange(len(samples))
    first = samples.batch(everything)[0]
    samples.draw("n", 3, 5)
    assert (samples.batch(everything)[0] == first).all()
    assert samples.abnormal.sum() == sum(sum(case.abnormal) for case in cases)
    assert len(samples) < 24 and (len(other) != len(samples) or (other.batch(everything)[0] != first).any())
    assert extent(cases[0]).lower[0] == cases[0].abnormal.index(True)


@pytest.fixture(scope="module")
def boxed(tmp_path_factory):
    """A model trained on crops, that outlines everything it is shown."""
    crops = {"window": [-160, 240], "size": 64, "crops": {"margin_mm": 4}}
    seen = {"description": "", "cases": 1, "spacing_mm": [[1, 1]] * 3, "hu_percentiles": [[-1000, -1000], [100, 300]]}
    folder = tmp_path_factory.mktemp("boxed") / "boxed"
    make_bundle(
        folder, bias=50.0, in_channels=3, preprocessing=crops, training_data={**seen, "extent_mm": [[10, 40]] * 3}
    )
    return load_model(folder, "cpu")


def volume(**changes) -> Volume:
    return Volume(body_ct((10, 64, 72)), source="phantom", **changes)


def test_nothing_outside_the_box_is_outlined(boxed):
    box = IndexBox((2, 20, 25), (6, 40, 50))
    found = boxed.segment(volume(), region=Region.of_indices(box, volume()))
    assert found.mask[box.slices].all() and found.mask.sum() == 4 * 20 * 25
    assert np.flatnonzero(found.picked).tolist() == [2, 3, 4, 5]
    assert np.isnan(found.slice_probability[6:]).all()


def test_a_box_holds_in_a_flipped_ct_too(boxed):
    flipped = volume(direction=(1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
    found = boxed.segment(flipped, region=Region.of_indices(IndexBox((2, 20, 25), (6, 40, 50)), flipped))
    assert np.flatnonzero(found.mask.any((1, 2))).tolist() == [4, 5, 6, 7]


def test_a_model_trained_on_crops_asks_for_a_box_when_the_ct_is_larger_than_what_it_knows(boxed):
    assert needs_box(volume(), boxed.bundle.info)
    with pytest.raises(InputError, match="up to 40 x 40 x 40 mm, and the CT is 72 x 64 x 10 mm.*draw a box"):
        boxed.segment(volume())
    small = Volume(body_ct((10, 40, 44)))
    assert not needs_box(small, boxed.bundle.info)
    found = boxed.segment(small)
    assert found.mask.all() and NO_BOX in found.warnings
    everywhere = Region.of_indices(IndexBox((0, 0, 0), (10, 40, 44)), small)
    assert NO_BOX not in boxed.segment(small, region=everywhere).warnings


def test_a_model_trained_on_whole_slices_misses_no_box(tmp_path):
    found = load_model(make_bundle(tmp_path / "whole", bias=50.0), "cpu").segment(volume())
    assert found.mask.any() and NO_BOX not in found.warnings


def test_slices_beside_the_box_are_refused(boxed):
    region = Region.of_indices(IndexBox((2, 20, 25), (6, 40, 50)), volume())
    with pytest.raises(InputError, match="do not meet the box"):
        boxed.segment(volume(), slices=range(7, 9), region=region)


def test_a_model_trained_on_whole_slices_sees_them_and_keeps_to_the_box(tmp_path):
    model = load_model(make_bundle(tmp_path / "whole", bias=50.0), "cpu")
    box = IndexBox((2, 20, 25), (6, 40, 50))
    assert model.segment(volume(), region=Region.of_indices(box, volume())).mask.sum() == 4 * 20 * 25


def test_a_training_on_crops_gives_a_model_that_knows_its_boxes(tmp_path):
    write_dataset(tmp_path / "data" / "train", 2, slices=12)
    write_case(tmp_path / "data" / "val" / "other", 7, slices=10)
    preprocessing = {"window": [-160, 240], "size": 32, "crops": {"margin_mm": 4, "slack_mm": [5, 20]}}
    task = write_task(tmp_path / "task.json", preprocessing=preprocessing)
    preset = write_preset(tmp_path / "preset.json", epochs=1, batch=4)
    assert main(["train", *map(str, (task, tmp_path / "data", tmp_path / "run")), "--preset", str(preset)]) == 0
    info = read_bundle(tmp_path / "run" / "phantom").info
    assert info.preprocessing.crops == CropSettings(4.0, (5.0, 20.0))
    (smallest, largest), *_ = info.training_data.extent_mm
    assert 10 < smallest < largest <= 44
    assert (tmp_path / "run" / "thresholds.json").exists()
