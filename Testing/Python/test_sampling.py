from __future__ import annotations

import numpy as np
import pytest

from GTVAutoSegLib.training.data.sampling import RATIOS, balanced_indices

ABNORMAL = np.arange(100) % 10 == 3  # 10 of 100


@pytest.mark.parametrize(("theta", "normals"), [("0", 0), ("1", 10), ("2", 20), ("4", 40), ("n", 90)])
def test_every_abnormal_slice_is_seen_and_theta_normal_ones_for_each(theta, normals):
    chosen = balanced_indices(ABNORMAL, theta, seed=0, epoch=0)
    assert len(set(chosen)) == len(chosen) == 10 + normals
    assert ABNORMAL[chosen].sum() == 10


@pytest.mark.parametrize("theta", RATIOS)
def test_the_same_seed_and_epoch_give_the_same_slices(theta):
    first, again = (balanced_indices(ABNORMAL, theta, seed=5, epoch=2) for _ in range(2))
    assert (first == again).all()
    assert (first != balanced_indices(ABNORMAL, theta, seed=6, epoch=2)).any()


def test_normal_slices_are_drawn_anew_every_epoch():
    draws = [set(balanced_indices(ABNORMAL, "1", seed=0, epoch=epoch)) for epoch in range(40)]
    assert len({frozenset(draw) for draw in draws}) == 40
    assert set().union(*draws) == set(range(100))  # in the end all are seen


def test_static_sampling_keeps_the_slices_and_changes_their_order():
    first, second = (balanced_indices(ABNORMAL, "2", seed=0, epoch=epoch, static=True) for epoch in (0, 7))
    assert set(first) == set(second)
    assert (first != second).any()


def test_more_normal_slices_than_there_are_means_all():
    assert len(balanced_indices(~ABNORMAL, "4", seed=0, epoch=0)) == 100


def test_an_unknown_ratio_is_named():
    with pytest.raises(ValueError, match="'3', expected one of 0, 0.5, 1, 2, 4, n"):
        balanced_indices(ABNORMAL, "3", seed=0, epoch=0)
