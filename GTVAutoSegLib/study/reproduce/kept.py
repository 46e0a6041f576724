"""Files of a run's folder that hold nothing which cannot be made anew: a damaged one counts as missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...system.json_text import read_json


def read_kept(path: Path, keys: Iterable[str] = ()) -> dict[str, Any] | None:
    """A JSON object; None when the file is missing, cannot be read, holds no JSON object, or lacks one of the keys."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() >= set(keys) else None
