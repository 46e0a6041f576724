"""A run of the benchmark as one table, as Markdown that also reads well on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from .guard import Comparison
from .opponents import OPPONENTS
from .run import Bench
from .settings import OpponentRow, Row

STEPS = {
    "read": "read",
    "total": "warm",
    "preprocess": "preprocess",
    "classifying": "classifier",
    "segmenting": "segmenter",
    "back-projection": "back-projection",
    "write": "write",
}
NOTES = (
    "Seconds; the best of the rounds. Cold start: the whole process of `gtvautoseg segment`, from start to mask, "
    "reading and writing included; warm: the cascade on a CT that is read, in a process that has run before. Its steps "
    "may overlap. Memory: the peak of a process, MiB, cold and warm. Over floor: time over that of the stage's "
    "convolutions at the rate of the matrix product measured in the same run."
)


def bench_text(bench: Bench) -> str:
    """Facts about the machine, the table, and the other systems."""
    machine, settings = bench.machine, bench.settings
    facts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; devices: "
        + ", ".join(machine["devices"].values()),
        f"Python {machine['python']}, PyTorch {machine['torch']}; allocator: {machine['allocator']}",
        f"load average at the start {machine['load']}; {settings.rounds} warm rounds, {settings.cold} cold starts",
        "matrix product, GFLOP/s: " + "; ".join(f"{name}: {rate:.0f}" for name, rate in bench.gemm_gflops.items()),
    ]
    parts = ["\n".join(f"- {fact}" for fact in facts), aligned(_cells(bench.rows, settings.against)), NOTES]
    if bench.opponents:
        parts += [aligned(_opponent_cells(bench.opponents)), "\n".join(map(_extrapolation, bench.opponents))]
    return "\n\n".join(parts) + "\n"


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table with padded columns; the first row is its head."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def guard_table(comparisons: Sequence[Comparison]) -> str:
    """Ratios as they were and are."""
    lines = [
        [one.name, f"{one.was:.3f}", f"{one.now:.3f}", f"{100 * one.change:+.0f} %", "SLOWER" if one.lost else "ok"]
        for one in comparisons
    ]
    return aligned([["ratio, lower is better", "committed", "now", "change", ""], *lines])


def _cells(rows: Sequence[Row], against: Sequence[str]) -> list[list[str]]:
    head = ["CT", "network", "device", "threads", "cold start", *STEPS.values(), "memory", "slices picked"]
    head += ["classifier over floor", "segmenter over floor", *(f"{name} / warm" for name in against)]
    return [head, *(_line(row, against) for row in rows)]


def _line(row: Row, against: Sequence[str]) -> list[str]:
    variant = row.variant
    expected = {None: "", True: " (the positive ones)", False: " (NOT the positive ones)"}[row.as_expected]
    return [
        row.ct,
        f"width {variant.width}, {variant.size} x {variant.size}",
        f"{variant.device} {variant.precision}",
        str(variant.threads),
        _number(row.cold_s),
        *(_number(row.seconds.get(step)) for step in STEPS),
        f"{_number(row.cold_memory_mb, 0)}, {_number(row.memory_mb, 0)}",
        f"{row.picked} of {row.slices}{expected}",
        *(_number(row.over_floor.get(stage), 1) for stage in ("classifying", "segmenting")),
        *(_number(row.against.get(name), 0) for name in against),
    ]


def _opponent_cells(opponents: Sequence[OpponentRow]) -> list[list[str]]:
    head = ["other system", "threads", "all patches", "one patch", "patches timed", "memory"]
    lines = [
        [
            OPPONENTS[row.name].title,
            str(row.threads),
            _number(row.seconds, 1),
            _number(row.patch_s),
            f"{row.timed} of {row.patches}",
            _number(row.memory_mb, 0),
        ]
        for row in opponents
    ]
    return [head, *lines]


def _extrapolation(row: OpponentRow) -> str:
    rest = "" if row.timed == row.patches else ", the rest by multiplication; the blending of all was timed"
    return (
        f"{row.name}, {row.threads} threads: forward passes and blending only, random weights, the same allocator "
        f"settings; {row.timed} of {row.patches} patches timed{rest}."
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"
