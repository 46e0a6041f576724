"""``gtvautoseg bench``: time and memory of the cascade on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...model.precision import PRECISIONS
from ...study.bench.opponents.systems import OPPONENTS
from ...study.bench.scaling.growth import ScalingSettings
from ...study.bench.settings import BenchSettings
from ..cli import add_command
from ..options import at_least, check_matplotlib

DEFAULTS, GROWTH = BenchSettings(), ScalingSettings()
SLOWER = CHECK_FAILED = 1
SUFFIXES = (".json", ".md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    integers: dict[str, Any] = {"type": at_least(1), "nargs": "+", "metavar": "N"}
    parser.add_argument("--width", default=DEFAULTS.widths, help="channels of the first stage (64 32)", **integers)
    parser.add_argument("--size", default=DEFAULTS.sizes, help="side of the network input (512 256)", **integers)
    parser.add_argument(
        "--classifier-shrink",
        default=DEFAULTS.shrinks,
        help="average so many pixels a side before the classifier (1)",
        **integers,
    )
    parser.add_argument("--threads", default=DEFAULTS.threads, help="of the networks on a CPU (all, and 1)", **integers)
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS[1:], default=(), help="(every one there is)")
    parser.add_argument("--device", nargs="+", default=(), help="cpu, cuda:0, mps (every one that works)")
    parser.add_argument("--slices", type=at_least(1), default=100, metavar="N", help="of the phantom (100)")
    parser.add_argument("--positive", type=at_least(0), default=18, metavar="N", help="of them with tumour (18)")
    parser.add_argument("--side", type=at_least(32), default=512, metavar="N", help="of a slice of the phantom (512)")
    parser.add_argument(
        "--ct", type=Path, nargs="+", default=(), help="real CTs, measured with --model instead of the phantom"
    )
    parser.add_argument("--model", default=DEFAULTS.model, help=f"for --ct: id or path ({DEFAULTS.model})")
    parser.add_argument("--rounds", type=at_least(1), default=DEFAULTS.rounds, metavar="N", help="warm runs (3)")
    parser.add_argument("--cold", type=at_least(0), default=DEFAULTS.cold, metavar="N", help="cold starts (2)")
    parser.add_argument(
        "--against",
        nargs="+",
        choices=OPPONENTS,
        default=(),
        help="also measure another system on the CPU, alternating, with the same threads and allocator settings "
        "(needs the extra 'opponents')",
    )
    parser.add_argument(
        "--patches", type=patch_count, default=DEFAULTS.patches, metavar="N", help="of it to compute, or 'all' (3)"
    )
    parser.add_argument(
        "--output", type=Path, action="append", default=[], metavar="FILE", help="also write .json or .md; repeatable"
    )
    parser.set_defaults(action=None)
    actions = parser.add_subparsers(dest="action", metavar="scaling | check | gpu")
    text = "measure how time and memory grow with the number of slices and their size, and draw it"
    scaling = add_command(actions, "scaling", text)
    scaling.add_argument("picture", metavar="OUT.png", type=Path, help="picture to write; the figures go to OUT.json")
    scaling.add_argument("--slices", default=GROWTH.slices, help="numbers of slices of 512 x 512", **integers)
    scaling.add_argument("--side", default=GROWTH.sides, help="rows and columns of 100 slices", **integers)
    scaling.add_argument("--threads", type=at_least(1), default=DEFAULTS.threads[0], metavar="N", help="(all)")
    text = "compare ratios of a short run with a table, and fail on a loss of more than 25 %%"
    check = add_command(actions, "check", text)
    check.add_argument("table", metavar="TABLE.json", type=Path, help="the committed table")
    check.add_argument("--write", action="store_true", help="write the table instead of comparing with it")
    text = "check that a CUDA GPU gives what the CPU gives, in all that can run on it, and measure it"
    gpu = add_command(actions, "gpu", text)
    gpu.add_argument("report", nargs="?", type=Path, metavar="OUT.json", help="also write all figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Dispatch to the action."""
    actions = {None: run_table, "scaling": run_growth, "check": run_check, "gpu": run_gpu_check}
    return actions[arguments.action](arguments)


