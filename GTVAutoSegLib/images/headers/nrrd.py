"""The header of an NRRD file, https://teem.sourceforge.net/nrrd/format.html."""

from __future__ import annotations

import math
import re
from pathlib import Path

from .header import Header, bytes_of, check_spacings, check_units, data_file, header_text, ordered, unfit

NRRD_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
# Other spaces ("scanner-xyz", "3D-right-handed") do not tell how the patient lies in them; ITK takes them for LPS.
NRRD_PATIENT_SPACES = {
    "ras",
    "las",
    "lps",
    "right-anterior-superior",
    "left-anterior-superior",
    "left-posterior-superior",
}
NRRD_ORDERS = {"little": "<", "big": ">"}
# Fields by which stored numbers stand for others.
QUANTISED = {"old min", "oldmin", "old max", "oldmax"}


def read_nrrd(path: Path) -> Header:
    """Read the header of an .nrrd or .nhdr file.

    Raises:
        InputError: other units than mm, or numbers that stand for others.
        ValueError: no such file; KeyError as well.
    """
    text, offset = header_text(path, b"\n\n", b"\r\n\r\n")
    if not text.startswith("NRRD000"):
        raise ValueError("no NRRD header")
    lines = (line for line in text.splitlines()[1:] if ":" in line and ":=" not in line and not line.startswith("#"))
    fields = {key.strip().lower(): value.strip() for key, value in (line.split(":", 1) for line in lines)}
    _check_meaning(path, fields)
    sizes = tuple(int(size) for size in fields["sizes"].split())
    name = fields.get("data file", fields.get("datafile", ""))
    data = data_file(path, name)
    encoding = fields["encoding"].lower()
    kind = NRRD_TYPES.get(fields["type"].lower())
    size = math.prod(sizes) * bytes_of(kind)
    skipped = fields.keys() & {"line skip", "byte skip", "lineskip", "byteskip"}
    offset = 0 if name else offset
    if skipped and data is not None and encoding == "raw":
        offset = _after_skips(data, fields, offset, size)
    elif skipped:
        data = None  # teem itself fails when such data are short
    directions = _vectors(fields.get("space directions", ""))
    return Header(
        sides=sizes,
        spacing=_spacing(path, fields, directions) if len(sizes) == 3 else (),
        data=data if encoding in ("raw", "gzip", "gz") else None,
        offset=offset,
        compressed=encoding != "raw",
        size=size,
        oriented=fields.get("space", "").lower() in NRRD_PATIENT_SPACES,
        kind=ordered(kind, NRRD_ORDERS.get(fields.get("endian", "").lower())),
        place=tuple(part for vector in _vectors(fields.get("space origin", "")) for part in vector),
    )


def _check_meaning(path: Path, fields: dict[str, str]) -> None:
    """Raise for other units, and for numbers that stand for others."""
    for key in ("space units", "units"):
        for unit in re.findall(r'"[^"]*"|\S+', fields.get(key, "")):
            check_units(path, unit)
    quantised = sorted(fields.keys() & QUANTISED)
    if quantised:
        raise unfit(path, f"the field '{quantised[0]}', by which its numbers stand for others", "HU themselves")


def _spacing(path: Path, fields: dict[str, str], directions: list[tuple[float, ...]]) -> tuple[float, ...]:
    given = tuple(float(value) for value in fields.get("spacings", "nan nan nan").split())
    if "space directions" not in fields:
        return given
    lengths = tuple(math.hypot(*vector) for vector in directions)
    if all(map(math.isfinite, given)):
        check_spacings(path, given, lengths, places=("spacings", "space directions"))
    return lengths


def _vectors(text: str) -> list[tuple[float, ...]]:
    """Vectors such as (1,0,0); "none" becomes NaN."""
    vectors = text.replace(" ", "").replace("none", "(nan)").strip("()").split(")(")
    return [tuple(float(part) for part in vector.split(",")) for vector in vectors if vector]


def _after_skips(data: Path, fields: dict[str, str], offset: int, size: int) -> int:
    """Where raw voxels begin when lines or bytes before them are to be skipped; -1 bytes counts from the end."""
    if not data.is_file():
        return offset
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    if skip < 0:
        return data.stat().st_size - size
    with data.open("rb") as file:
        file.seek(offset)
        for _ in range(int(fields.get("line skip", fields.get("lineskip", "0")))):
            file.readline()
        return file.tell() + skip
