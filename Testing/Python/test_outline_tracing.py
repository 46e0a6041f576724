from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from GTVAutoSegLib.images.dicom.outline import tracing
from GTVAutoSegLib.images.dicom.outline.fields import smoothed_distance
from GTVAutoSegLib.images.dicom.outline.filling import fill_polygons


def pixels(plane: np.ndarray) -> list[np.ndarray]:
    return tracing.trace(plane)


def smooth(plane: np.ndarray) -> list[np.ndarray]:
    return tracing.trace(plane, smoothed_distance(plane))


def thinned(plane: np.ndarray) -> list[np.ndarray]:
    """To a tenth of a pixel along x, and a quarter along y."""
    return tracing.trace(plane, smoothed_distance(plane), (0.1, 0.25))


def thinned_far(plane: np.ndarray) -> list[np.ndarray]:
    """As far as the pixels allow."""
    return tracing.trace(plane, smoothed_distance(plane), (3, 3))


WAYS = pytest.mark.parametrize("trace", [pixels, smooth, thinned, thinned_far])


def picture(*rows: str) -> np.ndarray:
    return np.array([[mark == "#" for mark in row] for row in rows])


RING = picture(
    ".........",
    ".#######.",
    ".#.....#.",
    ".#.###.#.",
    ".#.#.#.#.",
    ".#.###.#.",
    ".#.....#.",
    ".#######.",
    ".........",
)
PICTURES = {
    "one pixel": picture("...", ".#.", "..."),
    "all pixels": picture("####", "####", "####"),
    "one row": picture("#####"),
    "one column": picture("#", "#", "#"),
    "touching every border": picture(".#.", "###", ".#."),
    "diagonal": picture("#...", ".#..", "..#.", "...#"),
    "other diagonal": picture("..#", ".#.", "#.."),
    "chessboard": np.indices((7, 8)).sum(axis=0) % 2 == 1,
    "island in a hole": RING,
    "hole open at a corner": picture("#####", "#...#", "#...#", "###.#", "####."),
    "holes in a row": picture("########", "#.#.#.##", "########"),
    "holes at a corner": picture("######", "##.###", "###.##", "##.###", "######"),
    "hole beside the border": picture("####", "#.##", "####"),
    "wide holes in a row": picture("#########", "#..#..###", "#.##.####", "#########"),
    "hole right of a bay": picture("########", "..###.##", "########"),
}


def blobs(seed: int, share: float, smoothness: float, shape=(40, 50)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), smoothness)
    return noise > np.quantile(noise, 1 - share)


def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def parts_and_holes(plane: np.ndarray) -> tuple[int, int]:
    """Parts joined by an edge; holes joined by an edge or a corner, the outside left aside."""
    return ndimage.label(plane)[1], ndimage.label(np.pad(~plane, 1, constant_values=True), np.ones((3, 3)))[1] - 1


@WAYS
@pytest.mark.parametrize("name", PICTURES)
def test_filling_the_polygons_gives_the_picture_back(name, trace):
    np.testing.assert_array_equal(fill_polygons(trace(PICTURES[name]), PICTURES[name].shape), PICTURES[name])


@WAYS
@pytest.mark.parametrize("smoothness", [0, 0.7, 1.5, 4])
@pytest.mark.parametrize("share", [0.03, 0.3, 0.5, 0.7, 0.97])
def test_filling_the_polygons_gives_any_shape_back(share, smoothness, trace):
    for seed in range(3):
        plane = blobs(seed, share, smoothness)
        np.testing.assert_array_equal(fill_polygons(trace(plane), plane.shape), plane)


@pytest.mark.parametrize("trace", [pixels, smooth])
@pytest.mark.parametrize("smoothness", [0, 0.7, 1.5])
def test_each_part_is_one_polygon_and_each_hole_one_keyhole(smoothness, trace):
    for share in (0.4, 0.6, 0.8, 0.95):
        plane = blobs(7, share, smoothness)
        parts, holes = parts_and_holes(plane)
        polygons = trace(plane)
        assert len(polygons) == parts
        points = np.concatenate(polygons)
        # A slit's two ends are walked over twice; nothing else is, within a polygon or between two of them.
        assert len(points) - len(np.unique(points, axis=0)) == 2 * holes


@WAYS
@pytest.mark.parametrize("smoothness", [0, 0.7, 1.5])
def test_polygons_of_a_plane_do_not_overlap_so_that_uniting_them_gives_the_same(smoothness, trace):
    plane = blobs(3, 0.6, smoothness)
    total = sum(fill_polygons([polygon], plane.shape).astype(int) for polygon in trace(plane))
    np.testing.assert_array_equal(total, plane)


