"""When a record was written, and clocks that were wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

# Clocks of machines that write into one folder may differ by so much.
CLOCKS_APART = timedelta(minutes=5)
# Dates that a clock may show, and with which can be reckoned.
FIRST_YEAR, LAST_YEAR = 1970, 2200


def clock_remarks(path: Path, records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence when times in a trail go backwards, or lie ahead of now."""
    latest: datetime | None = None
    back: tuple[timedelta, Any] | None = None
    for record in records:
        at = time_of(record)
        if at is None:
            continue
        if latest is not None and latest - at > (back[0] if back else CLOCKS_APART):
            back = (latest - at, record.get("number"))
        latest = at if latest is None else max(latest, at)
    if back is not None:
        yield (
            f"{path}: the clock went back by {_duration(back[0])} at record {back[1]}, so weeks around it may be wrong"
        )
    if latest is not None and latest - datetime.now(timezone.utc) > timedelta(days=1):
        yield f"{path}: records are dated up to {latest:%Y-%m-%d}, which is yet to come, so a clock was wrong"


def _duration(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} min"


def time_of(record: Mapping[str, Any]) -> datetime | None:
    """When a record was written, with its zone; None where that cannot be read."""
    try:
        at = datetime.fromisoformat(str(record.get("at")))
        at = at if at.tzinfo else at.astimezone()
    except (ValueError, OverflowError, OSError):
        return None
    return at if FIRST_YEAR <= at.year <= LAST_YEAR else None
