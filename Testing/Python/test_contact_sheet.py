"""The picture of a result: which slices it shows, and that it is drawn whatever the storage order."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import make_bundle
from contact_sheet import _slices, write_contact_sheet
from phantoms import phantom

from GTVAutoSegLib import load_model

NOTHING = np.zeros((60, 4, 4), bool)


def block(first: int, last: int) -> np.ndarray:
    mask = NOTHING.copy()
    mask[first : last + 1, 1:3, 1:3] = True
    return mask


def test_the_slices_span_both_outlines_and_one_more_on_either_side():
    assert _slices(block(10, 20), block(15, 25), np.ones(60, bool))[[0, -1]].tolist() == [9, 26]


def test_without_an_outline_the_picked_slices_are_shown():
    picked = np.zeros(60, bool)
    picked[30:33] = True
    assert _slices(NOTHING, None, picked).tolist() == [29, 30, 31, 32, 33]


def test_with_nothing_found_the_whole_scan_is_shown():
    chosen = _slices(NOTHING, NOTHING, np.zeros(60, bool))
    assert chosen[[0, -1]].tolist() == [0, 59] and len(chosen) == 18


@pytest.mark.parametrize("feet_first", [False, True])
def test_the_picture_is_drawn_for_either_slice_order(tmp_path, feet_first):
    from matplotlib.image import imread

    direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0 if feet_first else 1.0)
    volume = phantom(direction=direction)
    result = load_model(make_bundle(tmp_path / "everywhere", bias=50.0), device="cpu").segment(volume)
    write_contact_sheet(tmp_path / "sheet.png", volume, result, (-160, 240), "a phantom", result.mask)
    picture = imread(tmp_path / "sheet.png")
    assert picture.shape[1] > 1000
    # Outlines are the only coloured lines on grey slices.
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    assert ((red > 0.9) & (green < 0.5) & (blue < 0.5)).sum() > 100
