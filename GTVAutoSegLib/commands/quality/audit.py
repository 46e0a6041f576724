"""``gtvautoseg audit``: whether the audit trail of a results folder is as it was written."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import InputError
from ...system.names import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a results folder, or its audit.jsonl")
    parser.add_argument(
        "--head", metavar="SHA256", help="the hash of a record noted earlier: says so when it is no longer there"
    )
    parser.add_argument("--list", action="store_true", help="also print the records, one a line")


def run(arguments: argparse.Namespace) -> None:
    """Check the chain, and name the first record that was altered."""
    from ...report.record.audit import AUDIT, read_trail

    path = arguments.folder / AUDIT if arguments.folder.is_dir() else arguments.folder
    trail = read_trail(path)
    if arguments.list:
        for record in trail.records:
            known = ("number", "at", "who", "what", "previous", "sha256")
            rest = ", ".join(f"{key} {value}" for key, value in record.items() if key not in known and value != "")
            print(f"{record['number']}  {record['at']}  {record['who']}  {record['what']}: {rest}")
    if trail.problem:
        raise InputError(f"{path}: {trail.problem}; those before it ({len(trail.records)}) are as they were written")
    if arguments.head and arguments.head not in {record["sha256"] for record in trail.records}:
        raise InputError(
            f"{path} has no record with the hash {arguments.head}; expected it, so records were taken off its end"
        )
    print(f"{counted(len(trail.records), 'record')}, none altered; hash of the last: {trail.head}")
