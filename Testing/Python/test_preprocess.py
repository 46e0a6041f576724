"""Preprocessing: window, body box, stretch, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import body_ct
from scipy import ndimage

from GTVAutoSegLib import read_volume
from GTVAutoSegLib.cascade.preprocess import (
    Box,
    apply_window,
    body_box,
    network_input,
    otsu_threshold,
    paste_back,
    stretch_mask,
)
from GTVAutoSegLib.images.probability import level_of
from GTVAutoSegLib.system.settings import PreprocessSettings

SAMPLES = Path(__file__).resolve().parents[1] / "Data" / "sts-gtv"
ELLIPSE = np.array([[0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]], bool)


def straightforward_box(hu: np.ndarray, settings: PreprocessSettings) -> tuple[int, int, int, int]:
    """The box rule written down step by step with scipy's own operators."""
    clipped = np.clip(hu, *settings.window).astype(np.float32)
    stretched = (clipped - clipped.min()) * np.float32(255 / (clipped.max() - clipped.min()))
    eroded = ndimage.grey_erosion(stretched.astype(np.uint8), footprint=ELLIPSE, mode="constant", cval=255)
    mask = eroded > naive_otsu(eroded)
    mask = ndimage.binary_dilation(mask, ELLIPSE, iterations=3)
    mask = ndimage.binary_erosion(mask, ELLIPSE, iterations=3, border_value=1)
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    areas = {label: int((labels == label).sum()) for label in range(1, count + 1)}
    largest = sorted(areas, key=lambda label: -areas[label])[: settings.max_components]
    kept = [label for label in largest if areas[label] > settings.min_component_fraction * max(areas.values())]
    rows, columns = np.nonzero(np.isin(labels, kept))
    top, bottom = max(0, rows.min() - settings.margin), min(hu.shape[0], rows.max() + 1 + settings.margin)
    left, right = max(0, columns.min() - settings.margin), min(hu.shape[1], columns.max() + 1 + settings.margin)
    return top, bottom, left, right


def naive_otsu(grey: np.ndarray) -> int:
    best, threshold = -1.0, 0
    for level in range(256):
        below, above = grey[grey <= level].astype(float), grey[grey > level].astype(float)
        if below.size and above.size:
            between = below.size * above.size * (below.mean() - above.mean()) ** 2
            if between > best * (1 + 1e-12):
                best, threshold = between, level
    return threshold


def scenes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    body = body_ct((1, 90, 110))[0]
    legs = np.full((90, 110), -1000, np.int16)
    legs[20:70, 10:45] = 30
    legs[25:75, 60:100] = 50
    couch = body.copy()
    couch[86:89, 5:105] = 100
    return {
        "one body": body,
        "two legs": legs,
        "a couch below": couch,
        "touching the border": body_ct((1, 90, 110))[0][30:, 25:],
        "noise": rng.normal(0, 200, (80, 81)).astype(np.int16),
        "float values": body.astype(np.float32) + 0.25,
        "rows one pixel short of a word": rng.normal(0, 200, (70, 63)).astype(np.int16),
        "rows of whole words": rng.normal(0, 200, (40, 128)).astype(np.int16),
        "many parts": np.where(ndimage.gaussian_filter(rng.normal(0, 1, (120, 130)), 3) > 0.05, 50, -1000),
    }


@pytest.mark.parametrize("name", scenes())
def test_the_box_equals_the_straightforward_rule(name):
    settings = PreprocessSettings(size=64)
    box = body_box(scenes()[name], settings)
    assert (box.top, box.bottom, box.left, box.right) == straightforward_box(scenes()[name], settings)


@pytest.mark.parametrize("case", sorted(path.name for path in SAMPLES.iterdir()))
def test_the_box_equals_the_straightforward_rule_on_a_real_ct(case):
    settings = PreprocessSettings(size=64)
    hu = read_volume(SAMPLES / case / "data.nii.gz").array
    for index in range(0, len(hu), 6):
        box = body_box(hu[index], settings)
        assert (box.top, box.bottom, box.left, box.right) == straightforward_box(hu[index], settings), index


