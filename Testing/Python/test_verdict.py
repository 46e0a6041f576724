"""Better, worse, or nothing shown: what the sum of a comparison is, and what is said of the cases beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bundles import make_bundle

from GTVAutoSegLib.evaluation.comparison import NEW, OLD, Outlined, Pair, Side
from GTVAutoSegLib.evaluation.learned import LIMITS
from GTVAutoSegLib.evaluation.verdict import BETTER, NOTHING, WORSE, judge, to_table
from GTVAutoSegLib.images.metrics import compare
from GTVAutoSegLib.images.volume import Volume

SPREAD = [0.3] * 10 + [-0.05, 0.05, -0.05, 0.05, -0.05]


@pytest.fixture(scope="module")
def present(tmp_path_factory):
    """A model that tells nothing of its training."""
    return make_bundle(tmp_path_factory.mktemp("models") / "phantom", size=32)


def sides(old, new=None, *, count, remarks=()):
    """Both sides of a comparison of so many cases; the new one is the old one unless given."""
    cases = [f"case{number}" for number in range(count)]
    return {
        OLD: Side("m", "m 1", dict.fromkeys(cases, old)),
        NEW: Side("m", "m 2", dict.fromkeys(cases, new or old), remarks),
    }


def outlined(dsc: float) -> Outlined:
    mask = np.zeros((3, 8, 8), np.uint8)
    mask[1, 2:5, 2:5] = 1
    return Outlined(dsc, compare(mask, mask, Volume(mask.astype(np.int16))).hd95_mm, 10 * (1 - dsc))


def pairs(differences: list[float]) -> list[Pair]:
    return [
        Pair(f"case{number}", f"{number:016}", outlined(0.5), outlined(0.5 + one))
        for number, one in enumerate(differences)
    ]


@pytest.mark.parametrize(
    ("differences", "verdict", "sentence"),
    [
        ([0.1, 0.2, 0.1, 0.05, 0.1, 0.15], BETTER, "The new model is better: mean DSC 0.617 instead of 0.500"),
        ([-0.1, -0.2, -0.1, 0.02, -0.1, -0.15], WORSE, "The new model is worse"),
        ([0.1, -0.1, 0.1, -0.1, 0.1, -0.08], NOTHING, "No difference shown: mean DSC 0.503"),
        ([0.3] * 5, NOTHING, "on the same 5 cases, and it takes at least 6 patients to show one"),
        ([0.3], NOTHING, "on the same 1 case, and it takes at least 6"),
    ],
)
def test_the_verdict_is_what_the_interval_of_the_difference_says(present, differences, verdict, sentence):
    found = judge(pairs(differences), sides(present, count=len(differences)))
    assert found.verdict == verdict and sentence in found.sentence
    assert np.isnan(found.figures["dsc"].difference.low) == (len(differences) < 6)
    lengths = found.figures["added_path_length_mm"]
    assert lengths.difference.mean == pytest.approx(-10 * np.mean(differences))


def test_cases_of_one_patient_are_no_further_evidence(present):
    both = sides(present, count=15)
    assert judge(pairs(SPREAD), both).verdict == BETTER
    found = judge(pairs(SPREAD), both, {f"case{number}": "one" for number in range(10)})
    assert found.verdict == NOTHING and "15 cases of 6 patients" in found.sentence
    found = judge(pairs(SPREAD), both, dict.fromkeys(both[OLD].bundles, "one"))
    assert found.verdict == NOTHING and "15 cases of 1 patient, and it takes at least 6 patients" in found.sentence


def test_cases_that_hold_the_same_ct_are_no_further_evidence(present):
    copied = [replace(pair, voxels="0" * 16) if number < 10 else pair for number, pair in enumerate(pairs(SPREAD))]
    found = judge(copied, sides(present, count=15))
    assert found.verdict == NOTHING and "15 cases of 6 patients" in found.sentence


@pytest.fixture
def chosen(tmp_path):
    """A model that learned from other CTs, and was chosen on the first two cases."""
    told = {"voxels_sha256": ["f" * 16], "chosen_on": [f"{number:016}" for number in range(2)], "every_ct": True}
    ranges = [[0, 2000]] * 3
    seen = {"description": "none", "cases": 1, "spacing_mm": ranges, "extent_mm": ranges}
    percentiles = {"hu_percentiles": [[-1000, -1000], [100, 300]]}
    return make_bundle(tmp_path / "chosen", size=32, training_data={**seen, **percentiles, **told})


def test_the_cases_that_chose_a_side_are_said_once_and_of_a_run_by_its_own_remark(present, chosen):
    said = judge(pairs([0.1] * 7), sides(present, chosen, count=7)).remarks
    assert sum("from 2 of these cases (case0, case1)" in text for text in said) == 1
    said = judge(pairs([0.1] * 7), sides(present, chosen, count=7, remarks=("the run's own",))).remarks
    assert not any("of these cases" in text for text in said) and "m 2: the run's own" in said


def test_how_cts_are_known_is_said_only_where_a_side_tells_which_it_has_learned_from(present, chosen):
    assert any(LIMITS in text for text in judge(pairs([0.1] * 7), sides(present, chosen, count=7)).remarks)
    assert not any(LIMITS in text for text in judge(pairs([0.1] * 7), sides(present, count=7)).remarks)


def test_the_table_has_each_figure_of_the_old_side_before_the_new_one():
    heading, row = to_table(pairs([0.25])).splitlines()[:2]
    assert heading.split(",")[:3] == ["case", "dsc_old", "dsc_new"] and row.split(",")[:3] == ["case0", "0.5", "0.75"]
