"""Two systems on the same cases: the difference, its interval over patients, and its p value."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from GTVAutoSegLib.evaluation.statistics import CONFIDENCE, compare_systems


def test_patients_are_drawn_with_all_their_cases_which_count_one_each():
    """Against every draw that there is: of a patient with six cases, all six."""
    patients = [*"aaaaaabcd"]
    cases = np.array([0.9, 0.8, 1.0, 0.9, 0.7, 0.8, -0.2, 0.1, 0.0])
    groups = [cases[[patient == name for patient in patients]] for name in "abcd"]
    means = [np.concatenate([groups[one] for one in draw]).mean() for draw in product(range(4), repeat=4)]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    found = compare_systems(cases[None], np.zeros((1, 9)), patients)
    assert (found.cases, found.patients) == (9, 4)
    assert found.mean == pytest.approx(cases.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)


def test_the_p_value_counts_patients_not_cases():
    """Six patients who all gain: the signed-rank test knows 2 of 64 as extreme, however many cases each has."""
    gains = np.arange(1, 13) / 100
    found = compare_systems(gains[None], np.zeros((1, 12)), [*"aabbccddeeff"])
    assert found.p == pytest.approx(2 / 64)
    assert compare_systems(gains[None], np.zeros((1, 12))).p == pytest.approx(2 / 2**12)


def test_a_case_that_one_system_lacks_counts_for_neither():
    ours, theirs = (
        np.array([[0.5, np.nan, 0.4], [0.7, np.nan, np.nan]]),
        np.array([[0.4, 0.1, np.nan], [0.5, 0.2, 0.3]]),
    )
    found = compare_systems(ours, theirs)
    assert (found.cases, found.mean) == (1, pytest.approx(0.15))
    assert compare_systems(ours[:, 1:2], theirs[:, 1:2]) is None
