"""``gtvautoseg approve``: a qualified person's name and time on an outline, until a voxel of it changes."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "targets", metavar="TARGET", nargs="+", type=Path, help="the folder of a batch's case, or a mask's file"
    )
    parser.add_argument(
        "--reviewer",
        required=True,
        metavar="NAME",
        help="the qualified person who has looked at every slice; goes into the report and the structure set",
    )


def run(arguments: argparse.Namespace) -> None:
    """Approve what a person has looked at; nothing is approved unless all can be."""
    from ...batch.approving import approve_case, check_case
    from ...batch.trail import case_figures
    from ...report.record.approval import approve, approve_file, voxels_sha256
    from ...report.record.audit import APPROVAL, append, trail_for
    from ...report.record.figures import file_figures

    approve(arguments.reviewer, "")  # a name that does not fit is said before anything is written
    for target in arguments.targets:
        check_case(target) if target.is_dir() else voxels_sha256(_existing(target))
    for target in arguments.targets:
        approval = (approve_case if target.is_dir() else approve_file)(target, arguments.reviewer)
        figures = case_figures(check_case(target)) if target.is_dir() else file_figures(target)
        named = {"case": target.resolve().name, "reviewer": approval.reviewer, "mask_sha256": approval.mask_sha256}
        append(trail_for(target / "result.json" if target.is_dir() else target), APPROVAL, {**figures, **named})
        print(f"approved: {target}, by {approval}; it lapses when a voxel changes")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected the folder of a batch's case, or a mask's file")
    return path
