"""Boxes in the patient and the voxels in them."""

import json

import numpy as np
import pytest

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.region import IndexBox, Region
from GTVAutoSegLib.images.volume import Volume

TURNED_30 = tuple(np.round([np.cos(0.5236), -np.sin(0.5236), 0, np.sin(0.5236), np.cos(0.5236), 0, 0, 0, 1], 6))
TILTED_GANTRY = (1, 0, 0, 0, 1, 0.342, 0, 0, 0.94)


def ct(direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), shape=(10, 20, 30)) -> Volume:
    return Volume(np.zeros(shape, np.int16), (2.0, 1.0, 3.0), (-10.0, 5.0, 100.0), tuple(map(float, direction)), "ct")


def roi(path, **changes):
    markup = {"type": "ROI", "coordinateSystem": "LPS", "center": [10, 15, 112], "size": [8, 6, 12], **changes}
    path.write_text(json.dumps({"markups": [markup]}))
    return path


def test_a_box_holds_the_voxels_whose_centres_lie_in_it():
    box = Region.of_numbers([-6.5, -1.5, 7, 9.4, 103, 106]).index_box(ct())
    assert box == IndexBox((1, 2, 2), (3, 5, 5))


def test_a_box_is_six_numbers_wherever_they_come_from():
    assert Region.of_words(["-1", "2", "3", "4", "5", "6.5"]) == Region.of_numbers([-1, 2, 3, 4, 5, 6.5])
    with pytest.raises(InputError, match="the box has 5 numbers; expected XMIN XMAX"):
        Region.of_numbers([1, 2, 3, 4, 5])
    with pytest.raises(InputError, match="the box is '1 2 left'; expected XMIN XMAX"):
        Region.of_words(["1", "2", "left"])


def test_a_box_is_cut_to_the_ct():
    assert Region.of_numbers([-500, 500, 6, 7, -500, 101]).index_box(ct()) == IndexBox((0, 1, 0), (1, 3, 30))


@pytest.mark.parametrize(
    "direction",
    [
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
        (-1, 0, 0, 0, 1, 0, 0, 0, -1),
        (0, 0, 1, 1, 0, 0, 0, 1, 0),
        (0, 0, -1, 1, 0, 0, 0, -1, 0),
        TURNED_30,
        TILTED_GANTRY,
    ],
)
def test_the_box_of_some_voxels_leads_back_to_them_in_every_axis_order(direction):
    volume = ct(direction)
    shape = np.array([volume.array.shape[axis] for axis in volume.axial.axes])
    box = IndexBox((1, 2, 3), tuple(int(size) - 2 for size in shape))
    assert Region.of_indices(box, volume).index_box(volume) == box


def test_a_box_around_voxels_lies_where_they_lie():
    region = Region.of_indices(IndexBox((0, 0, 0), (1, 1, 1)), ct())
    assert (region.lower, region.upper) == ((-11.0, 4.5, 98.5), (-9.0, 5.5, 101.5))


def test_a_turned_box_counts_by_its_extent_along_the_axes_of_the_ct(tmp_path):
    turned = Region.read(roi(tmp_path / "r.mrk.json", orientation=[0, -1, 0, 1, 0, 0, 0, 0, 1]))
    lower, upper = turned.corners.min(0), turned.corners.max(0)
    assert np.allclose(lower, (7, 11, 106)) and np.allclose(upper, (13, 19, 118))
    untilted = ct(TURNED_30)
    aligned = Region.read(roi(tmp_path / "a.mrk.json", center=[0, 20, 112], orientation=list(TURNED_30)))
    size = np.subtract(aligned.index_box(untilted).upper, aligned.index_box(untilted).lower)
    assert (abs(size - (4, 6, 4)) <= 1).all()


def test_slicers_markups_in_either_coordinate_system_are_the_same_box(tmp_path):
    ours = Region.read(roi(tmp_path / "lps.mrk.json"))
    turned_by_half = roi(tmp_path / "ras.mrk.json", coordinateSystem="RAS", center=[-10, -15, 112])
    assert np.allclose(ours.corners.min(0), (6, 12, 106)) and np.allclose(ours.corners.max(0), (14, 18, 118))
    assert np.allclose(Region.read(turned_by_half).corners.min(0), ours.corners.min(0))


def test_a_wider_box_is_wider_on_every_side():
    wide = Region.of_numbers([0, 1, 2, 3, 4, 5]).widened(10)
    assert (wide.lower, wide.upper) == ((-10.0, -8.0, -6.0), (11.0, 13.0, 15.0))


@pytest.mark.parametrize("numbers", [[0, 0, 0, 1, 0, 1], [1, 0, 0, 1, 0, 1], [0, 1, 0, float("nan"), 0, 1], [0, 1, 2]])
def test_a_box_of_no_size_is_refused(numbers):
    with pytest.raises(InputError, match="expected"):
        Region.of_numbers(numbers)


def test_a_box_beside_the_ct_is_refused_and_both_places_are_named():
    with pytest.raises(InputError, match="x 900 to 950.*x -11 to 49.*overlaps"):
        Region.of_numbers([900, 950, 7, 9, 103, 106]).index_box(ct())


@pytest.mark.parametrize(
    "text", ["", "{}", '{"markups": []}', '{"markups": [{"type": "ROI"}]}', '{"markups": [{"type": "Fiducial"}]}']
)
def test_a_file_without_a_box_is_refused_by_name(tmp_path, text):
    path = tmp_path / "wrong.mrk.json"
    path.write_text(text)
    with pytest.raises(InputError, match="wrong.mrk.json.*expected a Markups file"):
        Region.read(path)


@pytest.mark.parametrize("orientation", [[0] * 9, [2, 0, 0, 0, 2, 0, 0, 0, 2], TILTED_GANTRY])
def test_a_box_whose_axes_are_not_at_right_angles_is_refused(tmp_path, orientation):
    with pytest.raises(InputError, match="skew.mrk.json holds no box .*no unit vectors at right angles"):
        Region.read(roi(tmp_path / "skew.mrk.json", orientation=orientation))


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="away.mrk.json cannot be read"):
        Region.read(tmp_path / "away.mrk.json")


def test_the_smallest_box_around_a_mask_and_all_of_it_when_it_is_empty():
    mask = np.zeros((4, 5, 6), bool)
    assert IndexBox.around(mask) == IndexBox((0, 0, 0), (4, 5, 6))
    mask[1:3, 2, 4] = True
    assert IndexBox.around(mask).slices == (slice(1, 3), slice(2, 3), slice(4, 5))
