"""The picture of an evaluation: overlap, distance, surfaces and volumes, a dot a case; SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..images.metrics import SURFACE_DICE_MM
from ..report.charts import sheet
from ..report.points import COLOURS, SIZE, Level, Point, point_chart
from .boxes import unboxed
from .cases import ALL_SLICES, CASCADE, PREDICTIONS, TRUE_SLICES, Measurement
from .report import heading

SPREAD = 0.22
COLOUR_NAMES = ("blue", "ochre", "green", "violet", "teal", "brown")
SHORT = {CASCADE: "cascade", ALL_SLICES: "all slices", TRUE_SLICES: "true slices", PREDICTIONS: "predictions"}
# Of a column: the model and the value of each case.
Values = Sequence[tuple[str, float]]


def plot(measurements: Sequence[Measurement], title: str) -> str:
    """Draw an evaluation; several models share a chart, a colour each.

    Args:
        measurements: of all cases.
        title: of the picture.

    Returns:
        SVG.
    """
    variants = list(dict.fromkeys(one.variant for one in measurements))
    if unboxed(variants[0])[1] is not None:  # what matters is the overlap by the slack
        variants = [variant for variant in variants if unboxed(variant)[0] == CASCADE]
    main = [one for one in measurements if one.variant == variants[0]]
    models = list(dict.fromkeys(one.model for one in measurements))
    by_variant = {_short(variant): [one for one in measurements if one.variant == variant] for variant in variants}
    tolerances = {f"within {tolerance} mm": f"surface_dice_{tolerance}mm" for tolerance in SURFACE_DICE_MM}
    charts = [
        _columns(f"{title}: DSC", {text: _values(some, "dsc") for text, some in by_variant.items()}, models),
        _columns(
            "95th percentile of the surface distance, mm",
            {text: _values(some, "hd95_mm") for text, some in by_variant.items()},
            models,
        ),
        _columns(
            f"Surface Dice, {heading(variants[0])}",
            {text: _values(main, metric) for text, metric in tolerances.items()},
            models,
        ),
        _volumes(main, models),
    ]
    return sheet([chart for chart in charts if chart], size=SIZE)


def _short(variant: str) -> str:
    own, slack = unboxed(variant)
    return SHORT[own] if slack is None else f"box {slack:g} mm"


def _values(group: Sequence[Measurement], metric: str) -> Values:
    return [(one.model, getattr(one.agreement, metric)) for one in group]


def _columns(title: str, groups: Mapping[str, Values], models: Sequence[str]) -> str:
    """A column of dots a group, with a line at the mean of those that are defined; "" where none is."""
    points, levels, marks = [], [], []
    for column, (text, values) in enumerate(groups.items()):
        defined = [(model, value) for model, value in values if not math.isnan(value)]
        for index, model in enumerate(models):
            heights = [value for one, value in defined if one == model]
            places = column + np.linspace(-SPREAD, SPREAD, len(heights) + 2)[1:-1]
            points += [Point(float(x), y, colour=index) for x, y in zip(places, heights)]
        if defined:
            span = (column - 1.4 * SPREAD, column + 1.4 * SPREAD)
            levels.append(Level(float(np.mean([value for _, value in defined])), span=span))
        missing = len(values) - len(defined)
        marks.append((float(column), text + (f", {missing} undefined" if missing else "")))
    return point_chart(title, points, levels, x="line: mean", x_ticks=marks) if points else ""


def _volumes(measurements: Sequence[Measurement], models: Sequence[str]) -> str:
    points = [
        Point(one.agreement.reference_ml, one.agreement.volume_error_ml, colour=models.index(one.model))
        for one in measurements
    ]
    who = ", ".join(f"{COLOUR_NAMES[index % len(COLOURS)]} {model}" for index, model in enumerate(models))
    title = f"Volume minus that of the reference, mL ({who})"
    return point_chart(title, points, [Level(0.0, "as large")], x="volume of the reference, mL")
