"""Limits of a control chart, the weeks that cross them, and the stretch of weeks that differs most."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from GTVAutoSegLib.report.drift.change import SHORTEST, largest_shift
from GTVAutoSegLib.report.drift.series import LEAST, Week, judge

MONDAY = date(2026, 1, 5)


def weeks(values):
    return [Week(MONDAY + timedelta(weeks=number), 4, float(value)) for number, value in enumerate(values)]


def judged(values, first=LEAST):
    return judge("1.0.0", "d" * 64, weeks(values), first_weeks=first)


def test_the_limits_are_those_of_wheeler_for_the_moving_ranges_of_the_baseline_alone():
    limits = judged([10, 12] * 4 + [50, 90, 10]).limits
    # Seven ranges of 2: d2 is 1.128 and D4 3.267 for two points in a row.
    assert (limits.centre, limits.sigma) == (11.0, pytest.approx(2 / 1.128))
    assert limits.range_limit == pytest.approx(2 * 3.267)
    assert (limits.upper, limits.lower) == pytest.approx((11 + 6 / 1.128, 11 - 6 / 1.128))


def test_a_signal_that_began_within_the_baseline_and_is_completed_after_it_counts():
    phase = judged([10, 12, 10, 12, 10, 12, 10, 12, *[12] * 8, 10, 10])
    (run,) = [one for one in phase.signals if one.rule == 2]
    assert run.first < phase.baseline <= run.last and run in phase.late_signals
    early = judged([30, 10, 12, 10, 12, 10, 12, 10, 12, 10, 12, 12, 10, 12], first=9)
    assert ([one.rule for one in early.signals], [one.rule for one in early.late_signals]) == ([1, 2], [2])


def test_a_week_that_jumps_is_named_by_its_own_number():
    assert judged([10, 12] * 4 + [12, 40, 40, 40]).jumps == (9,)


def test_a_stretch_counts_by_how_long_it_is_and_by_how_much_it_differs():
    calm = [0.0, 1.0] * 10
    assert largest_shift([*calm, *[3.0, 4.0] * 4, *calm], 12).first == 20
    short, long = [9.0] * 3, [6.0, 7.0] * 6
    found = largest_shift([*calm, *short, *calm, *long], 12)
    assert (found.first, found.last) == (43, 54) and found.after == 6.5
    # Without it the mean outside is that of the others only.
    assert found.before == pytest.approx((10 + 10 + 27) / 43)


def test_a_few_high_weeks_give_way_to_a_long_stretch_that_says_more():
    """The mean inside is compared with the mean outside, which a long stretch leaves to fewer weeks."""
    found = largest_shift([0.0] * 8 + [9.0] * 3 + [0.0] * 3 + [5.0] * 16, 8)
    assert (found.first, found.last) == (8, 29)


def test_no_chance_is_ever_said_to_be_none():
    """A permutation test counts what was seen among the shuffled ones."""
    assert largest_shift([0.0, 0.1] * 20 + [50.0] * 12, 12).p == 1 / 5000


def test_fewer_than_three_weeks_after_the_baseline_are_not_judged():
    for late in range(SHORTEST + 1):
        phase = judged([10, 12] * 4 + [11] * late)
        assert phase.is_judged == (late == SHORTEST) and (phase.shift is not None) == (late == SHORTEST)


def test_shuffled_weeks_differ_as_much_in_5_of_100_years():
    chance = np.random.default_rng(0)
    found = [largest_shift(chance.gamma(2.0, size=40), 12) for _ in range(60)]
    low = sum(one is not None and one.p <= 0.05 for one in found)
    assert low <= 8  # 3 are expected, and more than 8 in 1 of 300 times
    assert largest_shift([*chance.gamma(2.0, size=30), *(9 + chance.gamma(2.0, size=5))], 12).first == 30


def test_few_weeks_and_equal_ones_have_no_shift():
    assert largest_shift([1.0, 2.0] * 5, 8) is None and largest_shift([2.0] * 40, 12) is None
