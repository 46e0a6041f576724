"""What every header says, and the errors for what makes no sense in any of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError

# A segmentation of Slicer may carry masks in its tags.
HEADER_LIMIT = 1 << 22
# How far spacings, and lengths of directions, that are given twice may differ: float32 and a few digits in writing.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Form:
    """One of the places that a header gives.

    Attributes:
        name: how the format calls it.
        affine: float64 (3, 4), from indices (x, y, z) to mm, LPS.
    """

    name: str
    affine: np.ndarray


@dataclass(frozen=True)
class Header:
    """What a raw header says.

    Attributes:
        sides: voxels along each axis (x, y, z, ...).
        spacing: mm, one per axis of the image; not checked yet, NaN where none is given.
        data: the file with the voxels, or None when there are several or they cannot be located.
        offset: where the (compressed) voxels begin in that file, bytes.
        compressed: whether a gzip or zlib stream begins there.
        size: how many bytes it must hold once decompressed.
        oriented: whether the orientation of the patient is recorded.
        kind: numpy type of the voxels, with its byte order; "" where the header does not say it in full.
        start: how many of these bytes lie before the voxels.
        scaled: whether a slope and an intercept are to be applied to the voxels.
        loses_nan: whether ITK would silently turn NaN and infinity into 0.
        place: further numbers of its geometry, which have to be finite.
        forms: places that contradict each other, of which ITK takes one.
    """

    sides: tuple[int, ...]
    spacing: tuple[float, ...]
    data: Path | None
    offset: int
    compressed: bool
    size: int
    oriented: bool = True
    kind: str = ""
    start: int = 0
    scaled: bool = False
    loses_nan: bool = False
    place: tuple[float, ...] = ()
    forms: tuple[Form, ...] = ()


def check(path: Path, header: Header) -> None:
    """Check what is the same for all formats.

    Raises:
        InputError: a side without voxels, no usable spacing, or a place that is none.
    """
    if not header.sides or min(header.sides) < 1:
        raise unfit(path, f"the size {' x '.join(map(str, header.sides)) or 'of nothing'}", "sides of at least 1 voxel")
    if not all(math.isfinite(value) and value > 0 for value in header.spacing):
        raise unfit(path, f"the voxel spacing {listed(header.spacing)}", "three numbers above 0 mm")
    bad = next((value for value in header.place if not math.isfinite(value)), None)
    if bad is not None:
        raise unfit(path, f"{bad:g} in its place or directions", "numbers of mm")


def unfit(path: Path, got: str, expected: str) -> InputError:
    """The error for something in a header that makes no sense."""
    return InputError(f"{path} has {got}; expected {expected}, so export it again")


def check_units(path: Path, unit: str) -> None:
    """Raise InputError for a unit of length other than mm; "" is none."""
    if unit.strip(' "').lower() not in ("", "mm", "millimeter", "millimetre", "???"):
        raise unfit(path, f"lengths in {unit.strip()}", "mm")


def check_unit_vectors(path: Path, vectors: Sequence[Sequence[float]]) -> None:
    """Raise InputError for directions that are not one long; finite ones."""
    for vector in vectors:
        if all(map(math.isfinite, vector)) and abs(math.hypot(*vector) - 1) > TOLERANCE:
            numbers = ", ".join(f"{value:g}" for value in vector)
            raise unfit(path, f"a direction ({numbers}) that is not 1 long", "unit vectors")


def agree(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether numbers that are given twice are the same, up to what rounding does."""
    return len(one) == len(other) and all(math.isclose(a, b, rel_tol=TOLERANCE) for a, b in zip(one, other))


def check_spacings(path: Path, one: Sequence[float], other: Sequence[float], *, places: tuple[str, str]) -> None:
    """Raise InputError for a spacing, in mm, that is given in two places of a header and differs."""
    if not agree(one, other):
        raise InputError(
            f"{path} gives its voxel spacing twice and differently: {listed(one)} in {places[0]}, {listed(other)} in "
            f"{places[1]}; expected one, so export it again"
        )


def header_text(path: Path, *ends: bytes) -> tuple[str, int]:
    """The text of a header up to the first of ``ends`` (or the end of the file), and where the data begin."""
    with path.open("rb") as file:
        raw = file.read(HEADER_LIMIT)
    stops = [raw.index(end) + len(end) for end in ends if end in raw]
    stop = min(stops, default=len(raw))
    return raw[:stop].decode("utf-8", "surrogateescape"), stop


def data_file(path: Path, name: str) -> Path | None:
    """The file with the voxels: the one that is named, beside the header, or the header's own; None for several."""
    if name.startswith("LIST") or "%" in name:
        return None
    return path.parent / name if name else path


def bytes_of(kind: str | None) -> int:
    """How many bytes a voxel takes; 0 where its type is not known."""
    return np.dtype(kind).itemsize if kind else 0


def ordered(kind: str | None, order: str | None) -> str:
    """A type with its byte order, or "" when one of them is not known; single bytes have no order."""
    if kind is None or (order is None and bytes_of(kind) > 1):
        return ""
    return f"{order or '|'}{kind}"


def listed(values: Sequence[float]) -> str:
    """Lengths in writing."""
    return " x ".join(f"{value:g}" for value in values) + " mm"
