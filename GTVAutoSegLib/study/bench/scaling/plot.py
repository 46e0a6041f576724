"""The picture of how time and memory grow."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .growth import Line, Point, Scaling


def plot(scaling: Scaling) -> bytes:
    """Draw time above memory, over slices on the left and over the side on the right; returns PNG."""
    settings = scaling.settings
    figure = Figure(figsize=(10, 7), layout="constrained")
    figure.suptitle(
        f"Width {settings.width}, {settings.size} x {settings.size}, {100 * settings.share:.0f} % of the slices "
        f"positive, {scaling.machine['threads']} threads: from file to file"
    )
    ((time_slices, time_side), (memory_slices, memory_side)) = figure.subplots(2, 2)
    _panel(time_slices, points=scaling.by_slices, by="slices", value="seconds", line=scaling.seconds)
    _panel(memory_slices, points=scaling.by_slices, by="slices", value="memory_mb", line=scaling.memory_mb)
    _panel(time_side, points=scaling.by_side, by="side", value="seconds", line=None)
    _panel(memory_side, points=scaling.by_side, by="side", value="memory_mb", line=None)
    for axes in (time_slices, memory_slices):
        axes.set_xlabel(f"slices of {settings.fixed_side} x {settings.fixed_side}")
    for axes in (time_side, memory_side):
        axes.set_xlabel(f"side of {settings.fixed_slices} slices, pixels")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _panel(axes: Axes, points: Sequence[Point], by: str, value: str, line: Line | None) -> None:
    x = [getattr(point, by) for point in points]
    y = [getattr(point, value) for point in points]
    if None not in y:
        axes.plot(x, y, "o")
    if line is not None:
        reach = [0, max(x)]
        unit, digits = {"seconds": ("s", 4), "memory_mb": ("MiB", 2)}[value]
        label = f"{line.constant:.2f} {unit} + {line.slope:.{digits}f} {unit} for each slice"
        axes.plot(reach, [line.constant + line.slope * end for end in reach], color="grey", label=label)
        axes.legend()
    axes.set(ylabel={"seconds": "time, s", "memory_mb": "peak memory, MiB"}[value], xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
