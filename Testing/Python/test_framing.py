"""What of a slice pictures show: the body, in the proportions of the whole slice."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import phantom

from GTVAutoSegLib.report.framing import body_frame
from GTVAutoSegLib.report.pictures import OUTLINE, draw, encode_png, thumbnail

WINDOW = (-160.0, 240.0)
AIR, WATER = -1000, 0


def scan(*bodies: tuple[slice, slice], shape=(200, 240)) -> np.ndarray:
    """One slice (1, y, x) of air with rectangles of water."""
    hu = np.full((1, *shape), AIR, np.int16)
    for body in bodies:
        hu[(0, *body)] = WATER
    return hu


def frame_of(hu: np.ndarray, tumour: tuple[slice, slice] | None = None, spacing=(2.0, 2.0)) -> tuple[int, ...]:
    mask = np.zeros(hu.shape, bool)
    if tumour is not None:
        mask[(0, *tumour)] = True
    rows, columns = body_frame(hu, mask, spacing)
    return rows.start, rows.stop, columns.start, columns.stop


HEAD = (slice(80, 120), slice(100, 130))


def test_a_head_in_a_wide_field_fills_the_frame_which_keeps_the_slice_s_proportions():
    top, bottom, left, right = frame_of(scan(HEAD))
    assert top <= 73 and bottom >= 127 and left <= 93 and right >= 137  # 15 mm on each side
    assert bottom - top == pytest.approx(40 + 15, abs=3)
    assert (bottom - top) / (right - left) == pytest.approx(200 / 240, abs=0.02)


def test_the_couch_is_no_body_but_the_other_leg_is():
    couch = (slice(125, 128), slice(20, 220))
    assert frame_of(scan(HEAD, couch)) == frame_of(scan(HEAD))
    legs = frame_of(scan((slice(80, 120), slice(20, 80)), (slice(90, 110), slice(160, 190))))
    assert legs[2] <= 20 and legs[3] >= 190


def test_an_outline_outside_of_the_body_is_shown():
    assert frame_of(scan(HEAD), (slice(100, 105), slice(200, 210)))[3] >= 210


def test_without_a_body_the_whole_slice_is_shown():
    assert frame_of(scan()) == (0, 200, 0, 240)


def test_a_body_beside_the_edge_does_not_push_the_frame_out_of_the_slice():
    top, bottom, left, right = frame_of(scan((slice(0, 60), slice(200, 240))))
    assert top == 0 and right == 240 and bottom > 60 and left < 200


def test_the_thumbnail_s_outline_lies_where_the_mask_does():
    volume = phantom((6, 200, 240))
    mask = np.zeros(volume.array.shape, np.uint8)
    mask[3, 95:110, 100:120] = 1
    rows, columns = body_frame(volume.array[[3]], mask[[3]] > 0, (1.0, 1.0))
    assert rows.stop - rows.start < 200
    expected = draw(volume.array[3, rows, columns], mask[3, rows, columns] > 0, (1.0, 1.0), WINDOW, 256)
    assert thumbnail(mask, volume, WINDOW) == encode_png(expected)
    red = np.argwhere(expected == OUTLINE)
    scale = 256 / (columns.stop - columns.start)
    found = [*(red.min(axis=0) / scale + (rows.start, columns.start)), *(red.max(axis=0) / scale)]
    assert found[:2] == pytest.approx([95, 100], abs=1.5)
    assert np.add(found[2:], (rows.start, columns.start)) == pytest.approx([110, 120], abs=1.5)
