"""The picture of an evaluation: overlap, distance, surfaces and volumes, a dot a case."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..images.metrics import SURFACE_DICE_MM
from .boxes import unboxed
from .cases import CASCADE, Measurement
from .report import heading

SPREAD = 0.22


def plot(measurements: Sequence[Measurement], title: str) -> bytes:
    """Draw an evaluation; several models share a panel, a colour each.

    Returns:
        PNG.
    """
    variants = list(dict.fromkeys(one.variant for one in measurements))
    if unboxed(variants[0])[1] is not None:  # what matters is the overlap by the slack
        variants = [variant for variant in variants if unboxed(variant)[0] == CASCADE]
    main = [one for one in measurements if one.variant == variants[0]]
    figure = Figure(figsize=(11, 8), layout="constrained")
    figure.suptitle(title)
    ((overlap, distance), (surface, volume)) = figure.subplots(2, 2)
    groups = {heading(variant).replace(": ", ":\n").replace(" on ", "\non "): variant for variant in variants}
    for axes, metric in ((overlap, "dsc"), (distance, "hd95_mm")):
        values = {
            label: [(one.model, getattr(one.agreement, metric)) for one in measurements if one.variant == variant]
            for label, variant in groups.items()
        }
        _dots(axes, values)
    overlap.set(title="Dice similarity coefficient", ylim=(-0.02, 1.02))
    distance.set(title="95th percentile of the surface distance", ylabel="mm", ylim=(0, None))
    _dots(
        surface,
        {
            f"within {tolerance} mm": [
                (one.model, getattr(one.agreement, f"surface_dice_{tolerance}mm")) for one in main
            ]
            for tolerance in SURFACE_DICE_MM
        },
    )
    surface.set(title=f"Surface Dice, {heading(variants[0])}", ylim=(-0.02, 1.02))
    _volumes(volume, main)
    volume.set(title=f"Volume, {heading(variants[0])}", xlabel="reference, mL", ylabel="mask, mL")
    for axes in (overlap, distance, surface, volume):
        axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _dots(axes: Axes, groups: dict[str, list[tuple[str, float]]]) -> None:
    """A column of dots a group, with a bar at the mean of those that are defined."""
    models = list(dict.fromkeys(model for values in groups.values() for model, _ in values))
    labels = []
    for column, (label, values) in enumerate(groups.items()):
        defined = [(model, value) for model, value in values if not math.isnan(value)]
        for index, model in enumerate(models):
            heights = [value for one, value in defined if one == model]
            places = column + np.linspace(-SPREAD, SPREAD, len(heights) + 2)[1:-1]
            axes.plot(places, heights, "o", color=f"C{index % 10}", alpha=0.7, markersize=5)
        if defined:
            mean = float(np.mean([value for _, value in defined]))
            axes.hlines(mean, column - 1.4 * SPREAD, column + 1.4 * SPREAD, color="black")
        missing = len(values) - len(defined)
        labels.append(label + (f"\n{missing} undefined" if missing else ""))
    axes.set_xticks(range(len(groups)), labels)
    axes.set_xlim(-0.5, len(groups) - 0.5)


def _volumes(axes: Axes, measurements: Sequence[Measurement]) -> None:
    for index, model in enumerate(dict.fromkeys(one.model for one in measurements)):
        chosen = [one.agreement for one in measurements if one.model == model]
        axes.plot(
            [one.reference_ml for one in chosen],
            [one.volume_ml for one in chosen],
            "o",
            color=f"C{index % 10}",
            alpha=0.7,
            markersize=5,
            label=model,
        )
    largest = max(max(one.agreement.volume_ml, one.agreement.reference_ml) for one in measurements)
    axes.plot([0, largest], [0, largest], color="black", linewidth=0.8)
    axes.legend(fontsize="small")
