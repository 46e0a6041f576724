"""``gtvautoseg reproduce``: the paper's tables on a data set of one's own."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ...errors import Cancelled, InputError
from ...system.resources import shipped
from ..learning.train import load_settings
from ..options import SOME_FAILED, add_training, at_least, check_matplotlib

TABLE_NAMES = ("table2", "table3", "table4", "table5", "table6")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "table",
        metavar="TABLE",
        choices=(*TABLE_NAMES, "all"),
        help="table2 (all systems), table3 (sampling ratios), table4 (the classifier before every network), table5 "
        "(parts left out), table6 (losses), or all",
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        help="folder with <case>/data and <case>/label; or with such folders named train and val, of which val is the "
        "test set; otherwise a fifth of the cases is",
    )
    parser.add_argument(
        "output", metavar="OUT", type=Path, help="folder of the results; the same command goes on there"
    )
    parser.add_argument(
        "--task", help="name, or .json file of your own; by default the task named like the data set's folder"
    )
    parser.add_argument("--preset", default="paper", help="paper (default), small, or a .json file of your own")
    parser.add_argument("--size", type=at_least(1), metavar="PIXELS", help="side of the networks' input (the preset's)")
    parser.add_argument("--width", type=at_least(1), metavar="CHANNELS", help="width of all networks (the preset's)")
    parser.add_argument("--folds", type=at_least(1), metavar="K", help="run the first K of the preset's folds (all)")
    parser.add_argument("--cases", type=at_least(1), metavar="N", help="take N cases only, drawn by the preset's seed")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=at_least(1), metavar="N", help="at most N epochs for every network")
    length.add_argument(
        "--budget", type=hours, metavar="HOURS", help="as many epochs, the same for every network, as fit in this time"
    )
    parser.add_argument("--no-3d", action="store_true", help="leave the 3D systems of table 2 out")
    parser.add_argument(
        "--systems", nargs="+", default=[], metavar="ROW", help="compare only these rows of the tables with HCF"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=at_least(1), default=1, metavar="N", help="trainings at once on this machine (1)")
    where.add_argument("--scheduler", default="", metavar="ADDRESS", help="train on the workers of a Dask scheduler")
    add_training(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--dry-run",
        action="store_true",
        help="train nothing: prepare slices, time the networks, both kept in OUT, and show the plan with its time",
    )
    what.add_argument("--report-only", action="store_true", help="write the tables from what is finished")
    parser.epilog = (
        "Exit codes: 0 every system trained; 1 some failed, which the tables say. A run that was stopped or killed is "
        "continued by the same command; at most an epoch of each network that was being trained is lost."
    )


def hours(text: str) -> float:
    """Parse a time, above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of hours above 0")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Plan, train, score, and write the tables."""
    check_matplotlib()
    if not arguments.dataset.is_dir():
        raise InputError(f"{arguments.dataset} is not a folder; expected a data set with one folder per case")
    task_name = arguments.task or _task_named_like(arguments.dataset)
    task, preset = load_settings(task_name, arguments.preset)
    preset = replace(preset, size=arguments.size or preset.size, width=arguments.width or preset.width)
    from ...study.reproduce.request import Request
    from ...study.reproduce.run import reproduce

    request = Request(
        tables=TABLE_NAMES if arguments.table == "all" else (arguments.table,),
        dataset=arguments.dataset,
        folder=arguments.output,
        store=arguments.store or arguments.output / "slices",
        task=task.resized(preset.size, preset.width),
        task_name=task_name,
        preset=preset,
        preset_name=arguments.preset,
        device=arguments.device,
        precision=arguments.precision,
        folds=arguments.folds,
        cases=arguments.cases,
        epochs=arguments.epochs,
        budget_hours=arguments.budget,
        jobs=arguments.jobs,
        scheduler=arguments.scheduler,
        volumes=not arguments.no_3d,
        systems=tuple(arguments.systems),
    )
    try:
        failed = reproduce(
            request,
            lambda text: print(text, file=sys.stderr, flush=True),
            dry_run=arguments.dry_run,
            report_only=arguments.report_only,
        )
    except KeyboardInterrupt:
        raise Cancelled("the run was stopped; the same command continues it") from None
    return SOME_FAILED if failed else 0


def _task_named_like(dataset: Path) -> str:
    names = shipped("Tasks")
    name = dataset.resolve().name
    if name not in names:
        raise InputError(
            f"no task is named like the data set's folder ({name}), and its window of grey values has to be known; "
            f"give --task, the path of a .json file or one of: {', '.join(names)}"
        )
    return name
