"""The benchmark itself: every combination in a process of its own, warm rounds alternating between them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from .machine import describe_machine
from .opponents.systems import check_installed
from .process import Child, run_timed
from .settings import DEVICE_OF, BenchSettings, OpponentRow, Row, Variant, describe_networks

CHILD = "GTVAutoSegLib.study.bench.child"
OPPONENT_CHILD = "GTVAutoSegLib.study.bench.opponents.child"
STAGES = ("classifying", "segmenting")


@dataclass(frozen=True)
class Bench:
    """A finished run.

    Attributes:
        machine: what it ran on.
        settings: what was asked.
        gemm_gflops: the best rate of the matrix product, by device, threads and precision.
        rows: of the cascade.
        opponents: of the other systems.
    """

    machine: dict[str, Any]
    settings: BenchSettings
    gemm_gflops: dict[str, float]
    rows: tuple[Row, ...]
    opponents: tuple[OpponentRow, ...]


@dataclass(frozen=True)
class Group:
    """What is measured alternating: one CT, one model, by device, precision and threads.

    Attributes:
        ct: its file.
        label: of the CT, in the table.
        positive: the phantom's positive slices; None for a real CT.
        model: id or path.
        width: of its networks.
        size: of its input.
        shrink: argument of its classifier.
        precisions: measured ones.
        operations: of its stages a slice.
    """

    ct: Path
    label: str
    positive: list[int] | None
    model: str
    width: int
    size: int
    shrink: int
    precisions: tuple[str, ...]
    operations: dict[str, float]


def run_bench(settings: BenchSettings) -> Bench:
    """Measure.

    Raises:
        GTVAutoSegError: a CT, model, device or environment does not do.
    """
    for name in settings.against:
        check_installed(name)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        helper = stack.enter_context(Child(CHILD, max(settings.threads)))
        facts = helper.ask("facts")
        settings = replace(settings, devices=settings.devices or tuple(facts["devices"]))
        machine = {**describe_machine(), "torch": facts["torch"], "devices": facts["devices"]}
        opponents = [
            (name, threads, _opponent(stack, settings, name, threads))
            for name in settings.against
            for threads in settings.threads
        ]
        rates: dict[str, float] = {}
        rows: list[Row] = []
        answers: dict[tuple[str, int], list[dict[str, Any]]] = {(name, threads): [] for name, threads, _ in opponents}
        for group in _groups(settings, helper, folder, facts["int8"]):
            networks = describe_networks(group.width, group.size, group.shrink)
            print(f"measuring {group.label}, {networks}", file=sys.stderr)
            rows += _measure(settings, group=group, folder=folder, opponents=opponents, answers=answers, rates=rates)
    found = tuple(_opponent_row(name, threads, given) for (name, threads), given in answers.items())
    return Bench(
        machine,
        settings=settings,
        gemm_gflops=rates,
        rows=tuple(_compared(row, found) for row in rows),
        opponents=found,
    )


def _opponent(stack: ExitStack, settings: BenchSettings, name: str, threads: int) -> Child:
    child = stack.enter_context(Child(OPPONENT_CHILD, threads))
    child.ask("load", name=name, shape=[settings.slices, settings.side, settings.side], patches=settings.patches)
    return child


def _groups(settings: BenchSettings, helper: Child, folder: Path, int8: bool) -> Iterator[Group]:
    for ct in settings.cts:
        label = ct.parent.name if ct.name.startswith("data.") else ct.name
        yield Group(ct, label, None, settings.model, **_about(settings, helper, settings.model, int8))
    if settings.cts:
        return
    ct = folder / "phantom.nii.gz"
    shape = {"slices": settings.slices, "side": settings.side}
    positive = helper.ask("make_ct", path=str(ct), positive=settings.positive, **shape)["positive"]
    label = "phantom"
    for width, size, shrink in product(settings.widths, settings.sizes, settings.shrinks):
        model = str(folder / f"bench-{width}-{size}-{shrink}")
        helper.ask("make_bundle", folder=model, width=width, size=size, side=settings.side, shrink=shrink)
        yield Group(ct, label, positive, model, **_about(settings, helper, model, int8))


def _about(settings: BenchSettings, helper: Child, model: str, int8: bool) -> dict[str, Any]:
    """Sizes and operations of a model, and the precisions in which it is measured."""
    about = helper.ask("describe_model", model=model)
    calibrated = about.pop("calibrated")
    there = ("fp32", "int8", "fp16") if int8 and calibrated else ("fp32", "fp16")
    return {**about, "precisions": settings.precisions or there}


def _measure(
    settings: BenchSettings,
    group: Group,
    folder: Path,
    opponents: Sequence[tuple[str, int, Child]],
    answers: dict[tuple[str, int], list[dict[str, Any]]],
    rates: dict[str, float],
) -> list[Row]:
    """Rows of one group; adds to the opponents' answers and to the rates."""
    variants = list(_variants(settings, group))
    output = str(folder / "mask.nii.gz")
    runs: dict[Variant, list[dict[str, Any]]] = {variant: [] for variant in variants}
    cold = {variant: _cold_start(settings, group, variant, output) for variant in variants}
    with ExitStack() as stack:
        children = {variant: stack.enter_context(Child(CHILD, variant.threads)) for variant in variants}
        for variant, child in children.items():
            child.ask("load", model=variant.model, device=variant.device, precision=variant.precision)
            child.ask("segment", ct=str(group.ct), output=output)  # first runs are slower and not counted
        for _ in range(settings.rounds):
            for variant, child in children.items():
                runs[variant].append(child.ask("segment", ct=str(group.ct), output=output))
                for precision, rate in child.ask("gemm")["rates"].items():
                    name = _rate_name(variant, precision)
                    rates[name] = max(rates.get(name, 0.0), rate / 1e9)
            for opponent, threads, child in opponents:
                answers[opponent, threads].append(child.ask("predict"))
    return [_row(group, variant=variant, runs=runs[variant], cold=cold[variant], rates=rates) for variant in variants]


