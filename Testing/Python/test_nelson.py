"""Nelson's eight rules: each is met by its own pattern, and not by one point less."""

from __future__ import annotations

import numpy as np
import pytest

from GTVAutoSegLib.report.drift.nelson import RULES, signals

# Around zero and far from every pattern.
CALM = [0.4, -0.4, -0.2, 0.3, 1.2, -1.3, -0.1, 0.0]
PATTERNS = {
    1: [3.1],
    2: [0.3, 0.8, 0.1, 0.9, 0.2, 0.6, 0.1, 0.4, 0.5],
    3: [-0.9, -0.5, -0.1, 0.2, 0.6, 0.9],
    4: [0.1, 1.5, -1.4, 0.3, -0.2, 1.5, -0.1, 0.2, -1.2, 1.2, -0.1, 0.4, -0.6, 0.8],
    5: [2.1, 0.5, 2.2],
    6: [1.1, 1.3, 0.2, 1.2, 1.5],
    7: [0.9, -0.2, 0.1, -0.8, -0.9, 0.5, 0.7, -0.3, -0.1, 0.9, 0.2, -0.4, -0.6, 0.1, 0.3],
    8: [1.1, -1.2, 1.4, 1.2, -1.6, -1.1, 1.3, -1.4],
}


def before(rule):
    """What comes before a pattern and is no part of it: within 1 sigma, but for the rule that asks for that."""
    return CALM[:-2] if rule == 7 else CALM


def met(values):
    return {one.rule for one in signals(values)}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_met_by_its_pattern_and_by_the_mirrored_one(rule):
    for sign in (1, -1):
        values = [*before(rule), *(sign * np.array(PATTERNS[rule]))]
        found = [one for one in signals(values) if one.rule == rule]
        assert len(found) == 1 and found[0].last == len(values) - 1, RULES[rule].name
        assert found[0].first == len(before(rule))


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_is_met_by_one_point_less(rule):
    assert rule not in met([*before(rule), *PATTERNS[rule][:-1]])
    if rule != 1:
        assert rule not in met(PATTERNS[rule][1:])


def test_a_calm_series_meets_none_and_an_empty_one_neither():
    assert met(CALM[:-2] * 2) == set() and met([]) == set()


def test_points_on_a_line_lie_beyond_nothing():
    assert met([3.0, -3.0]) == set()
    assert 2 not in met([0.0] * 12) and 3 not in met([0.5] * 9) and 7 in met([0.0] * 15)
    assert 6 not in met([1.0] * 5) and 8 not in met([1.0] * 8)
    assert 7 not in met([1.0, -1.0] * 8)


def test_one_signal_names_the_points_that_show_it():
    (found,) = [one for one in signals([0.1, 1.5, 1.2, 0.3, 1.4, 1.6, 0.2, 0.1]) if one.rule == 6]
    assert found.points == (1, 2, 4, 5)
    (rising,) = [one for one in signals([0.9, -0.9, -0.5, -0.1, 0.2, 0.6, 0.9, 0.5]) if one.rule == 3]
    assert rising.points == (1, 2, 3, 4, 5, 6)


def test_patterns_that_overlap_are_one_signal_and_two_apart_are_two():
    assert [one.points for one in signals([3.5, 3.6, 0.1, 0.2, 0.1, 3.4]) if one.rule == 1] == [(0, 1), (5,)]
    (long,) = [one for one in signals([*CALM[:-2], *[0.5, 0.6] * 8]) if one.rule == 2]
    assert (long.first, long.last) == (6, 21)
