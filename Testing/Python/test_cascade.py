"""The cascade: which slices are segmented, grids, orders, thresholds, cancelling."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import torch
from bundles import make_bundle
from phantoms import phantom

from GTVAutoSegLib import load_model
from GTVAutoSegLib.cascade.applicability import applicability_warnings
from GTVAutoSegLib.cascade.cascade import fill_gaps
from GTVAutoSegLib.errors import Cancelled, InputError
from GTVAutoSegLib.images.volume import Volume


@pytest.fixture(scope="module")
def cascade(tmp_path_factory):
    return load_model(make_bundle(tmp_path_factory.mktemp("models") / "random"), device="cpu")


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory):
    return load_model(make_bundle(tmp_path_factory.mktemp("models") / "everywhere", bias=50.0), device="cpu")


def middle_threshold(cascade, volume: Volume) -> float:
    """A threshold that some slices reach and others do not."""
    return float(np.median(cascade.segment(volume, threshold=1.0).slice_probability))


def test_only_the_slices_the_classifier_picks_are_segmented(cascade):
    volume = phantom()
    threshold = middle_threshold(cascade, volume)
    result = cascade.segment(volume, threshold=threshold)
    assert np.array_equal(result.picked, result.slice_probability >= threshold)
    assert 0 < result.picked.sum() < len(result.picked)
    assert not result.mask[~result.picked].any()


def test_a_slice_that_just_reaches_the_threshold_is_segmented(cascade):
    volume = phantom()
    probability = cascade.segment(volume, threshold=1.0).slice_probability
    best = int(probability.argmax())
    result = cascade.segment(volume, threshold=float(probability[best]))
    assert np.flatnonzero(result.picked).tolist() == np.flatnonzero(probability == probability[best]).tolist()
    assert result.picked[best]


def test_an_outline_at_the_end_of_the_scan_is_warned_of_once(everywhere, cascade):
    volume = phantom()
    said = [text for text in everywhere.segment(volume).warnings if "reaches the border of the scan" in text]
    assert len(said) == 1
    nothing = cascade.segment(volume, threshold=1.0)
    assert not nothing.mask.any() and not any("border" in text for text in nothing.warnings)


def test_the_mask_has_the_shape_and_type_of_the_contract(everywhere):
    volume = phantom()
    result = everywhere.segment(volume)
    assert result.mask.shape == volume.array.shape
    assert result.mask.dtype == np.uint8 and set(np.unique(result.mask)) == {0, 1}
    assert result.slice_probability.dtype == np.float32 and result.slice_probability.shape == (10,)
    assert result.reason == ""


def test_any_axis_order_and_flip_gives_the_same_voxels(cascade):
    original = phantom(spacing=(1.0, 1.25, 3.0))
    threshold = middle_threshold(cascade, original)
    expected = cascade.segment(original, threshold=threshold)
    assert expected.mask.any()
    for order, flips in product(permutations(range(3)), ((), (0,), (1, 2), (0, 1, 2))):
        stored = reordered(original, order, flips)
        result = cascade.segment(stored, threshold=threshold)
        back = np.flip(result.mask, flips).transpose(np.argsort(order))
        assert np.array_equal(back, expected.mask), (order, flips)
        slices_flipped = order.index(0) in flips
        probability = result.slice_probability[::-1] if slices_flipped else result.slice_probability
        assert np.array_equal(probability, expected.slice_probability)


def reordered(volume: Volume, order: tuple[int, ...], flips: tuple[int, ...]) -> Volume:
    """The same patient stored with permuted and flipped array axes (z, y, x)."""
    array = np.flip(volume.array.transpose(order), flips)
    columns = np.reshape(volume.direction, (3, 3)).T[::-1]  # direction of the array axes z, y, x
    spacing = np.array(volume.spacing[::-1])
    origin = np.array(volume.origin)
    signs = np.ones(3)
    for axis in flips:
        origin = origin + columns[order[axis]] * spacing[order[axis]] * (array.shape[axis] - 1)
        signs[axis] = -1
    directions = (columns[list(order)] * signs[:, None])[::-1].T
    return Volume(
        np.ascontiguousarray(array),
        tuple(spacing[list(order)][::-1]),
        tuple(origin),
        tuple(directions.ravel()),
        "reordered",
    )


def test_slices_restricts_both_networks(everywhere):
    result = everywhere.segment(phantom(), slices=range(3, 5))
    assert np.flatnonzero(result.mask.any(axis=(1, 2))).tolist() == [3, 4]
    assert np.flatnonzero(~np.isnan(result.slice_probability)).tolist() == [3, 4]


def test_slices_count_as_stored_when_the_scan_runs_from_head_to_feet(everywhere):
    flipped = phantom(direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
    result = everywhere.segment(flipped, slices=range(1, 3))
    assert np.flatnonzero(result.mask.any(axis=(1, 2))).tolist() == [1, 2]


@pytest.mark.parametrize("slices", [range(5, 99), range(4, 4), range(-2, 3)])
def test_slices_outside_the_volume_are_refused(cascade, slices):
    with pytest.raises(InputError, match="expected some of 0:10"):
        cascade.segment(phantom(), slices=slices)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(cascade, threshold):
    with pytest.raises(InputError, match="threshold"):
        cascade.segment(phantom(), threshold=threshold)


def test_no_tumour_is_a_result_with_its_reason(tmp_path):
    cascade = load_model(make_bundle(tmp_path / "nowhere", bias=-50.0), device="cpu")
    result = cascade.segment(phantom())
    assert not result.mask.any()
    assert "no slice reaches the threshold 0.50" in result.reason


def test_an_empty_outline_on_picked_slices_says_so(tmp_path):
    bundle = make_bundle(tmp_path / "unsure", thresholds={"slice": 0.0, "mask": 1.0})
    result = load_model(bundle, device="cpu").segment(phantom())
    assert result.reason == "the classifier picked 10 slices, and the segmenter outlined nothing there"


def test_progress_counts_every_slice_of_both_stages(everywhere):
    calls = []
    everywhere.segment(phantom(), progress=lambda *call: calls.append(call))
    assert calls[0] == ("classifying", 0, 10)
    assert calls[-1] == ("segmenting", 10, 10)
    assert [stage for stage, done, total in calls if done == total] == ["classifying", "segmenting"]


def test_cancelling_stops_between_batches(everywhere):
    batches = []
    with pytest.raises(Cancelled):
        everywhere.segment(
            phantom((80, 32, 32)), progress=lambda *call: batches.append(call), cancelled=lambda: len(batches) > 2
        )
    assert len(batches) == 3


def test_an_ensemble_averages_probabilities(tmp_path, cascade):
    both = replace(cascade, classifiers=cascade.classifiers * 2, segmenters=cascade.segmenters * 2)
    volume = phantom()
    one, two = cascade.segment(volume), both.segment(volume)
    assert np.allclose(one.slice_probability, two.slice_probability)
    assert np.array_equal(one.mask, two.mask)


def test_gaps_between_picked_slices_are_filled_up_to_the_limit():
    picked = np.array([1, 0, 1, 0, 0, 1, 0], bool)
    everything = np.ones(7, bool)
    assert fill_gaps(picked, everything, 0).tolist() == picked.tolist()
    assert fill_gaps(picked, everything, 1).tolist() == [1, 1, 1, 0, 0, 1, 0]
    assert fill_gaps(picked, everything, 2).tolist() == [1, 1, 1, 1, 1, 1, 0]


def test_only_the_largest_components_are_kept(cascade):
    from GTVAutoSegLib.cascade.cascade import _Run
    from GTVAutoSegLib.images.probability import probability_of

    levels = np.zeros((10, 64, 72), np.uint8)
    levels[2:4, 10:30, 10:30] = 255
    levels[7, 50:55, 50:55] = 255
    run, said = _Run(cascade, phantom(), None, None), "left out: this model keeps the largest only"
    mask, notes = run._cut(probability_of(levels, 0.5, 1), None)
    assert mask[:2].sum() == mask.sum() == 800
    assert notes == [f"1 smaller part of less than 0.1 mL was {said}"]
    levels[9, :20, :20] = 255
    mask, notes = run._cut(probability_of(levels, 0.5, 1), None)
    assert mask.sum() == 800 and notes == [f"2 smaller parts of 1.3 mL in all were {said}"]
    assert run.runner.notes == []  # the runner's own are about memory


def test_one_slice_is_enough(everywhere):
    assert everywhere.segment(phantom((1, 64, 72))).mask.shape == (1, 64, 72)


def test_a_ct_unlike_the_training_data_gets_a_warning_for_each_property(cascade):
    thick = phantom(spacing=(1.0, 1.0, 25.0))
    assert [w for w in cascade.segment(thick).warnings if "head-feet spacing is 25 mm" in w]
    info = cascade.bundle.info
    known = replace(info.training_data, spacing_mm=((1.0, 1.0), (1.0, 1.0), (3.0, 3.0)))
    seen = replace(info, training_data=known)
    for spacing, count in (((1.09, 1.09, 3.0), 0), ((1.12, 1.0, 3.0), 1), ((0.9, 0.9, 3.7), 2), ((1.0, 1.0, 3.8), 1)):
        assert sum("spacing" in text for text in applicability_warnings(phantom(spacing=spacing), seen)) == count
    mr = Volume((phantom().array.astype(np.int32) + 1000).clip(0).astype(np.int16) * 2, (1.0, 1.0, 3.0), source="mr")
    assert [w for w in cascade.segment(mr).warnings if "is this a CT in Hounsfield units?" in w]


def test_a_volume_that_is_no_ct_is_refused(cascade):
    air = Volume(np.full((4, 40, 40), -1000, np.int16), source="air.nrrd")
    with pytest.raises(InputError, match="air.nrrd"):
        cascade.segment(air)


def test_input_and_weights_are_left_as_they_were(cascade):
    volume = phantom()
    before = volume.array.copy()
    weights = [parameter.clone() for parameter in cascade.segmenters[0].parameters()]
    cascade.segment(volume, threshold=0.0)
    assert np.array_equal(volume.array, before)
    assert all(torch.equal(a, b) for a, b in zip(weights, cascade.segmenters[0].parameters()))


def test_given_slices_are_segmented_without_asking_the_classifier(cascade):
    volume = phantom()
    threshold = middle_threshold(cascade, volume)
    expected = cascade.segment(volume, threshold=threshold)

    for stored, picked in ((volume, expected.picked), (reordered(volume, (0, 1, 2), (0,)), expected.picked[::-1])):
        result = cascade.segment(stored, picked=picked)
        assert np.array_equal(result.picked, picked)
        assert np.isnan(result.slice_probability).all()
        assert result.mask.sum() == expected.mask.sum() > 0
    nothing = cascade.segment(volume, picked=np.zeros(10, bool))
    assert not nothing.mask.any()
    assert nothing.reason == "the segmenter outlined nothing on the 0 slices it was given"
