"""A table of cases: a .csv file with the columns name and path, and box where the tumour's place is known."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

COLUMNS = ("name", "path")
BOX = "box"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        number: counts from 1, the line of the column names.
        name: of the case.
        path: of the CT.
        box: where to look, see `Region.of_words`, words separated by spaces; "" for everywhere.
    """

    number: int
    name: str
    path: str
    box: str = ""


def read_rows(table: Path) -> list[Row]:
    """Read the rows of a table; empty lines and repetitions are left out, further columns are ignored.

    Raises:
        InputError: the file is not UTF-8 text, lacks a column, or has no path in a row.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read as UTF-8 text ({error}); save it as 'CSV UTF-8'") from None
    # Spreadsheets of half of Europe separate by semicolons.
    first = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=";" if ";" in first and "," not in first else ",")
    columns = [column.strip().lower() for column in next(reader, [])]
    if any(column not in columns for column in COLUMNS):
        raise InputError(f"{table} has the columns {', '.join(columns) or 'none'}; expected {' and '.join(COLUMNS)}")
    rows: dict[tuple[str, ...], Row] = {}
    for values in reader:
        if not any(value.strip() for value in values):
            continue
        name, path = (_value(values, columns.index(column)) for column in COLUMNS)
        if not path:
            raise InputError(f"{table} has no path in line {reader.line_num}; expected a volume or a folder")
        box = _value(values, columns.index(BOX)) if BOX in columns else ""
        rows.setdefault((name, path, box), Row(reader.line_num, name, path, box))
    return list(rows.values())


def _value(values: list[str], index: int) -> str:
    return values[index].strip() if index < len(values) else ""