def run_table(arguments: argparse.Namespace) -> int:
    """Measure, print a table, and write files."""
    from ...study.bench.run import run_bench
    from ...study.bench.table import bench_text

    check_outputs(arguments.output)
    if arguments.positive > arguments.slices:
        raise InputError(
            f"--positive is {arguments.positive} and --slices {arguments.slices}; expected no more positive slices "
            "than there are"
        )
    if arguments.ct and arguments.against:
        raise InputError("--against was given with --ct; other systems are measured on the phantom, so leave one out")
    bench = run_bench(
        BenchSettings(
            widths=tuple(arguments.width),
            sizes=tuple(arguments.size),
            shrinks=tuple(arguments.classifier_shrink),
            threads=tuple(arguments.threads),
            precisions=tuple(arguments.precision),
            devices=tuple(arguments.device),
            slices=arguments.slices,
            positive=arguments.positive,
            side=arguments.side,
            cts=tuple(arguments.ct),
            model=arguments.model,
            rounds=arguments.rounds,
            cold=arguments.cold,
            against=tuple(arguments.against),
            patches=arguments.patches,
        )
    )
    text = bench_text(bench)
    print(text)
    write_outputs(arguments.output, text, asdict(bench))
    return 0


def run_growth(arguments: argparse.Namespace) -> int:
    """Measure CTs of growing size, print tables, draw."""
    from ...study.bench.scaling.growth import run_scaling, scaling_text
    from ...system.files import check_writable, whole_file, write_text

    check_matplotlib()
    if len(set(arguments.slices)) < 2:
        raise InputError(f"--slices is {arguments.slices[0]} only; expected two different numbers or more")
    check_writable(arguments.picture)
    settings = ScalingSettings(slices=tuple(arguments.slices), sides=tuple(arguments.side))
    scaling = run_scaling(settings, arguments.threads)
    print(scaling_text(scaling))

    from ...study.bench.scaling.plot import plot

    figures = arguments.picture.with_suffix(".json")
    write_text(figures, json.dumps(asdict(scaling), indent=2) + "\n")
    with whole_file(arguments.picture) as temporary:
        temporary.write_bytes(plot(scaling))
    print(f"written: {arguments.picture}, {figures}")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Compare with the committed table; 1 when something became slower."""
    from ...study.bench.guard.check import compare, measure_ratios, read_table, write_table
    from ...study.bench.machine import describe_machine
    from ...study.bench.table import guard_table
    from ...system.files import check_writable

    machine = describe_machine()
    if arguments.write:
        check_writable(arguments.table)
        write_table(arguments.table, measure_ratios(), machine)
        print(f"written: {arguments.table}")
        return 0
    committed = read_table(arguments.table)
    comparisons = compare(committed, measure_ratios())
    print(guard_table(comparisons))
    slower = [one.name for one in comparisons if one.lost]
    if slower:
        print(f"slower by more than 25 %: {'; '.join(slower)}", file=sys.stderr)
    return SLOWER if slower else 0


def run_gpu_check(arguments: argparse.Namespace) -> int:
    """Check and measure the GPU; 1 when a check failed, 2 without a GPU."""
    from ...cascade.load import check_torch
    from ...system.files import check_writable, write_text

    if arguments.report is not None:
        check_writable(arguments.report)
    check_torch()
    from ...study.bench.gpu.run import report_text, run_gpu

    report = run_gpu(lambda line: print(line, file=sys.stderr, flush=True))
    print(report_text(report))
    if arguments.report is not None:
        write_text(arguments.report, json.dumps(asdict(report), indent=2) + "\n")
        print(f"written: {arguments.report}")
    return 0 if report.passed else CHECK_FAILED


def patch_count(text: str) -> int:
    """Parse a number of patches; 'all' is 0."""
    return 0 if text == "all" else at_least(1)(text)


def check_outputs(paths: list[Path]) -> None:
    """Raise InputError for files that cannot be written, before minutes are spent."""
    from ...system.files import check_writable

    for path in paths:
        if path.suffix not in SUFFIXES:
            raise InputError(f"--output is {path}; expected a name that ends in one of: {', '.join(SUFFIXES)}")
        check_writable(path)


def write_outputs(paths: list[Path], text: str, content: dict[str, Any]) -> None:
    """Write the text or the values, by suffix."""
    from ...system.files import write_text

    for path in paths:
        write_text(path, text if path.suffix == ".md" else json.dumps(content, indent=2, default=str) + "\n")
        print(f"written: {path}")
