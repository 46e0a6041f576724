"""An audit trail: who did what when, one JSON object a line, only ever appended.

Each record holds the hash of the one before it, so that a record that was altered, removed or put in between is found;
records taken off the end are found only by somebody who has noted a later hash. There is no patient's name in it.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...system.files import written
from ...system.lock import locked_file

AUDIT = "audit.jsonl"
# Who is at work, where the login does not tell.
USER = "GTVAUTOSEG_USER"
FIRST = "0" * 64
PATIENCE_S = 30
# What a record tells of.
RUN, EDIT, COMPLETION, APPROVAL, LAPSE, EXPORT = "run", "edit", "completion", "approval", "lapse", "export"
# A person has taken an approval back.
WITHDRAWAL = "withdrawal"
COLLECT = "collect"


@dataclass(frozen=True)
class Trail:
    """An audit trail as it was read.

    Attributes:
        records: as decoded JSON, up to the first that does not fit.
        problem: what is wrong with the next one; "" when all fit.
        head: hash of the last record that fits.
    """

    records: tuple[dict[str, Any], ...]
    problem: str
    head: str


def user() -> str:
    """Who is at work: the environment variable GTVAUTOSEG_USER, or the login."""
    try:
        return os.environ.get(USER, "").strip() or getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this user id
        return "unknown"


def append(path: Path, what: str, details: Mapping[str, Any], who: str = "") -> None:
    """Add a record, whole or not at all; several processes may do so at once.

    Args:
        path: the trail; made if need be.
        what: one of the words above.
        details: JSON-ready values, without a patient's name.
        who: who did it; "" takes `user`.

    Raises:
        DiskError: it could not be written.
        InputError: another process keeps the file locked.
    """
    with written(path), locked_file(path, PATIENCE_S) as file:
        text = file.read()
        kept = text[: text.rfind(b"\n") + 1]
        if kept != text:  # what a process that was killed had begun
            file.truncate(len(kept))
        added = next_line(kept.decode("utf-8", "replace"), what, details, who).encode()
        file.seek(0, os.SEEK_END)
        file.write(added)
        file.flush()
        os.fsync(file.fileno())


def now() -> str:
    """The time of now with its zone, ISO 8601, to the second, as every record has it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def next_line(text: str, what: str, details: Mapping[str, Any], who: str = "") -> str:
    """The line that continues a trail, with its line break."""
    lines = text.splitlines()
    last = _decode(lines[-1]) if lines else None
    record = {
        "number": len(lines) + 1,
        "at": now(),
        "who": who or user(),
        "what": what,
        **details,
        # Where the last line is no record, the hash of its bytes: the next check then names that line.
        "previous": FIRST if not lines else last["sha256"] if last else hashlib.sha256(lines[-1].encode()).hexdigest(),
    }
    return json.dumps({**record, "sha256": _digest(record)}) + "\n"


def check(text: str) -> Trail:
    """Check the chain of a trail."""
    records: list[dict[str, Any]] = []
    head = FIRST
    for number, line in enumerate(text.splitlines(), start=1):
        record = _decode(line)
        if record is None:
            return Trail(tuple(records), f"record {number} is no record: the line was altered or breaks off", head)
        if record.get("sha256") != _digest(record):
            return Trail(tuple(records), f"record {number} ({_named(record)}) was altered", head)
        if record.get("previous") != head or record.get("number") != number:
            problem = (
                f"record {number} ({_named(record)}) does not follow record {number - 1}: one was removed or put in"
            )
            return Trail(tuple(records), problem, head)
        records.append(record)
        head = record["sha256"]
    return Trail(tuple(records), "", head)


def read_trail(path: Path) -> Trail:
    """Read and check a trail; raises InputError when there is none or it cannot be read."""
    try:
        return check(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected the audit trail of a folder") from None


def trail_of(path: Path) -> Path | None:
    """The trail of the results folder that a file lies in, or the one above it, as the cases of a batch; or None."""
    folder = path.absolute().parent
    return next((one / AUDIT for one in (folder, folder.parent) if (one / AUDIT).is_file()), None)


def trail_for(path: Path) -> Path:
    """The trail that a result's file belongs to: the one there is, or a new one beside the file."""
    return trail_of(path) or path.absolute().parent / AUDIT


def _decode(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("sha256"), str) else None


def _digest(record: Mapping[str, Any]) -> str:
    content = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _named(record: Mapping[str, Any]) -> str:
    return f"{record.get('what')} of {record.get('at')} by {record.get('who')}"
