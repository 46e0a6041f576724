"""JSON of files that anybody may have made: too much of it, or nested too deeply, is an error like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The largest that is written here, the record of a batch's case, has some kilobytes.
MOST_BYTES = 16 << 20


def parse_json(text: str | bytes) -> Any:
    """Decode JSON.

    Raises:
        ValueError: it is none, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path) -> Any:
    """Decode a JSON file in UTF-8.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, is nested too deeply, or is larger than `MOST_BYTES`.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    return parse_json(content)
