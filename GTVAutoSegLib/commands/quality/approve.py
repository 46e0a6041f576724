"""``gtvautoseg approve``: a qualified person's name on an outline, until a voxel changes or it is withdrawn."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError

if TYPE_CHECKING:
    from ...report.record.approval import Approval


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "targets", metavar="TARGET", nargs="+", type=Path, help="the folder of a batch's case, or a mask's file"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--reviewer",
        metavar="NAME",
        help="the qualified person who has looked at every slice; goes into the report and the structure set",
    )
    what.add_argument(
        "--withdraw",
        metavar="REASON",
        help="take the approval back, and say why in a sentence without names of patients; who does is the login",
    )


def run(arguments: argparse.Namespace) -> None:
    """Approve what a person has looked at, or take approvals back; nothing is done unless all can be."""
    (_approve if arguments.withdraw is None else _withdraw)(arguments)


def _approve(arguments: argparse.Namespace) -> None:
    from ...batch.approving import approve_case, check_case
    from ...batch.trail import case_figures
    from ...report.record.approval import approve, approve_file, mask_file_sha256
    from ...report.record.audit import APPROVAL, append, trail_for
    from ...report.record.figures import file_figures

    approve(arguments.reviewer, "")  # a name that does not fit is said before anything is written
    for target in arguments.targets:
        check_case(target) if target.is_dir() else mask_file_sha256(_existing(target))
        _check_trail(trail_for(_inside(target)))
    for target in arguments.targets:
        approval = (approve_case if target.is_dir() else approve_file)(target, arguments.reviewer)
        figures = case_figures(check_case(target)) if target.is_dir() else file_figures(target)
        named = {"case": target.resolve().name, "reviewer": approval.reviewer, "mask_sha256": approval.mask_sha256}
        append(trail_for(_inside(target)), APPROVAL, {**figures, **named})
        print(f"approved: {target}, by {approval}; it lapses when a voxel changes")


def _check_trail(trail: Path) -> None:
    """Raise InputError where an approval would be given that the trail could not tell of."""
    from ...system.files import check_writable

    try:
        check_writable(trail)
    except InputError:
        raise InputError(
            f"{trail} cannot be written, and an approval is not given without its record; make it writable"
        ) from None


def _withdraw(arguments: argparse.Namespace) -> None:
    from ...batch.approving import approval_to_withdraw, withdraw_target
    from ...report.record.approval import taken_back, withdraw
    from ...report.record.audit import WITHDRAWAL, append, trail_for

    found: list[tuple[Path, Approval]] = []
    for target in arguments.targets:
        approval = approval_to_withdraw(target if target.is_dir() else _existing(target))
        found.append((target, approval if approval.withdrawn else withdraw(approval, arguments.withdraw)))
    for target, approval in found:
        gone = approval.withdrawn
        trail = trail_for(_inside(target))
        if gone is not None and not _is_noted(trail, target, approval):
            # First of all: there is no withdrawal without its record.
            told = {"reviewer": approval.reviewer, "approved_at": approval.at, "reason": gone.reason}
            append(trail, WITHDRAWAL, {"case": target.resolve().name, **told, "mask_sha256": approval.mask_sha256})
        withdraw_target(target, approval)
        print(f"withdrawn: {taken_back(approval, str(target))}")


def _is_noted(trail: Path, target: Path, approval: Approval) -> bool:
    """Whether the trail tells of this withdrawal already: a run was killed, or the command given twice."""
    from ...report.record.audit import WITHDRAWAL, read_trail

    wanted = (WITHDRAWAL, target.resolve().name, approval.at, approval.mask_sha256)
    keys = ("what", "case", "approved_at", "mask_sha256")
    return trail.is_file() and any(tuple(map(one.get, keys)) == wanted for one in read_trail(trail).records)


def _inside(target: Path) -> Path:
    """A file of the target, by which its trail is found."""
    return target / "result.json" if target.is_dir() else target


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected the folder of a batch's case, or a mask's file")
    return path
