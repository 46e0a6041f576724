"""What an export has written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..record.edits import Edit


@dataclass(frozen=True)
class Region:
    """A region that was written.

    Attributes:
        name: as it is called in the file.
        algorithm: AUTOMATIC; SEMIAUTOMATIC when a person changed or drew some of it; "" when no run made it.
        slices: how many of the CT's slices have contours.
        figures: of it for the audit trail, see `report.record.figures`.
        edit: what a person changed of the run's result; None where nothing, or where no run made it.
    """

    name: str
    algorithm: str
    slices: int
    figures: dict[str, Any]
    edit: Edit | None = None


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: where.
        kind: "RTSTRUCT" or "SEG".
        regions: what was put into it.
        base: the structure set that it continues, or None.
        approved: whether the file says that it is approved.
        ct: which CT it was, for the audit trail.
    """

    path: Path
    kind: str
    regions: tuple[Region, ...]
    base: Path | None = None
    approved: bool = False
    ct: dict[str, str] = field(default_factory=dict)
