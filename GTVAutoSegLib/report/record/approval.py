"""A qualified person's approval of an outline: bound to its voxels, it lapses when one of them changes.

Nothing here approves by itself: there is no approval without a person's name given for this very outline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ...errors import InputError
from ...images.masks.files import voxels_of
from ...images.masks.structure import Review
from ...system.files import write_json
from ...system.json_text import read_json
from ...system.settings import as_json, parse_settings
from ...system.tags import APPROVAL_TAGS
from .audit import now, user

SUFFIX = ".approval.json"
# Longest component group of a person's name (VR PN).
LONGEST_NAME = 64
LONGEST_REASON = 300
FORBIDDEN = "\\=|:\n\r\t"


@dataclass(frozen=True)
class Withdrawal:
    """Who has taken an approval back (their login), when (ISO 8601 with the zone), and why."""

    by: str
    at: str
    reason: str


@dataclass(frozen=True)
class Approval:
    """Who has approved an outline.

    Attributes:
        reviewer: the person's name, as it goes into a structure set.
        at: when, ISO 8601 with the zone.
        login: under which it was done.
        mask_sha256: of the voxels that were approved.
        withdrawn: by whom and why it was taken back, after which it never holds again; None while nobody has.
    """

    reviewer: str
    at: str
    login: str
    mask_sha256: str
    withdrawn: Withdrawal | None = None

    @property
    def review(self) -> Review:
        """The same for a structure set."""
        return Review(self.reviewer, datetime.fromisoformat(self.at))

    def __str__(self) -> str:
        """Who and when."""
        return f"{self.reviewer}, {self.at}"


def approve(reviewer: str, mask_sha256: str) -> Approval:
    """An approval of now.

    Raises:
        InputError: the name is missing or does not fit into a structure set.
    """
    name = reviewer.strip()
    if not name:
        raise InputError("an approval needs the name of the person who has looked at every slice; give that name")
    if len(name) > LONGEST_NAME or any(sign in name for sign in FORBIDDEN):
        raise InputError(
            f"the reviewer's name is '{name}'; expected at most {LONGEST_NAME} characters without backslash, =, | and :"
        )
    return Approval(name, now(), user(), mask_sha256)


def withdraw(approval: Approval, reason: str) -> Approval:
    """An approval with its withdrawal of now.

    Raises:
        InputError: the reason is missing, or longer than a sentence.
    """
    text = " ".join(reason.split())
    if not text:
        raise InputError("an approval is withdrawn for a reason, and none is given; say what is wrong, without names")
    if len(text) > LONGEST_REASON or not text.isprintable():
        raise InputError(
            f"the reason for withdrawing an approval has {len(text)} characters; expected a printable sentence of at "
            f"most {LONGEST_REASON}, so shorten it"
        )
    return replace(approval, withdrawn=Withdrawal(user(), now(), text))


def approval_of_tags(tags: Mapping[str, str]) -> Approval | None:
    """The approval that a segment's tags tell of, whether it still holds or not; None without one."""
    reviewer, at, login, sha256 = (tags.get(name, "") for name in APPROVAL_TAGS)
    # A colon would end a tag in a file.
    return Approval(reviewer, at.replace(".", ":"), login, sha256) if reviewer else None


def approve_file(path: Path, reviewer: str) -> Approval:
    """Approve the mask in a file; the approval is written beside it.

    Raises:
        InputError: the file is no mask, or the name does not fit.
        DiskError: writing failed.
    """
    approval = approve(reviewer, mask_file_sha256(path))
    write_json(_beside(path), as_json(approval))
    return approval


def withdraw_file(path: Path, approval: Approval) -> None:
    """Write an approval that was withdrawn in the place of the one beside a mask's file; raises DiskError."""
    write_json(_beside(path), as_json(approval))


def approval_beside(path: Path) -> Approval | None:
    """What was written beside a mask's file, whether it still holds or not; None where there is nothing.

    Raises:
        ValueError: it cannot be read as an approval.
        OSError: it cannot be read.
    """
    beside = _beside(path)
    try:
        approval = parse_settings(Approval, read_json(beside), beside.name)
    except FileNotFoundError:
        return None
    datetime.fromisoformat(approval.at)
    return approval


def approval_of_file(path: Path) -> tuple[Approval | None, str]:
    """The approval beside a mask's file; and a sentence when there is one that no longer holds."""
    try:
        approval = approval_beside(path)
    except (OSError, ValueError) as error:
        return None, f"{_beside(path)} cannot be read as an approval ({error}), so the export is not approved"
    if approval is None:
        return None, ""
    if approval.withdrawn is not None:
        return None, taken_back(approval, path.name)
    if approval.mask_sha256 != mask_file_sha256(path):
        return None, lapsed(approval, path.name)
    return approval, ""


def taken_back(approval: Approval, name: str) -> str:
    """The sentence for an approval that was withdrawn."""
    gone = approval.withdrawn
    assert gone is not None  # noqa: S101 - asked for those only
    return f"the approval of {name} by {approval} was withdrawn by {gone.by} on {gone.at} ({gone.reason})"


def lapsed(approval: Approval, name: str) -> str:
    """The sentence for an approval that no longer holds."""
    return f"the approval of {name} by {approval} has lapsed: voxels changed since, so look again and approve again"


def mask_file_sha256(path: Path) -> str:
    """SHA-256 of the voxels of a mask's file, their type aside, and of where they lie."""
    digest = hashlib.sha256()
    for layer in voxels_of(path):
        place = [*layer.array.shape, *(f"{value:.4f}" for value in (*layer.spacing, *layer.origin, *layer.direction))]
        digest.update(f"{place}".encode())
        digest.update(layer.array.astype("<i4").tobytes())
    return digest.hexdigest()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}{SUFFIX}")
