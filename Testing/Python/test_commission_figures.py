"""Commissioning: the figures of a case and over all, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from GTVAutoSegLib.evaluation.commission.agreement import agreement, mean_of
from GTVAutoSegLib.evaluation.commission.figures import agreement_figures
from GTVAutoSegLib.evaluation.commission.measure import worst_slices
from GTVAutoSegLib.evaluation.commission.outline import Outlined
from GTVAutoSegLib.images.metrics import added_path_length, compare, surface_dice
from GTVAutoSegLib.images.volume import Volume


def test_limits_of_agreement_are_bland_and_altmans():
    # 17 differences, mean -2.1 and SD 38.8 (Lancet 1986: limits -79.7, 75.5 with 2 SD; here 1.96).
    large = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

    found = agreement([one - other for one, other in zip(large, mini)])

    assert found.cases == 17
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert found.upper.value == pytest.approx(-2.1 + 1.96 * 38.8, abs=0.1)
    # The same paper: the interval of the bias is -22.0 to 17.8.
    assert (found.bias.low, found.bias.high) == (pytest.approx(-22.0, abs=0.1), pytest.approx(17.8, abs=0.1))
    assert found.upper.high - found.upper.value == pytest.approx(found.upper.value - found.upper.low)
    # Student's 2.12 of 16 degrees of freedom, times 38.8 and the square root of 1/17 + 1.96^2/32.
    assert found.upper.high - found.upper.value == pytest.approx(34.76, abs=0.1)


def test_one_case_has_a_mean_without_interval_and_no_limits_of_agreement():
    assert agreement([3.0]) is None
    assert mean_of([3.0]).value == 3.0 and math.isnan(mean_of([3.0]).low)
    assert mean_of([None]) is None


@pytest.mark.parametrize("flip", [False, True])
def test_slices_are_missed_at_the_feet_and_the_head_end_however_the_ct_is_stored(flip):
    direction = (1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0 if flip else 1.0)
    volume = Volume(np.zeros((10, 8, 8), np.int16), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0), direction)
    reference, mask = np.zeros((10, 8, 8), bool), np.zeros((10, 8, 8), np.uint8)
    reference[2:8, 2:6, 2:6] = True
    mask[3:9, 2:6, 2:6] = 1  # one short at the low end, one beyond the high one

    found = agreement_figures(mask, reference, volume, 2.0)

    low, high = ("head", "feet") if flip else ("feet", "head")
    ends = vars(found["ends"])
    assert {name for name, count in ends.items() if count} == {f"missed_{low}", f"extra_{high}"}
    assert (found["slices_missed"], found["slices_extra"], found["slices"]) == (1, 1, 6)
    assert found["dsc"] == pytest.approx(5 / 6, abs=1e-5)


def test_volumes_are_in_ml_and_their_difference_in_percent_of_the_mean_of_both():
    volume = Volume(np.zeros((10, 8, 8), np.int16), (2.0, 2.0, 3.0))
    nothing, reference = np.zeros((10, 8, 8), np.uint8), np.zeros((10, 8, 8), bool)
    reference[2:8, 2:6, 2:6] = True  # 96 voxels of 0.012 mL

    half = agreement_figures(np.where(np.arange(10)[:, None, None] < 5, reference, 0), reference, volume, 2.0)
    assert (half["reference_ml"], half["volume_ml"], half["difference_ml"]) == (1.152, 0.576, -0.576)
    assert half["difference_percent"] == -66.667
    missed = agreement_figures(nothing, reference, volume, 2.0)
    assert (missed["difference_percent"], missed["hd95_mm"], missed["ends"]) == (-200.0, None, None)
    neither = agreement_figures(nothing, nothing > 0, volume, 2.0)
    assert neither["difference_percent"] is None and neither["added_path_share"] is None


def test_surface_dice_and_added_path_go_by_the_sites_tolerance():
    volume = Volume(np.zeros((3, 20, 20), np.int16), (2.0, 2.0, 3.0))
    reference, mask = np.zeros((3, 20, 20), bool), np.zeros((3, 20, 20), bool)
    reference[1, 5:15, 5:15] = True
    mask[1, 7:13, 7:13] = True  # 2 pixels, 4 mm smaller on every side

    assert surface_dice(mask, reference, volume, 2) == pytest.approx(compare(mask, reference, volume).surface_dice_2mm)
    assert surface_dice(mask, reference, volume, 6) == 1
    whole = 36 * 2.0
    assert added_path_length(mask, reference, volume).sum() == whole
    assert added_path_length(mask, reference, volume, 3.9).sum() == whole
    # All but the corners' pixels, which are farther than 4 mm: at each corner 2 on both sides of it.
    assert added_path_length(mask, reference, volume, 4.0).sum() == whole - 24 * 2.0
    assert added_path_length(mask, reference, volume, 6.0).sum() == 0
    assert added_path_length(np.zeros_like(mask), reference, volume, 6.0).sum() == whole


def test_the_worst_slices_lie_apart_and_are_counted_as_stored():
    shape = (20, 30, 30)
    hu = np.random.default_rng(0).integers(-100, 100, shape).astype(np.int16)
    reference, mask = np.zeros(shape, bool), np.zeros(shape, np.uint8)
    reference[2:18, 10:20, 10:20] = True
    mask[2:18, 10:20, 10:20] = 1
    for index, side in ((5, 4), (6, 3), (13, 2)):  # so many pixels too wide
        mask[index, 10 - side : 20 + side, 10 - side : 20 + side] = 1

    found = []
    for flip in (False, True):
        direction = (1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0 if flip else 1.0)
        order = slice(None, None, -1 if flip else 1)
        volume = Volume(np.ascontiguousarray(hu[order]), (2.0, 2.0, 3.0), (0.0, 0.0, 0.0), direction)
        made = Outlined(mask[order].copy(), reference[order].copy(), device="cpu", precision="fp32")
        found.append(worst_slices("a", made, volume=volume, window=(-160, 240)))

    assert [one.picture.caption for one in found[0]] == ["axial, slice 5", "axial, slice 13"]
    assert [one.picture.caption for one in found[1]] == ["axial, slice 14", "axial, slice 6"]
    assert [one.picture.png for one in found[0]] == [one.picture.png for one in found[1]]
    assert found[0][0].added_path_length_mm == (36 + 18 * 4 - 4) * 2.0
