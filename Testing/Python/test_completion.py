"""Completing a volume from drawn slices: by interpolation, and by a tiny completer."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import make_completer
from phantoms import phantom

from GTVAutoSegLib.cascade.completion.complete import complete
from GTVAutoSegLib.cascade.completion.completer import load_completer
from GTVAutoSegLib.cascade.completion.ends import run_around
from GTVAutoSegLib.cascade.completion.interpolation import signed_distance
from GTVAutoSegLib.cascade.completion.neighbours import Anchor, neighbours_of
from GTVAutoSegLib.cascade.person import ends, inside
from GTVAutoSegLib.errors import Cancelled, InputError, ModelError
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.model.completer import read_completer

SHAPE = (12, 40, 48)
OBLIQUE = (0.98, 0.17, 0.1, -0.17, 0.98, 0.02, -0.1, -0.03, 0.99)


def cone(shape=SHAPE) -> np.ndarray:
    """A tumour, bool (z, y, x), on slices 2 to 9, widest on slice 4."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    radius = np.where(z < 5, 3 + z, 12 - z)
    return ((y - 18) ** 2 + (x - 22) ** 2 <= radius**2) & (z >= 2) & (z <= 9)


def only(mask: np.ndarray, *slices: int) -> np.ndarray:
    drawn = np.zeros_like(mask)
    drawn[list(slices)] = mask[list(slices)]
    return drawn


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a.astype(bool) & b.astype(bool)).sum() / (a.astype(bool).sum() + b.astype(bool).sum()))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return load_completer(make_completer(tmp_path_factory.mktemp("completers") / "tiny"), "cpu")


@pytest.fixture(scope="module")
def greedy(tmp_path_factory):
    """Outlines all of its square, on every slice."""
    return load_completer(make_completer(tmp_path_factory.mktemp("completers") / "greedy", correction=50.0), "cpu")


@pytest.fixture(scope="module")
def shy(tmp_path_factory):
    """Outlines nothing."""
    return load_completer(make_completer(tmp_path_factory.mktemp("completers") / "shy", correction=-50.0), "cpu")


def test_three_drawn_slices_become_the_tumour_and_stay_as_they_are():
    truth = cone()
    result = complete(phantom(SHAPE), only(truth, 2, 4, 9))
    assert dice(result.mask, truth) > 0.9
    assert result.mask.dtype == np.uint8 and set(np.unique(result.mask)) == {0, 1}
    assert np.array_equal(result.mask[[2, 4, 9]], truth[[2, 4, 9]])
    assert not result.mask[[0, 1, 10, 11]].any()
    assert (result.method, result.first, result.last, result.drawn) == ("interpolation", 2, 9, (2, 4, 9))


def test_what_lies_on_slices_that_were_not_drawn_is_not_looked_at():
    truth = cone()
    drawn = only(truth, 2, 4, 9)
    other = drawn.copy()
    other[6, :5] = True
    other[11] = True
    with_rest = complete(phantom(SHAPE), other, drawn=[9, 2, 4])
    assert np.array_equal(with_rest.mask, complete(phantom(SHAPE), drawn).mask)


def test_named_ends_are_where_the_outline_ends():
    truth = cone()
    result = complete(phantom(SHAPE), only(truth, 5), first=2, last=9)
    shown = np.flatnonzero(result.mask.any(axis=(1, 2)))
    assert (shown[0], shown[-1]) == (2, 9)
    areas = result.mask.sum(axis=(1, 2))
    assert all(areas[i] <= areas[i + 1] for i in range(2, 5)) and all(areas[i] >= areas[i + 1] for i in range(5, 9))


def test_parts_and_holes_are_kept():
    z, y, x = np.ogrid[tuple(slice(n) for n in SHAPE)]
    two = ((y - 10) ** 2 + (x - 12) ** 2 <= 30) | ((y - 28) ** 2 + (x - 34) ** 2 <= 30)
    ring = ((y - 20) ** 2 + (x - 24) ** 2 <= 200) & ((y - 20) ** 2 + (x - 24) ** 2 >= 30)
    for shape in (two & (z >= 0), ring & (z >= 0)):
        result = complete(phantom(SHAPE), only(shape, 2, 9))
        assert np.array_equal(result.mask[2:10].astype(bool), shape[2:10])


def test_a_drawn_slice_that_is_empty_stays_empty():
    truth = cone()
    result = complete(phantom(SHAPE), only(truth, 2, 3, 8, 9), drawn=[2, 3, 5, 8, 9])
    assert not result.mask[5].any()
    assert result.mask[4].any() and result.mask[7].any()
    assert result.warnings == ("slice 5 is among the drawn ones and empty: taken as without tumour",)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 3.0), (0.5, 2.0, 5.0)])
