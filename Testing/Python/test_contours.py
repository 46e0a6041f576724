"""Contours to masks: pixel centres, holes, planes between slices, oblique and tilted scans."""

from __future__ import annotations

import math

import numpy as np
import pytest

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.outline import filling
from GTVAutoSegLib.images.dicom.outline.filling import fill_polygons, rasterise, to_index
from GTVAutoSegLib.images.volume import Volume

SPACING = (0.9, 1.3, 2.5)
ORIGIN = (-31.0, 12.0, -140.0)


def ct(shape=(8, 40, 50), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)) -> Volume:
    return Volume(np.zeros(shape, np.int16), SPACING, ORIGIN, tuple(map(float, direction)), "ct")


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


def circle(centre: tuple[float, float], radius: float, points: int = 400) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)]).round(6)


def placed(polygon: np.ndarray, height: float, volume: Volume) -> np.ndarray:
    """A polygon in pixels on a slice, as LPS points in mm."""
    index = np.column_stack([polygon, np.full(len(polygon), height)])
    axes = np.reshape(volume.direction, (3, 3)) * volume.spacing
    return index @ axes.T + volume.origin


def rotation(degrees: float) -> np.ndarray:
    """About an axis that is none of the patient's."""
    axis = np.array([1.0, 2.0, 0.5]) / np.linalg.norm([1.0, 2.0, 0.5])
    angle = math.radians(degrees)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def test_a_pixel_belongs_to_the_mask_when_its_centre_lies_inside():
    mask = fill_polygons([box(1.6, 2.4, 4.4, 5.6)], (8, 8))

    expected = np.zeros((8, 8), bool)
    expected[3:6, 2:5] = True
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize("polygon", [circle((20.3, 15.8), 9.7), circle((20.3, 15.8), 9.7)[::-1]])
def test_a_circle_is_filled_exactly_whichever_way_it_is_walked(polygon):
    mask = fill_polygons([polygon], (32, 40))

    y, x = np.indices((32, 40))
    distance = np.hypot(x - 20.3, y - 15.8)
    # The chords of 400 points lie at most 0.0003 pixels inside the circle.
    clear = abs(distance - 9.7) > 0.001
    assert np.array_equal(mask[clear], (distance < 9.7)[clear])


def test_an_explicitly_closed_polygon_is_the_same_polygon():
    polygon = circle((8.2, 8.1), 5)
    closed = np.vstack([polygon, polygon[:1]])
    assert np.array_equal(fill_polygons([closed], (16, 16)), fill_polygons([polygon], (16, 16)))


def test_two_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out():
    left, right = (fill_polygons([polygon], (9, 9)) for polygon in (box(1, 1, 4, 7), box(4, 1, 7, 7)))

    assert not (left & right).any()
    assert np.array_equal(left | right, fill_polygons([box(1, 1, 7, 7)], (9, 9)))
    assert left.sum() + right.sum() == 36


def test_an_inner_contour_cuts_a_hole_and_one_inside_the_hole_fills_again():
    rings = [circle((15.5, 15.5), radius) for radius in (14, 9, 4)]
    mask = fill_polygons(rings, (32, 32))

    filled = [fill_polygons([ring], (32, 32)) for ring in rings]
    assert np.array_equal(mask, (filled[0] & ~filled[1]) | filled[2])


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.37])
def test_a_keyhole_is_the_same_hole_and_its_channel_leaves_no_trace(shift):
    outer, inner = circle((15.2, 15.3), 13), circle((15.2, 15.3), 6)[::-1]
    outer, inner = outer + shift, inner + shift
    # Walks the outer ring, crosses to the inner one, walks that backwards, and returns by the very same way.
    start = np.argmin(inner[:, 0])
    inner = np.roll(inner, -start, axis=0)
    outer = np.roll(outer, -np.argmin(outer[:, 0]), axis=0)
    keyhole = np.vstack([outer, outer[:1], inner, inner[:1]])

    assert np.array_equal(fill_polygons([keyhole], (32, 32)), fill_polygons([outer, inner], (32, 32)))


def test_what_sticks_out_of_the_image_is_cut_off_and_the_rest_is_right():
    mask = fill_polygons([box(-5.5, -3.5, 2.5, 1.5)], (6, 6))

    expected = np.zeros((6, 6), bool)
    expected[:2, :3] = True
    assert np.array_equal(mask, expected)