def test_the_box_spans_both_legs_but_not_a_small_tube():
    hu = np.full((100, 200), -1000, np.int16)
    hu[30:70, 20:60] = 40
    hu[30:70, 90:130] = 40
    hu[2:6, 190:195] = 300
    box = body_box(hu, PreprocessSettings(margin=0, size=64))
    assert (box.left, box.right) == (22, 128)


def test_a_slice_of_one_value_keeps_its_whole_area():
    assert body_box(np.full((40, 50), -1000, np.int16), PreprocessSettings(size=64)) == Box(0, 40, 0, 50)


def test_the_window_maps_its_ends_to_zero_and_one():
    hu = np.array([-500, -160, 40, 240, 3000], np.int16)
    assert apply_window(hu, (-160.0, 240.0)).tolist() == pytest.approx([0, 0, 0.5, 1, 1])


def test_otsu_splits_two_grey_values():
    grey = np.array([10] * 50 + [200] * 30, np.uint8)
    assert 10 <= otsu_threshold(grey) < 200


def test_network_input_has_the_chosen_size_and_lies_in_zero_to_one():
    hu = body_ct()
    settings = PreprocessSettings(size=48)
    boxes = [body_box(hu[i], settings) for i in (2, 5)]
    images = network_input(hu, [2, 5], boxes, settings)
    assert images.shape == (2, 1, 48, 48)
    assert images.min() >= 0 and images.max() <= 1 and images.std() > 0.1


def test_neighbouring_slices_become_channels_and_the_ends_repeat():
    hu = np.stack([np.full((40, 40), value, np.int16) for value in (-160, 40, 240)])
    settings = PreprocessSettings(size=32, channels=3)
    images = network_input(hu, [0, 1], [Box(0, 40, 0, 40)] * 2, settings)
    assert images.mean(dim=(2, 3)).tolist() == [pytest.approx([0, 0, 0.5]), pytest.approx([0, 0.5, 1])]


@pytest.mark.parametrize("size", [64, 200])
def test_a_mask_survives_the_way_there_and_back(size):
    y, x = np.ogrid[:120, :140]
    mask = ((y - 60) / 25) ** 2 + ((x - 70) / 18) ** 2 < 1
    box = Box(20, 110, 15, 130)
    stretched = torch.from_numpy(stretch_mask(mask, box, size)).float()
    plane = np.zeros(mask.shape, np.uint8)
    paste_back(stretched, box, plane)
    plane = plane >= level_of(0.5)
    assert 2 * (plane & mask).sum() / (plane.sum() + mask.sum()) > 0.97


def test_at_the_box_s_own_size_the_way_back_is_exact():
    rng = np.random.default_rng(0)
    mask, box = rng.random((50, 60)) > 0.5, Box(5, 37, 10, 42)
    plane = np.zeros(mask.shape, np.uint8)
    paste_back(torch.from_numpy(stretch_mask(mask, box, 32)).float(), box, plane)
    plane = plane >= level_of(0.5)
    inside = np.zeros_like(mask)
    inside[box.slices] = mask[box.slices]
    assert np.array_equal(plane, inside)


def test_a_pixel_that_just_reaches_the_threshold_is_tumour_in_masks_and_in_targets():
    box, plane = Box(1, 5, 2, 6), np.zeros((6, 8), np.uint8)
    paste_back(torch.full((4, 4), 0.5), box, plane)
    assert (plane >= level_of(0.5)).sum() == 16 and (plane[box.slices] >= level_of(0.5)).all()
    # Two pixels side by side that are stretched into one: half of it is tumour.
    assert stretch_mask(np.array([[1, 0], [1, 0]], bool), Box(0, 2, 0, 2), 1).all()
