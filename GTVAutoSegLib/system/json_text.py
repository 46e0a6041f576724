"""JSON of files that anybody may have made: too much of it, too deep, or a huge number, is an error like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The largest that is written here, the record of a batch's case, has some kilobytes.
MOST_BYTES = 16 << 20
# No float holds a longer whole number: what computes with it ends with an OverflowError.
MOST_DIGITS = 300


def parse_json(text: str | bytes) -> Any:
    """Decode JSON.

    Raises:
        ValueError: it is none, is nested too deeply, or holds a whole number of more than `MOST_DIGITS`.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path) -> Any:
    """Decode a JSON file in UTF-8.

    Raises:
        OSError: it cannot be read.
        ValueError: as of `parse_json`; or it is larger than `MOST_BYTES`.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    return parse_json(content)


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise ValueError(f"it holds a whole number of {len(digits.lstrip('-'))} digits, more than {MOST_DIGITS}")
    return int(digits)