def test_points_become_voxel_coordinates_in_an_oblique_scan():
    volume = ct(direction=rotation(25).ravel())
    index = np.array([[0, 0, 0], [3.25, 7.5, 2], [49, 39, 7]])
    axes = np.reshape(volume.direction, (3, 3)) * volume.spacing

    assert to_index(index @ axes.T + volume.origin, volume) == pytest.approx(index, abs=1e-9)


DIRECTIONS = {
    "axial": np.eye(3),
    "feet first": np.diag([-1, 1, -1]),
    "sagittal": np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]]),
    "oblique": rotation(25),
    "tilted gantry": np.array([[1, 0, 0], [0, 1, math.sin(0.3)], [0, 0, math.cos(0.3)]]),
}


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_every_orientation_of_the_scan_gives_the_same_voxels(direction):
    volume = ct(direction=direction.ravel())
    polygons = {2: [circle((20.3, 18.1), 9)], 3: [circle((20.3, 18.1), 9), circle((20, 18), 4)], 5: [box(3, 3, 9, 9)]}
    contours = [placed(polygon, height, volume) for height, group in polygons.items() for polygon in group]

    raster = rasterise(contours, volume)

    for index in range(8):
        expected = fill_polygons(polygons[index], (40, 50)) if index in polygons else np.zeros((40, 50), bool)
        assert np.array_equal(raster.mask[index], expected)
    assert (raster.outside, raster.unused) == (0, 0)


def test_a_contour_between_slices_is_drawn_on_the_nearest_one():
    volume = ct()
    raster = rasterise([placed(box(5, 5, 9, 9), height, volume) for height in (1.4, 3.7)], volume)

    assert np.flatnonzero(raster.mask.any(axis=(1, 2))).tolist() == [1, 4]


@pytest.mark.parametrize("noise", [-1e-4, 0.0, 1e-4])
def test_contours_halfway_between_slices_all_go_the_same_way(noise):
    volume = ct()
    heights = [1.5 + noise, 2.5 - noise, 3.5 + noise]
    raster = rasterise([placed(box(5, 5, 9, 9), height, volume) for height in heights], volume)

    assert np.flatnonzero(raster.mask.any(axis=(1, 2))).tolist() == [1, 2, 3]
    assert raster.unused == 0


def test_of_several_planes_near_one_slice_the_closest_is_drawn_and_the_others_are_counted():
    # Structures of a 1 mm scan on a 2.5 mm scan: taken together, planes would cancel where they overlap.
    volume = ct()
    polygons = {2.6: box(5, 5, 9, 9), 3.05: box(5, 5, 19, 19), 3.4: box(5, 5, 29, 29)}
    raster = rasterise([placed(polygon, height, volume) for height, polygon in polygons.items()], volume)

    assert np.array_equal(raster.mask[3], fill_polygons([polygons[3.05]], (40, 50)))
    assert raster.mask.sum() == raster.mask[3].sum()
    assert raster.unused == 2


def test_the_order_of_the_contours_does_not_matter():
    volume = ct()
    contours = [placed(circle((20, 20), radius), 3, volume) for radius in (12, 7, 3)]
    contours += [placed(circle((20, 20), 5), height, volume) for height in (2.8, 5.0)]

    masks = [rasterise(order, volume).mask for order in (contours, contours[::-1])]

    assert np.array_equal(*masks)


def test_a_contour_that_comes_twice_does_not_cancel_itself():
    volume = ct()
    contour = placed(circle((20, 20), 8), 3, volume)

    assert np.array_equal(rasterise([contour, contour.copy()], volume).mask, rasterise([contour], volume).mask)


def test_pairs_of_contours_that_lie_apart_are_not_compared_pixel_by_pixel(monkeypatch):
    """Of many parts on a plane there are more pairs than anybody wants to wait for."""
    looks = []
    look = filling.cut_out
    monkeypatch.setattr(filling, "cut_out", lambda *given: (looks.append(given), look(*given))[1])
    volume = ct()
    corners = [(x, y) for x in range(3, 40, 8) for y in range(3, 30, 8)]
    apart = [placed(box(x, y, x + 4, y + 4), 3, volume) for x, y in corners]
    assert rasterise(apart, volume).mask.sum() == 16 * len(corners) and looks == []
    raster = rasterise([*apart, placed(box(5, 5, 9, 9), 3, volume)], volume)
    assert raster.joined == 2 and looks


