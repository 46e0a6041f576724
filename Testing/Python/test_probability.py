"""The probability behind a mask, in 8 bits."""

from __future__ import annotations

import base64
import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from phantoms import phantom

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.itk import write_image
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.probability import (
    HEADER,
    Probability,
    following_tags,
    probability_from_bytes,
    probability_of,
    read_probability,
)
from GTVAutoSegLib.system.tags import MASK_THRESHOLD_TAG, PROBABILITY_TAG

OBLIQUE = (0.0, -1.0, 0.0, 0.8, 0.0, -0.6, 0.6, 0.0, 0.8)


def levels(shape=(10, 64, 72)) -> np.ndarray:
    """A large ball that fades from its middle, and a faint small one."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    large = 255 - 40 * np.sqrt(((z - 5) * 3) ** 2 + (y - 30) ** 2 + (x - 30) ** 2) / 4
    small = 140 - 20 * np.sqrt(((z - 5) * 3) ** 2 + (y - 50) ** 2 + (x - 60) ** 2)
    return np.maximum(large, small).clip(0, 255).astype(np.uint8)


def test_a_mask_is_what_reaches_the_threshold():
    probability = probability_of(levels(), 0.5, 0)
    assert np.array_equal(probability.mask(), levels() >= 128)
    assert np.array_equal(probability.mask(0.25), levels() >= 64)
    assert np.array_equal(probability.mask(1.0), levels() == 255)
    assert probability.mask(0.02).sum() == (levels() >= 6).sum() and probability.mask().dtype == np.uint8


def test_only_where_something_is_probable_is_kept():
    probability = probability_of(levels(), 0.5, 0)
    assert probability.values.size < levels().size * 0.75
    assert np.array_equal(probability.values, levels()[probability.box])
    nothing = probability_of(np.zeros((4, 5, 6), np.uint8), 0.5, 1)
    assert not nothing.mask(0.02).any() and nothing.mask().shape == (4, 5, 6)


def test_the_largest_parts_are_kept_at_every_threshold():
    probability = probability_of(levels(), 0.5, 1)
    everything = probability_of(levels(), 0.5, 0)
    assert probability.mask().any() and probability.mask().sum() < everything.mask().sum()
    assert probability.cut()[1] == 2
    assert not probability.mask()[:, :, 55:].any()


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(threshold):
    with pytest.raises(InputError, match="expected a probability above 0"):
        probability_of(levels(), 0.5, 0).mask(threshold)


def test_the_file_reads_back_and_lies_on_the_ct(tmp_path):
    volume = phantom(spacing=(0.7, 0.9, 3.0), origin=(5.0, -7.0, 11.0), direction=OBLIQUE)
    probability = probability_of(levels(), 0.35, 1)
    path = tmp_path / "p.nrrd"
    probability.write(path, volume)
    back = read_probability(path)
    assert (back.start, back.shape, back.threshold, back.keep_components) == (
        probability.start,
        probability.shape,
        0.35,
        1,
    )
    assert np.array_equal(back.values, probability.values) and np.array_equal(back.mask(0.2), probability.mask(0.2))
    image, ct = sitk.ReadImage(str(path)), sitk.GetImageFromArray(volume.array)
    for name in ("Spacing", "Origin", "Direction"):
        getattr(ct, f"Set{name}")(getattr(volume, name.lower()))
    assert np.allclose(
        image.TransformIndexToPhysicalPoint((0, 0, 0)), ct.TransformIndexToPhysicalPoint(probability.start[::-1])
    )
    again = probability_from_bytes(probability.to_bytes(volume))
    assert np.array_equal(again.values, probability.values) and again.start == probability.start


def test_another_file_is_no_probability(tmp_path):
    for name, content in (("text.nrrd", b"no image"), ("missing.nrrd", None)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="holds no probability"):
            read_probability(tmp_path / name)
    sitk.WriteImage(sitk.GetImageFromArray(levels()), str(tmp_path / "plain.nrrd"))
    with pytest.raises(InputError, match="holds no probability"):
        read_probability(tmp_path / "plain.nrrd")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", (math.inf, 0, 0)),
        ("shape", (10**30, 64, 72)),
        ("threshold", math.nan),
        ("threshold", 2),
        ("keep_components", -1),
        ("keep_components", math.inf),
    ],
)
def test_a_probability_of_numbers_that_make_no_sense_is_refused(tmp_path, name, value):
    probability = probability_of(levels(), 0.5, 1)
    facts = {key: getattr(probability, key) for key in ("start", "shape", "threshold", "keep_components")}
    write_image(levels(), phantom(), tmp_path / "p.nrrd", {HEADER: json.dumps({**facts, name: value})})
    with pytest.raises(InputError, match=r"p\.nrrd holds no probability of a result"):
        read_probability(tmp_path / "p.nrrd")


def test_a_large_mask_follows_a_slider():
    z, y, x = (np.abs(np.arange(n, dtype=np.int16) - n // 2) for n in (80, 400, 400))
    values = (250 - 2 * z[:, None, None] - y[:, None] // 2 - x // 2).clip(0).astype(np.uint8)
    probability = Probability(values, (10, 56, 56), (100, 512, 512), 0.5, 1)
    probability.mask()
    times = []
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
        started = time.process_time()
        mask = probability.mask(threshold)
        times.append(time.process_time() - started)
    assert mask.any() and min(times) < 0.3, times  # 0.1 s on a quiet machine


def test_outlines_follow_the_probability_of_a_segments_tags_on_the_voxels_of_its_own_ct_only():
    probability = probability_of(levels(), 0.35, 1)
    kept = base64.b64encode(probability.to_bytes(phantom())).decode()
    structure = Structure(probability.mask(0.6))
    found = following_tags(structure, {PROBABILITY_TAG: kept, MASK_THRESHOLD_TAG: "0.6"})
    assert np.array_equal(found.probability[probability.box], probability.values) and found.threshold == 153.5
    assert following_tags(structure, {PROBABILITY_TAG: kept}).threshold == 89.5  # the model's own
    cropped = Structure(structure.mask[:, :-1])
    for other, tags in (
        (cropped, {PROBABILITY_TAG: kept}),
        *(
            (structure, {PROBABILITY_TAG: kept, MASK_THRESHOLD_TAG: text})
            for text in ("a half", "nan", "inf", "0", "2")
        ),
        (structure, {PROBABILITY_TAG: kept[:-40]}),
        (structure, {}),
    ):
        assert following_tags(other, tags) is other


def test_values_that_lie_beside_their_ct_are_refused(tmp_path):
    probability = probability_of(levels(), 0.5, 1)
    for start in ((-1, 0, 0), (0, 0, probability.shape[2])):
        replace(probability, start=start).write(tmp_path / "p.nrrd", phantom())
        with pytest.raises(InputError, match="is damaged: its values do not fit into its CT"):
            read_probability(tmp_path / "p.nrrd")
