"""Runs of voxels against scipy's labels."""

import numpy as np
import pytest
from scipy import ndimage

from GTVAutoSegLib.images.runs import Runs, keep_largest, sizes_of


def noise(shape, share, seed):
    return np.random.default_rng(seed).random(shape) < share


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.95])
@pytest.mark.parametrize("shape", [(7, 11), (1, 9), (9, 1), (4, 7, 11), (6, 1, 8), (5, 6, 1)])
def test_parts_are_those_that_touch_by_a_corner_at_least(shape, share):
    for seed in range(10):
        mask = noise(shape, share, seed)
        labels, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
        runs = Runs.of(mask)
        found, part = runs.parts()
        assert found == count
        assert runs.length.sum() == mask.sum()
        assert sorted(sizes_of(runs, found, part)) == sorted(np.bincount(labels.ravel())[1:])


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_largest_parts_stay_and_of_equal_ones_the_first(keep):
    for seed in range(20):
        mask = noise((5, 8, 9), 0.12, seed).astype(np.uint8)
        labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
        sizes = np.bincount(labels.ravel())[1:]
        kept = np.isin(labels, 1 + np.argsort(-sizes, kind="stable")[:keep])
        stored = np.ascontiguousarray(np.flip(mask, 0))
        assert keep_largest(np.flip(stored, 0), keep) == (count, (labels > 0).sum() - kept.sum())
        assert np.array_equal(np.flip(stored, 0), kept)


def test_an_empty_mask_has_no_parts():
    mask = np.zeros((3, 4, 5), np.uint8)
    assert keep_largest(mask, 1) == (0, 0) and not mask.any()
    assert Runs.of(mask > 0).parts()[0] == 0
