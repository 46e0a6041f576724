"""Tables as CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

# With one of these a cell is a formula to spreadsheets, which may call programs and addresses.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(rows: Iterable[Sequence[Any]], form: str = "") -> str:
    """Rows as CSV; a text that a spreadsheet would compute gets an apostrophe in front, numbers stay numbers.

    Args:
        rows: of cells; a NaN stays empty.
        form: how floats are written, as for `format`; by default with all their digits.
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_cell(cell, form) for cell in row] for row in rows)
    return text.getvalue()


def _cell(cell: Any, form: str) -> Any:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else format(cell, form)
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA) and not _is_number(cell)
    return f"'{cell}" if is_formula else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "\t" not in text and "\r" not in text
