"""How time and memory grow with a CT: one child process a point, a phantom with the same share of tumour slices."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..machine import describe_machine
from ..process import Child
from ..run import CHILD

WARM_UP_SLICES = 4


@dataclass(frozen=True)
class ScalingSettings:
    """What is measured.

    Attributes:
        slices: numbers of slices, at ``fixed_side``.
        sides: rows and columns of a slice, at ``fixed_slices``.
        fixed_side: pixels.
        fixed_slices: number of slices.
        share: of the slices that show tumour.
        width: of the networks.
        size: of their input.
        rounds: the shortest time counts.
    """

    slices: tuple[int, ...] = (50, 100, 200, 400, 700, 1000)
    sides: tuple[int, ...] = (256, 512, 768, 1024)
    fixed_side: int = 512
    fixed_slices: int = 100
    share: float = 0.18
    width: int = 32
    size: int = 160
    rounds: int = 2


@dataclass(frozen=True)
class Point:
    """One CT.

    Attributes:
        slices: how many.
        side: rows and columns, pixels.
        seconds: from file to file in a process that has run before.
        memory_mb: its peak memory, MiB; None where the system does not say.
    """

    slices: int
    side: int
    seconds: float
    memory_mb: float | None


@dataclass(frozen=True)
class Line:
    """A straight line: ``constant + slope * x``."""

    constant: float
    slope: float


@dataclass(frozen=True)
class Scaling:
    """A finished run.

    Attributes:
        machine: what it ran on.
        settings: what was asked.
        by_slices: points that differ in slices.
        by_side: points that differ in rows and columns.
        seconds: line over the number of slices; the constant is what every CT costs.
        memory_mb: line over the number of slices, MiB.
    """

    machine: dict[str, Any]
    settings: ScalingSettings
    by_slices: tuple[Point, ...]
    by_side: tuple[Point, ...]
    seconds: Line
    memory_mb: Line | None


def run_scaling(settings: ScalingSettings, threads: int) -> Scaling:
    """Measure.

    Raises:
        GTVAutoSegError: a measuring process failed.
    """
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as name, Child(CHILD, threads) as helper:
        folder = Path(name)
        machine = {**machine, "torch": helper.ask("facts")["torch"], "threads": threads}
        by_slices = tuple(
            _point(settings, helper=helper, folder=folder, slices=slices, side=settings.fixed_side, threads=threads)
            for slices in settings.slices
        )
        by_side = tuple(
            _point(settings, helper=helper, folder=folder, slices=settings.fixed_slices, side=side, threads=threads)
            for side in settings.sides
        )
    counts = [point.slices for point in by_slices]
    memory = [point.memory_mb for point in by_slices if point.memory_mb is not None]
    return Scaling(
        machine,
        settings=settings,
        by_slices=by_slices,
        by_side=by_side,
        seconds=fit_line(counts, [point.seconds for point in by_slices]),
        memory_mb=fit_line(counts, memory) if len(memory) == len(counts) else None,
    )


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Least squares of the relative errors: the largest CT's noise is not to decide about the constant.

    Args:
        x: at least two different values.
        y: positive.
    """
    weights = [1 / value**2 for value in y]
    total = sum(weights)
    mean_x = sum(w * a for w, a in zip(weights, x)) / total
    mean_y = sum(w * b for w, b in zip(weights, y)) / total
    spread = sum(w * (a - mean_x) ** 2 for w, a in zip(weights, x))
    slope = sum(w * (a - mean_x) * (b - mean_y) for w, a, b in zip(weights, x, y)) / spread
    return Line(mean_y - slope * mean_x, slope)


def _point(settings: ScalingSettings, helper: Child, folder: Path, slices: int, side: int, threads: int) -> Point:
    print(f"measuring {side} x {side} x {slices}", file=sys.stderr)
    model = folder / f"bench-{side}"
    if not model.exists():
        helper.ask("make_bundle", folder=str(model), width=settings.width, size=settings.size, side=side)
    ct, small, output = (str(folder / name) for name in ("ct.nii", "small.nii", "mask.nii.gz"))
    helper.ask("make_ct", path=ct, slices=slices, positive=round(settings.share * slices), side=side)
    helper.ask("make_ct", path=small, slices=WARM_UP_SLICES, positive=1, side=side)
    with Child(CHILD, threads) as child:
        child.ask("load", model=str(model), device="cpu", precision="fp32")
        child.ask("segment", ct=small, output=output)  # first runs are slower and not counted
        runs = [child.ask("segment", ct=ct, output=output) for _ in range(settings.rounds)]
    seconds = min(sum(run["seconds"][step] for step in ("read", "total", "write")) for run in runs)
    return Point(slices, side, seconds, runs[0]["memory_mb"])


def scaling_text(scaling: Scaling) -> str:
    """Both tables and the line, for people."""
    from ..table import aligned

    settings, line = scaling.settings, scaling.seconds
    tables = [
        aligned([["CT", "seconds, file to file", "peak memory, MiB"], *map(_cells, points)])
        for points in (scaling.by_slices, scaling.by_side)
    ]
    fits = [f"time: {line.constant:.2f} s for a CT and {1000 * line.slope:.2f} ms for a slice"]
    if scaling.memory_mb:
        fits.append(f"memory: {scaling.memory_mb.constant:.0f} MiB and {scaling.memory_mb.slope:.2f} MiB for a slice")
    head = (
        f"{scaling.machine['processor']}, {scaling.machine['threads']} threads, load average at the start "
        f"{scaling.machine['load']}; width {settings.width}, {settings.size} x {settings.size}, fp32, "
        f"{100 * settings.share:.0f} % of the slices positive"
    )
    side = f"at {settings.fixed_side} x {settings.fixed_side}, by least squares: "
    return "\n\n".join([head, *tables, side + "; ".join(fits)]) + "\n"


def _cells(point: Point) -> list[str]:
    memory = "" if point.memory_mb is None else f"{point.memory_mb:.0f}"
    return [f"{point.side} x {point.side} x {point.slices}", f"{point.seconds:.2f}", memory]