def test_contours_beyond_the_scan_are_counted():
    volume = ct()
    places = [(box(5, 5, 9, 9), 2), (box(5, 5, 9, 9), 9), (box(5, 5, 9, 9), -3), (box(70, 5, 80, 9), 2)]
    raster = rasterise([placed(polygon, height, volume) for polygon, height in places], volume)

    assert raster.outside == 3
    assert raster.mask.sum() == raster.mask[2].sum() == 16


def test_contours_on_every_second_slice_say_so():
    volume = ct()
    assert rasterise([placed(box(5, 5, 9, 9), height, volume) for height in (1, 3, 5, 7)], volume).step == 2
    assert rasterise([placed(box(5, 5, 9, 9), height, volume) for height in (1, 2, 3, 7)], volume).step == 1


def test_a_contour_across_the_slices_is_refused():
    volume = ct()
    points = placed(box(5, 5, 9, 9), 2, volume)
    points[2:, 2] += 4

    with pytest.raises(InputError, match=r"spans 1\.6 slices"):
        rasterise([points], volume)


def test_no_contour_is_an_empty_mask():
    raster = rasterise([], ct())
    assert not raster.mask.any()
    assert raster.step == 1


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("closed", [False, True])
def test_a_contour_drawn_twice_counts_once_wherever_it_begins_and_whichever_way_it_runs(start, way, closed):
    volume = ct()
    first = placed(circle((20, 20), 8), 3, volume)
    again = np.roll(first, start, axis=0)[::way]
    again = np.vstack([again, again[:1]]) if closed else again

    raster = rasterise([first, again], volume)

    assert np.array_equal(raster.mask, rasterise([first], volume).mask)
    assert (raster.twice, raster.joined) == (1, 0)


def test_contours_that_overlap_are_joined_not_cut_from_each_other():
    volume = ct()
    contours = [placed(box(*sides), 3, volume) for sides in ((5, 5, 15, 15), (10, 10, 22, 22), (30, 30, 35, 35))]

    raster = rasterise(contours, volume)

    union = np.any([rasterise([contour], volume).mask for contour in contours], axis=0)
    assert np.array_equal(raster.mask, union)
    assert raster.joined == 2


def test_a_contour_drawn_again_half_a_pixel_beside_is_joined():
    volume = ct()
    contours = [placed(circle((20.0 + shift, 20), 8), 3, volume) for shift in (0, 0.6)]
    union = np.any([rasterise([contour], volume).mask for contour in contours], axis=0)
    assert np.array_equal(rasterise(contours, volume).mask, union)


def test_a_hole_whose_edge_is_rounded_over_that_of_its_region_is_still_a_hole():
    volume = ct()
    raster = rasterise([placed(box(5, 5, 25, 25), 3, volume), placed(box(10, 4.4, 15, 15), 3, volume)], volume)

    assert raster.joined == 0
    assert not raster.mask[3, 6:14, 11:14].any()
    assert raster.mask[3].sum() > 200


def test_a_ring_one_pixel_thick_keeps_its_hole():
    volume = ct()
    raster = rasterise([placed(box(4.5, 4.5, 7.5, 7.5), 3, volume), placed(box(5.5, 5.5, 6.5, 6.5), 3, volume)], volume)

    assert (raster.mask.sum(), raster.joined) == (8, 0)


def test_contours_said_to_cut_each_other_do():
    volume = ct()
    contours = [placed(box(*sides), 3, volume) for sides in ((5, 5, 15, 15), (10, 10, 22, 22))]
    masks = [rasterise([contour], volume).mask for contour in contours]

    assert np.array_equal(rasterise(contours, volume, exclusive=True).mask, masks[0] ^ masks[1])


def test_slices_without_contours_inside_a_region_are_listed():
    volume = ct()
    contours = [placed(box(5, 5, 9, 9), height, volume) for height in (1, 2, 3, 6, 7)]
    assert rasterise(contours, volume).gaps == (4, 5)
    assert rasterise(contours[:3], volume).gaps == ()


def test_how_far_contours_lie_beside_their_slices_is_measured():
    volume = ct()
    contours = [placed(box(5, 5, 9, 9), height, volume) for height in (1.3, 2.3)]
    assert rasterise(contours, volume).moved == pytest.approx(0.3)
