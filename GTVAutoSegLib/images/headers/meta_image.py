"""The header of a MetaImage file, https://itk.org/Wiki/ITK/MetaIO/Documentation."""

from __future__ import annotations

import math
from pathlib import Path

from .header import (
    HEADER_LIMIT,
    Header,
    agree,
    bytes_of,
    check_unit_vectors,
    check_units,
    data_file,
    header_text,
    ordered,
    unfit,
)

META_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
# Fields of which each is another name of the same.
ORIGINS = ("Offset", "Position", "Origin")
INTENSITY = (("Slope", "1"), ("Offset", "0"))
WORDS = {"", "true", "false", "t", "f", "1", "0"}
NINE = 9  # numbers of three directions
DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")


def read_meta_image(path: Path) -> Header:
    """Read the header of an .mha or .mhd file.

    Raises:
        InputError: other units than mm, a function of the stored numbers, or a geometry that contradicts itself.
        ValueError: no such file; KeyError as well.
    """
    text, stop = header_text(path, b"ElementDataFile")
    with path.open("rb") as file:
        file.seek(stop)
        text += file.readline(HEADER_LIMIT).decode("utf-8", "surrogateescape")
        offset = file.tell()
    lines = (line for line in text.splitlines() if "=" in line)
    fields = {key.strip(): value.strip() for key, value in (line.split("=", 1) for line in lines)}
    sizes = tuple(int(size) for size in fields["DimSize"].split())
    if len(sizes) != int(fields["NDims"]):
        raise ValueError("DimSize and NDims disagree")
    _check_meaning(path, fields)
    name = "" if fields["ElementDataFile"].upper() == "LOCAL" else fields["ElementDataFile"]
    kind = META_TYPES.get(fields["ElementType"])
    size = math.prod(sizes) * int(fields.get("ElementNumberOfChannels", "1")) * bytes_of(kind)
    compressed = _is_true(fields.get("CompressedData", ""))
    data = data_file(path, name)
    offset = 0 if name else offset
    if "HeaderSize" in fields and data is not None:
        offset = _after_header(data, int(fields["HeaderSize"]), offset, size)
        data = None if compressed else data
    msb = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", ""))
    order = (">" if _is_true(msb) else "<") if msb else None
    binary = _is_true(fields.get("BinaryData", ""))  # otherwise the voxels are numbers in writing
    return Header(
        sides=sizes,
        spacing=_spacing(path, fields, len(sizes)),
        data=data,
        offset=offset,
        compressed=compressed,
        size=size,
        oriented=any(key in fields for key in DIRECTIONS),
        kind=ordered(kind, order) if binary else "",
        place=_place(path, fields),
    )


def _check_meaning(path: Path, fields: dict[str, str]) -> None:
    """Raise for other units, and for numbers that stand for others."""
    check_units(path, fields.get("DistanceUnits", "").replace("MET_DISTANCE_UNITS_", ""))
    slope, offset = (float(fields.get(f"ElementToIntensityFunction{what}", usual)) for what, usual in INTENSITY)
    if (slope, offset) != (1, 0):
        raise unfit(path, f"an intensity function, {slope:g} times its numbers and {offset:g}", "HU themselves")


def _spacing(path: Path, fields: dict[str, str], axes: int) -> tuple[float, ...]:
    if "ElementSpacing" not in fields and "ElementSize" in fields:
        raise unfit(path, "the size of its voxels (ElementSize) but not how far they are apart", "ElementSpacing")
    spacing = tuple(float(value) for value in fields.get("ElementSpacing", "nan nan nan").split())
    return spacing if len(spacing) == axes else (math.nan,) * axes


def _place(path: Path, fields: dict[str, str]) -> tuple[float, ...]:
    """All numbers of origin and directions; raises InputError for directions that are none, or given differently."""
    numbers: tuple[float, ...] = ()
    for names in (ORIGINS, DIRECTIONS):
        given = [tuple(float(value) for value in fields[name].split()) for name in names if name in fields]
        if any(not agree(one, given[0]) for one in given[1:] if all(map(math.isfinite, one))):
            raise unfit(path, f"several of {', '.join(names)} that differ", "one of them")
        numbers += given[0] if given else ()
        if names is DIRECTIONS and given and len(given[0]) == NINE:
            check_unit_vectors(path, [given[0][start : start + 3] for start in (0, 3, 6)])
    return numbers


def _after_header(data: Path, length: int, offset: int, size: int) -> int:
    """Where voxels begin after a header of another program; -1 counts from the end of the file."""
    if length < 0:
        return data.stat().st_size - size if data.is_file() else offset
    return length


def _is_true(text: str) -> bool:
    """As MetaIO reads it, by the first letter; raises ValueError for a word that is neither true nor false."""
    if text.lower() not in WORDS:
        raise ValueError(f"{text} is neither true nor false")
    return text[:1] in ("T", "t", "1")
