"""A new result put into the one that is there."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import phantom

from GTVAutoSegLib.cascade.completion.merge import merge
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.tags import mine_of, mine_text


def test_only_the_slices_of_a_run_are_replaced_and_a_persons_never():
    volume = phantom((10, 16, 18))
    before, new = np.zeros(volume.array.shape, np.uint8), np.zeros(volume.array.shape, np.uint8)
    before[1:9, 2:5], new[:, 8:12] = 1, 1
    merged = merge(before, new, volume, slices=range(3, 7), mine=[5])
    assert np.array_equal(merged[3], new[3]) and np.array_equal(merged[[4, 6]], new[[4, 6]])
    assert all(np.array_equal(merged[i], before[i]) for i in (0, 1, 2, 5, 7, 8, 9))
    everything = merge(before, new, volume, mine=[0])
    assert np.array_equal(everything[1:], new[1:]) and np.array_equal(everything[0], before[0])


def test_slices_are_counted_along_the_axis_of_the_patient():
    volume = Volume(np.zeros((20, 10, 16), np.int16), direction=(0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    assert volume.axial.axes[0] == 1
    before, new = np.zeros(volume.array.shape, bool), np.ones(volume.array.shape, bool)
    merged = merge(before, new, volume, slices=range(2, 4))
    assert np.flatnonzero(merged.any(axis=(0, 2))).tolist() == [2, 3] and merged[:, 2:4].all()


@pytest.mark.parametrize("arguments", [{"slices": range(8, 11)}, {"mine": [-1]}, {"mine": [10]}])
def test_slices_outside_of_the_ct_are_refused(arguments):
    volume = phantom((10, 16, 18))
    mask = np.zeros(volume.array.shape, np.uint8)
    with pytest.raises(InputError, match="not in the CT, expected 0 to 9"):
        merge(mask, mask, volume, **arguments)


def test_a_mask_of_another_size_is_refused():
    volume = phantom((10, 16, 18))
    with pytest.raises(InputError, match="expected one on the CT's own grid"):
        merge(np.zeros((9, 16, 18), bool), np.zeros(volume.array.shape, bool), volume)


def test_the_tag_of_a_persons_slices_reads_back():
    assert mine_text([12, 3, 3, 9]) == "3,9,12"
    assert mine_of("3,9,12") == (3, 9, 12) and mine_of("") == () and mine_of("4, x,,2") == (2, 4)