def _variants(settings: BenchSettings, group: Group) -> Iterator[Variant]:
    for device, precision in product(settings.devices, group.precisions):
        if DEVICE_OF.get(precision, device) != device.partition(":")[0] and not settings.precisions:
            continue
        # The threads are those of a CPU: elsewhere one row says all.
        for threads in settings.threads if device == "cpu" else settings.threads[:1]:
            yield Variant(
                group.model,
                width=group.width,
                size=group.size,
                shrink=group.shrink,
                device=device,
                precision=precision,
                threads=threads,
            )


def _cold_start(
    settings: BenchSettings, group: Group, variant: Variant, output: str
) -> tuple[float | None, float | None]:
    """Shortest time and smallest peak memory of the whole process."""
    arguments = ["segment", str(group.ct), "--model", variant.model, "--output", output, "--device"]
    arguments += [variant.device, "--precision", variant.precision]
    starts = [run_timed(arguments, variant.threads) for _ in range(settings.cold)]
    seconds = min((seconds for seconds, _ in starts), default=None)
    return seconds, min((memory for _, memory in starts if memory is not None), default=None)


def _row(
    group: Group,
    variant: Variant,
    runs: Sequence[dict[str, Any]],
    cold: tuple[float | None, float | None],
    rates: dict[str, float],
) -> Row:
    best = min(runs, key=lambda run: run["seconds"]["total"])
    counts = dict(zip(STAGES, (best["slices"], len(best["picked"]))))
    rate = rates.get(_rate_name(variant, variant.precision), 0.0) * 1e9
    floors = {stage: group.operations[stage] * count / rate for stage, count in counts.items() if rate and count}
    return Row(
        ct=group.label,
        variant=variant,
        slices=best["slices"],
        picked=len(best["picked"]),
        as_expected=None if group.positive is None else best["picked"] == group.positive,
        cold_s=cold[0],
        cold_memory_mb=cold[1],
        seconds=best["seconds"],
        memory_mb=best["memory_mb"],
        over_floor={stage: best["seconds"][stage] / floor for stage, floor in floors.items()},
    )


def _rate_name(variant: Variant, precision: str) -> str:
    return f"{variant.device}, {variant.threads} threads, {precision}"


def _opponent_row(name: str, threads: int, answers: Sequence[dict[str, Any]]) -> OpponentRow:
    best = min(answers, key=lambda answer: answer["seconds"])
    return OpponentRow(name, threads, **best)


def _compared(row: Row, opponents: Sequence[OpponentRow]) -> Row:
    same = [other for other in opponents if row.variant.device == "cpu" and other.threads == row.variant.threads]
    return replace(row, against={other.name: other.seconds / row.seconds["total"] for other in same})