def test_an_outline_turns_right_and_its_area_is_that_of_its_pixels_less_half_a_pixel():
    plane = blobs(2, 0.6, 1.5)
    parts, holes = parts_and_holes(plane)
    areas = [area(polygon) for polygon in pixels(plane)]
    assert min(areas) > 0
    assert sum(areas) == pytest.approx(plane.sum() - parts / 2 + holes / 2)


def test_pixels_that_touch_at_a_corner_are_kept_apart():
    first, second = pixels(picture("#.", ".#"))
    assert not {tuple(point) for point in first} & {tuple(point) for point in second}


def test_points_on_straight_pieces_are_left_out():
    (polygon,) = pixels(np.ones((30, 40), bool))
    assert len(polygon) == 8
    assert polygon.min(axis=0).tolist() == [-0.5, -0.5]
    assert polygon.max(axis=0).tolist() == [39.5, 29.5]


def test_a_slit_runs_between_rows_of_pixel_centres_and_is_walked_there_and_back():
    (polygon,) = pixels(picture("#####", "#####", "##.##", "#####"))
    edges = {(*start, *end) for start, end in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist())}
    twice = {edge for edge in edges if (*edge[2:], *edge[:2]) in edges}
    assert twice == {(-0.5, 1.5, 2.0, 1.5), (2.0, 1.5, -0.5, 1.5)}


def test_centres_of_pixels_keep_their_distance_from_the_outline():
    for seed in range(3):
        plane = blobs(seed, 0.5, 0.7, (12, 14))
        centres = np.argwhere(np.ones_like(plane))[:, ::-1].astype(float)
        for polygon in pixels(plane):
            start, end = polygon[:, None], np.roll(polygon, -1, axis=0)[:, None]
            along = end - start
            fraction = np.clip(((centres - start) * along).sum(-1) / (along**2).sum(-1), 0, 1)
            distance = np.linalg.norm(centres - (start + fraction[..., None] * along), axis=-1)
            assert distance.min() > 0.35


def test_an_empty_plane_has_no_polygon():
    assert pixels(np.zeros((5, 6), np.uint8)) == []


def meeting(polygons: list[np.ndarray]) -> int:
    """How many pairs of edges cross, those that share an end left aside."""
    edges = [pair for one in polygons for pair in zip(one.tolist(), np.roll(one, -1, axis=0).tolist())]

    def side(a, b, c) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    return sum(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for (a, b), (c, d) in combinations(edges, 2)
        if not {tuple(a), tuple(b)} & {tuple(c), tuple(d)}
    )


@pytest.mark.parametrize("trace", [smooth, thinned, thinned_far])
def test_no_outline_meets_another_or_itself_however_far_it_is_thinned(trace):
    for plane in (blobs(4, 0.6, 0.7, (16, 18)), PICTURES["chessboard"], PICTURES["holes at a corner"]):
        assert meeting(trace(plane)) == 0


def ball(radius: float = 12.0, size: int = 33) -> np.ndarray:
    return np.hypot(*(np.indices((size, size)) - size // 2)) <= radius


def test_a_smooth_outline_of_a_disc_is_round_has_its_area_and_no_sharp_turns():
    (polygon,) = thinned(ball())
    radii = np.hypot(*(polygon - 16).T)
    assert np.abs(radii - 12).max() < 0.5
    assert area(polygon) == pytest.approx(ball().sum(), rel=0.01)
    along = np.roll(polygon, -1, axis=0) - polygon
    turns = np.degrees(np.abs(np.diff(np.unwrap(np.arctan2(*along.T)))))
    assert np.mean(turns >= 45) <= 0.02
    assert np.median(turns) < 20


def test_thinning_moves_an_outline_no_further_than_its_tolerance_and_saves_points():
    plane, counts = blobs(1, 0.4, 1.5), []
    for all_points, fewer in zip(smooth(plane), tracing.trace(plane, smoothed_distance(plane), (0.1, 0.1))):
        start, end = fewer[:, None], np.roll(fewer, -1, axis=0)[:, None]
        along = end - start
        share = np.clip(((all_points - start) * along).sum(-1) / (along**2).sum(-1), 0, 1)
        assert np.linalg.norm(all_points - start - share[..., None] * along, axis=-1).min(axis=0).max() < 0.1 + 1e-9
        counts.append((len(all_points), len(fewer)))
    before, after = np.sum(counts, axis=0)
    assert after < 0.7 * before


def test_outlines_follow_the_level_of_a_field_between_pixels():
    x = np.indices((9, 30))[1]
    field = 10.3 - x
    (polygon,) = tracing.trace(field > 0, field)
    assert polygon[:, 0].max() == pytest.approx(10.3)
    far = np.where(field > 0, 1e-6, -1.0)  # a centre almost on the outline keeps its distance
    (polygon,) = tracing.trace(field > 0, far)
    assert polygon[:, 0].max() == pytest.approx(10.1)
