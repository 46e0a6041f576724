"""``gtvautoseg drift``: control charts of how much people edit, and whether something changed."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from ..options import at_least

HTML, JSON = "drift.html", "drift.json"
LEAST_WEEKS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folders",
        metavar="FOLDER",
        nargs="+",
        type=Path,
        help="results folders, searched with all their subfolders for audit.jsonl; or a trail's file",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help=f"folder for {HTML} and {JSON}")
    baseline = parser.add_mutually_exclusive_group()
    baseline.add_argument(
        "--baseline", nargs=2, type=day, metavar=("FROM", "TO"), help="the days that make the limits, YYYY-MM-DD"
    )
    baseline.add_argument(
        "--baseline-weeks",
        type=at_least(LEAST_WEEKS),
        default=12,
        metavar="N",
        help=f"how many first weeks make them instead (12; at least {LEAST_WEEKS})",
    )
    parser.add_argument("--since", type=day, metavar="DAY", help="leave out outlines that people looked at earlier")
    parser.epilog = "exit codes: 0 no change is shown; 1 something changed, or a trail was altered; 2 no trail"


def run(arguments: argparse.Namespace) -> int:
    """Read the trails, write the page, and say whether something changed."""
    from ...errors import InputError
    from ...report.drift.drift import Options, find_drift
    from ...report.drift.page import drift_page
    from ...report.drift.reviews import gather
    from ...system.files import make_folder, write_json, write_text

    period = tuple(arguments.baseline) if arguments.baseline else None
    if period and period[0] > period[1]:
        raise InputError(f"--baseline goes from {period[0]} to {period[1]}; expected the earlier day first")
    gathered = gather(arguments.folders)
    found = find_drift(gathered, Options(arguments.baseline_weeks, period=period, since=arguments.since))
    make_folder(arguments.output)
    write_json(arguments.output / JSON, found.to_json())
    write_text(arguments.output / HTML, drift_page(found))
    for text in (*gathered.broken, *found.remarks):
        print(f"warning: {text}", file=sys.stderr)
    print(found.sentence)
    print(f"written: {arguments.output / HTML}, {arguments.output / JSON}")
    return 1 if found.needs_person else 0


def day(text: str) -> date:
    """Parse YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no day, expected YYYY-MM-DD") from None