@pytest.mark.parametrize("with_network", [False, True])
def test_any_axis_order_gives_the_same_slices(tiny, spacing, with_network):
    truth = only(cone(), 2, 4, 9)
    completer = tiny if with_network else None
    upright = phantom(SHAPE, spacing)
    expected = complete(upright, truth, completer=completer)
    # The same voxels stored with x slowest, and the feet-head axis the other way round.
    turned = Volume(
        np.ascontiguousarray(upright.array[::-1].transpose(2, 0, 1)),
        (spacing[1], spacing[2], spacing[0]),
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
        "turned",
    )
    stored = np.ascontiguousarray(truth[::-1].transpose(2, 0, 1))
    result = complete(turned, stored, completer=completer)
    assert np.array_equal(result.mask.transpose(1, 2, 0)[::-1], expected.mask)
    assert result.drawn == (2, 7, 9) and (result.first, result.last) == (2, 9)


def test_an_oblique_ct_is_completed_along_its_own_slices(tiny):
    truth = only(cone(), 2, 4, 9)
    directions = np.linalg.qr(np.reshape(OBLIQUE, (3, 3)))[0]
    directions = directions * np.sign(np.diag(directions))
    oblique = phantom(SHAPE, direction=tuple(directions.ravel()))
    assert np.array_equal(
        complete(oblique, truth, completer=tiny).mask, complete(phantom(SHAPE), truth, completer=tiny).mask
    )


def test_an_untrained_completer_is_exactly_shape_interpolation(tiny):
    truth = cone()
    for drawn, named in (((2, 4, 9), {}), ((5,), {"first": 2, "last": 9}), ((3, 6), {"first": 1, "last": 10})):
        plain = complete(phantom(SHAPE), only(truth, *drawn), **named)
        network = complete(phantom(SHAPE), only(truth, *drawn), completer=tiny, **named)
        assert np.array_equal(plain.mask, network.mask)
        assert network.method == "completer" and network.completer["id"] == "tiny"


def test_the_network_changes_open_slices_only(greedy):
    truth = cone()
    result = complete(phantom(SHAPE), only(truth, 2, 4, 9), completer=greedy)
    assert np.array_equal(result.mask[[2, 4, 9]], truth[[2, 4, 9]])
    assert result.mask[6].sum() > 2 * truth[6].sum()
    assert not result.mask[[0, 1, 10, 11]].any()


def test_the_ends_are_where_the_completer_outlines_nothing_any_more(greedy, shy):
    drawn = only(cone(), 5)
    result = complete(phantom(SHAPE), drawn, find_ends=True, completer=greedy)
    assert (result.first, result.last, result.found) == (0, 11, ("first", "last"))
    result = complete(phantom(SHAPE), drawn, find_ends=True, completer=shy)
    assert (result.first, result.last) == (5, 5)
    result = complete(phantom(SHAPE), drawn, find_ends=True, first=3, completer=greedy)
    assert (result.first, result.last, result.found) == (3, 11, ("last",))


def test_a_slice_drawn_without_tumour_beyond_the_others_is_where_the_tumour_has_ended(greedy):
    drawn = only(cone(), 5)
    result = complete(phantom(SHAPE), drawn, drawn=[2, 5, 8, 10], find_ends=True, completer=greedy)
    assert (result.first, result.last) == (3, 7)
    assert np.flatnonzero(result.mask.any((1, 2))).tolist() == [3, 4, 5, 6, 7]
    result = complete(phantom(SHAPE), drawn, drawn=[5, 6], find_ends=True, completer=greedy)
    assert (result.first, result.last) == (0, 5)
    likely = np.ones(SHAPE[0], bool)
    result = complete(phantom(SHAPE), drawn, drawn=[3, 5, 9], find_ends=True, completer=greedy, likely=likely)
    assert (result.first, result.last) == (4, 8)


def test_an_outline_that_has_faded_to_a_third_is_the_end_of_the_tumour(tmp_path):
    # Beyond the drawn slices shapes shrink by themselves: the tiny completer only follows them.
    drawn = only(cone(), 4)
    tiny = load_completer(make_completer(tmp_path / "tiny"), "cpu")
    result = complete(phantom(SHAPE, (1.0, 1.0, 4.0)), drawn, find_ends=True, completer=tiny)
    # A disc of radius 7 mm shrinks by 1.4 mm on each slice: two away 0.36 of its area is left, three away 0.16.
    assert (result.first, result.last) == (2, 6)


