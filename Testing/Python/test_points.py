"""Charts of points: where they lie, which words stand where, and that nothing is left out of the frame."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from GTVAutoSegLib.report.axes import Axes, log_ticks, ticks
from GTVAutoSegLib.report.charts import sheet
from GTVAutoSegLib.report.points import SIZE, Level, Point, point_chart


def elements(chart: str, name: str) -> list:
    image = ElementTree.fromstring(sheet([chart], 1, SIZE))  # noqa: S314 - our own
    return list(image.iter("{http://www.w3.org/2000/svg}" + name))


def words(chart: str) -> list[str]:
    return [one.text for one in elements(chart, "text")]


def test_a_point_lies_between_the_axes_in_proportion():
    axes = Axes((1.0, 100.0), (0.0, 10.0), (164, 170), log_x=True)

    assert axes.at((1, 0)) == (52, 130)
    assert axes.at((10, 5)) == pytest.approx((102, 80))
    assert axes.at((100, 10)) == (152, 30)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-9, 1e9])
def test_one_point_alone_is_within_the_frame(value):
    (dot,) = elements(point_chart("one", [Point(5, value)]), "circle")

    assert 52 < float(dot.get("cx")) < SIZE[0] - 12
    assert 30 < float(dot.get("cy")) < SIZE[1] - 40


def test_levels_and_their_bands_are_within_the_frame():
    chart = point_chart("levels", [Point(1, 0), Point(2, 1)], [Level(40, "limit", dashed=True, band=(30, 60))])

    heights = [float(number) for number in re.findall(r"M\d+\.\d (\d+\.\d)H", chart)]
    assert heights and all(30 < height < SIZE[1] - 40 for height in heights)
    (text,) = (one for one in elements(chart, "text") if one.text == "limit")
    (dot, _) = elements(chart, "circle")
    frame = next(one for one in elements(chart, "rect"))
    assert float(text.get("x")) > float(frame.get("x")) + float(frame.get("width")) > float(dot.get("cx"))
    assert float(text.get("x")) + 5 * 6 < SIZE[0]
    (bar,) = (one.get("d") for one in elements(chart, "path") if one.get("stroke") == "#777")
    low, high = (float(number) for number in re.search(r"M\S+ (\S+)V(\S+)$", bar).groups())
    assert 30 < low < heights[0] < high < SIZE[1] - 40


def test_labels_of_points_at_one_place_do_not_lie_on_each_other():
    chart = point_chart("crowd", [Point(5, 5, f"case_{number}") for number in range(4)] + [Point(9, 9)])

    places = [(one.get("x"), one.get("y")) for one in elements(chart, "text") if (one.text or "").startswith("case_")]
    assert len(set(places)) == len(places) == 4


def test_names_with_signs_of_html_stay_names():
    assert "<A&B>" in words(point_chart("t", [Point(1, 1, "<A&B>")]))


def test_a_logarithmic_axis_has_few_round_numbers():
    assert log_ticks(0.5, 30) == [0.5, 1, 2, 5, 10, 20]
    assert log_ticks(1e-6, 1e6) == pytest.approx([10.0**power for power in range(-6, 7)])
    assert Axes((11, 13), (0, 1), (100, 100), log_x=True).x_ticks()[0] == (11, "11")
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
