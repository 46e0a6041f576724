"""A run of the benchmark as Markdown that also reads well on a terminal: a line a figure, a column a setting."""

from __future__ import annotations

from collections.abc import Sequence

from .guard.check import Comparison
from .opponents.systems import OPPONENTS
from .run import Bench
from .settings import OpponentRow, Row

WIDEST = 120
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
    "may overlap. Memory: the peak of a process, MiB. Over floor: time over that of the stage's "
    "convolutions at the rate of the matrix product measured in the same run."
)


def bench_text(bench: Bench) -> str:
    """Facts about the machine, the figures, and the other systems."""
    machine, settings = bench.machine, bench.settings
    facts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; devices: "
        + ", ".join(machine["devices"].values()),
        f"Python {machine['python']}, PyTorch {machine['torch']}; allocator: {machine['allocator']}",
        f"load average at the start {machine['load']}; {settings.rounds} warm rounds, {settings.cold} cold starts",
        "matrix product, GFLOP/s: " + "; ".join(f"{name}: {rate:.0f}" for name, rate in bench.gemm_gflops.items()),
    ]
    if not settings.cts:
        side = f"{settings.side} x {settings.side}"
        facts.append(f"phantom: {settings.slices} slices of {side} pixels, {settings.positive} of them positive")
    columns = [_labels(settings.against), *(_column(row, settings.against) for row in bench.rows)]
    parts = ["\n".join(f"- {fact}" for fact in facts), _tables(columns), NOTES]
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


def _tables(columns: Sequence[Sequence[str]]) -> str:
    """Columns side by side, under as many repetitions of the first as keep the lines within `WIDEST` characters."""
    labels, *settings = columns
    shown: list[list[Sequence[str]]] = [[labels]]
    for column in settings:
        if len(shown[-1]) > 1 and _width([*shown[-1], column]) > WIDEST:
            shown.append([labels])
        shown[-1].append(column)
    return "\n\n".join(aligned(list(zip(*one))) for one in shown)


def _width(columns: Sequence[Sequence[str]]) -> int:
    """Of a line of `aligned`."""
    return 1 + sum(3 + max(map(len, column)) for column in columns)


def _labels(against: Sequence[str]) -> list[str]:
    """Of `_column`."""
    labels = [
        "CT",
        "width",
        "input",
        "classifier shrink",
        "device",
        "precision",
        "threads",
        "slices picked",
        "the positive ones",
    ]
    labels += ["cold start", *STEPS.values(), "memory, cold", "memory, warm"]
    return [*labels, "classifier over floor", "segmenter over floor", *(f"{name} / warm" for name in against)]


def _column(row: Row, against: Sequence[str]) -> list[str]:
    variant = row.variant
    return [
        row.ct,
        str(variant.width),
        f"{variant.size} x {variant.size}",
        str(variant.shrink),
        variant.device,
        variant.precision,
        str(variant.threads),
        f"{row.picked} of {row.slices}",
        {None: "not known", True: "yes", False: "NO"}[row.as_expected],
        _number(row.cold_s),
        *(_number(row.seconds.get(step)) for step in STEPS),
        *(_number(memory, 0) for memory in (row.cold_memory_mb, row.memory_mb)),
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