def test_a_classifiers_run_around_the_drawn_slices_gives_the_ends(shy):
    likely = np.array([1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0], bool)
    result = complete(phantom(SHAPE), only(cone(), 5), find_ends=True, completer=shy, likely=likely)
    assert (result.first, result.last) == (3, 7)
    assert run_around(likely, [8]) == (None, None)
    assert run_around(likely, [10, 4]) == (3, 10)
    assert run_around(np.ones(5, bool), [2]) == (0, 4)


def test_without_a_network_ends_are_those_of_the_drawn_slices_and_a_warning_says_so():
    result = complete(phantom(SHAPE), only(cone(), 3, 8), find_ends=True)
    assert (result.first, result.last) == (3, 8)
    assert any("ends could not be found" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"mask": np.zeros(SHAPE, bool)}, "nothing is drawn"),
        ({"mask": np.zeros((12, 40, 47), bool)}, "expected one on the CT's own grid"),
        ({"mask": only(cone(), 3).astype(np.uint8) + 2 * only(cone(), 5).astype(np.uint8)}, "2 labels"),
        ({"drawn": [3, 12]}, "slice 12 is not in the CT"),
        ({"drawn": [0, 11]}, "nothing is drawn on slices 0, 11"),
        ({"drawn": []}, "nothing is drawn"),
        ({"first": 4}, "slice 3 is drawn and lies outside"),
        ({"last": 7}, "slice 8 is drawn and lies outside"),
        ({"first": 9, "last": 2}, "comes after the last one"),
        ({"last": 40}, "last slice 40 is not in the CT"),
        ({"first": -1}, "first slice -1 is not in the CT"),
        ({"mask": only(cone(), 5), "find_ends": True}, "only slice 5 is drawn"),
    ],
)
def test_what_does_not_fit_is_one_sentence(change, part):
    arguments = {"mask": only(cone(), 3, 8), **change}
    before = arguments["mask"].copy()
    with pytest.raises(InputError, match=part) as caught:
        complete(phantom(SHAPE), arguments.pop("mask"), **arguments)
    assert "\n" not in str(caught.value)
    assert np.array_equal(before, change.get("mask", only(cone(), 3, 8)))


def test_a_completion_can_be_cancelled_and_tells_how_far_it_is(tiny):
    told = []
    complete(
        phantom(SHAPE),
        only(cone(), 2, 9),
        completer=tiny,
        progress=lambda stage, done, total: told.append((done, total)),
    )
    assert told[0] == (0, 6) and told[-1] == (6, 6)
    for completer in (tiny, None):
        with pytest.raises(Cancelled):
            complete(phantom(SHAPE), only(cone(), 2, 9), completer=completer, cancelled=lambda: True)


def test_the_nearest_two_on_either_side_are_the_neighbours():
    found = neighbours_of(6, [9, 1, 4, 2, 12], lambda index: index == 2, 0, 12)
    assert found.below == (Anchor(4, empty=False), Anchor(2, empty=True))
    assert found.above == (Anchor(9, empty=False), Anchor(12, empty=False))
    found = neighbours_of(6, [4], lambda _: False, None, 8)
    assert found.below == (Anchor(4, empty=False),) and found.above == (Anchor(9, empty=True),)
    assert found.turned.below == found.above and found.turned.turned == found


def test_distances_are_in_mm_and_change_sign_at_the_outline():
    mask = np.zeros((9, 12), bool)
    mask[3:6, 2:10] = True
    distance = signed_distance(mask, (2.0, 0.5))
    assert np.array_equal(distance > 0, mask)
    assert distance[4, 6] == pytest.approx(4 * 0.5 - 0.25)  # the nearest way out is along the row
    assert distance[8, 5] == pytest.approx(0.25 - 3 * 2.0)
    assert signed_distance(np.ones((3, 3), bool), (1.0, 1.0)).min() > 0


def test_simulated_persons_draw_where_the_issue_says():
    assert inside(10, 29, 1) == [20] and inside(0, 5, 3) == [1, 3, 5]
    assert ends(10, 30, 5) == [10, 15, 20, 25, 30] and ends(3, 4, 5) == [3, 4]
    assert inside(7, 7, 5) == [7]


def test_a_completer_is_no_model_and_a_model_no_completer(tmp_path, tiny):
    with pytest.raises(ModelError, match="describes a completer"):
        read_bundle(tiny.bundle.path)
    (tmp_path / "model.json").write_text('{"schema": 1}')
    with pytest.raises(ModelError, match="describes a model"):
        read_completer(tmp_path)


def test_damaged_weights_of_a_completer_are_refused(tmp_path):
    folder = make_completer(tmp_path / "broken")
    weights = folder / "completer.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="damaged or was changed"):
        load_completer(folder, "cpu")
