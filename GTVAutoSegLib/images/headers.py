"""What the headers of NIfTI, NRRD and MetaImage files say, read beside ITK.

ITK replaces a spacing it cannot use by 1 mm, fills what a truncated NIfTI file lacks with whatever lies in memory,
returns damaged compressed data as if it were sound, and turns NaN in NIfTI files into 0. None of this may become a
contour, so the raw header is read here, and `stored_voxels.py` reads what it tells of.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
HEADER_LIMIT = 1 << 16

# Types of voxels as numpy names them, without their byte order.
NIFTI_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
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
NRRD_ORDERS = {"little": "<", "big": ">"}


@dataclass(frozen=True)
class Header:
    """What a raw header says.

    Attributes:
        spacing: mm, one per axis of the image; not checked yet, NaN where none is given.
        data: the file with the voxels, or None when there are several or they cannot be located.
        offset: where the (compressed) voxels begin in that file, bytes.
        compressed: whether a gzip or zlib stream begins there.
        size: how many bytes it must at least hold once decompressed.
        oriented: whether the orientation of the patient is recorded.
        kind: numpy type of the voxels, with its byte order; "" where the header does not say it in full.
        start: how many of these bytes lie before the voxels.
        scaled: whether a slope and an intercept are to be applied to the voxels.
        loses_nan: whether ITK would silently turn NaN and infinity into 0.
    """

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


def check_header(path: Path, suffix: str) -> Header:
    """Read a header and check that it is usable.

    Args:
        path: the file.
        suffix: its suffix in lower case, a key of ``HEADER_READERS``.

    Raises:
        InputError: not such a file, or no usable spacing.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); expected a {suffix} image, so export or copy it again")
    try:
        header = HEADER_READERS[suffix](path)
    except (ValueError, KeyError, IndexError, EOFError, OSError, OverflowError, struct.error, zlib.error):
        raise InputError(f"{path} does not begin like a {suffix} image; export or copy it again") from None
    for value in header.spacing:
        if not (math.isfinite(value) and value > 0):
            raise InputError(
                f"{path} has the voxel spacing {_list(header.spacing)}; expected three numbers above 0 mm, "
                "so export it again"
            )
    return header


def _read_nifti(path: Path) -> Header:
    """NIfTI-1 header, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h."""
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
    if compressed and path.name.lower().endswith(".nii"):
        raise InputError(f"{path} is compressed but named .nii; rename it to .nii.gz")
    with gzip.open(path) if compressed else path.open("rb") as file:
        raw = file.read(348)
    order = "<" if raw[:4] in (struct.pack("<i", 348), struct.pack("<i", 540)) else ">"
    kind = struct.unpack(f"{order}i", raw[:4])[0]
    if kind == 540:
        raise InputError(f"{path} is a NIfTI-2 file; expected NIfTI-1, so convert it or use .nrrd")
    if kind != 348 or raw[344:347] != b"n+1":
        raise ValueError("no NIfTI-1 header")
    dim = struct.unpack(f"{order}8h", raw[40:56])
    bits = struct.unpack(f"{order}h", raw[72:74])[0]
    pixdim = struct.unpack(f"{order}8f", raw[76:108])
    start, slope, intercept = struct.unpack(f"{order}3f", raw[108:120])
    forms = struct.unpack(f"{order}2h", raw[252:256])
    name = NIFTI_TYPES.get(struct.unpack(f"{order}h", raw[70:72])[0])
    if not start >= len(raw):
        raise InputError(
            f"{path} says that its voxels begin at byte {start:g}, within its header; expected {len(raw)} or more, so "
            "export it again"
        )
    if slope == 0 and intercept != 0:
        raise InputError(
            f"{path} has a slope of 0 and an intercept of {intercept:g}, which readers take differently; expected HU "
            "that is certain, so export it again"
        )
    return Header(
        pixdim[1 : min(dim[0], 3) + 1],
        path,
        0,
        compressed,
        # By the type where it is known: too small a number of bits would hide that voxels are missing.
        int(start) + math.prod(dim[1 : dim[0] + 1]) * (_bytes(name) * 8 or bits) // 8,
        any(forms),
        f"{order}{name}" if name else "",
        int(start),
        # A slope of 0 stands for none.
        slope != 0 and (slope, intercept) != (1, 0),
        loses_nan=True,
    )


def _read_nrrd(path: Path) -> Header:
    """NRRD header, https://teem.sourceforge.net/nrrd/format.html."""
    text, offset = _header_text(path, b"\n\n", b"\r\n\r\n")
    if not text.startswith("NRRD000"):
        raise ValueError("no NRRD header")
    lines = (line for line in text.splitlines()[1:] if ":" in line and ":=" not in line and not line.startswith("#"))
    fields = {key.strip().lower(): value.strip() for key, value in (line.split(":", 1) for line in lines)}
    sizes = [int(size) for size in fields["sizes"].split()]
    name = fields.get("data file", fields.get("datafile", ""))
    # A list of files or a skip of lines or bytes: teem itself fails when such data are short.
    single = not name.startswith("LIST") and "%" not in name and not fields.keys() & {"line skip", "byte skip"}
    encoding = fields["encoding"].lower()
    kind = NRRD_TYPES.get(fields["type"].lower())
    return Header(
        _nrrd_spacing(fields) if len(sizes) == 3 else (),
        _data_file(path, name) if single and encoding in ("raw", "gzip", "gz") else None,
        0 if name else offset,
        encoding != "raw",
        math.prod(sizes) * _bytes(kind),
        fields.get("space", "").lower() in NRRD_PATIENT_SPACES,
        _ordered(kind, NRRD_ORDERS.get(fields.get("endian", "").lower())),
    )


def _nrrd_spacing(fields: dict[str, str]) -> tuple[float, ...]:
    if "space directions" in fields:
        vectors = fields["space directions"].replace(" ", "").replace("none", "(nan)").strip("()").split(")(")
        return tuple(math.hypot(*(float(part) for part in vector.split(","))) for vector in vectors)
    return tuple(float(value) for value in fields.get("spacings", "nan nan nan").split())


def _read_meta(path: Path) -> Header:
    """MetaImage header, https://itk.org/Wiki/ITK/MetaIO/Documentation; ElementDataFile is its last line."""
    text, stop = _header_text(path, b"ElementDataFile")
    with path.open("rb") as file:
        file.seek(stop)
        text += file.readline(HEADER_LIMIT).decode("utf-8", "surrogateescape")
        offset = file.tell()
    lines = (line for line in text.splitlines() if "=" in line)
    fields = {key.strip(): value.strip() for key, value in (line.split("=", 1) for line in lines)}
    sizes = [int(size) for size in fields["DimSize"].split()]
    if len(sizes) != int(fields["NDims"]):
        raise ValueError("DimSize and NDims disagree")
    name = "" if fields["ElementDataFile"].upper() == "LOCAL" else fields["ElementDataFile"]
    single = not name.startswith("LIST") and "%" not in name and "HeaderSize" not in fields
    spacing = tuple(float(value) for value in fields.get("ElementSpacing", "nan nan nan").split())
    if len(spacing) != len(sizes):
        spacing = (math.nan,) * len(sizes)
    voxels = math.prod(sizes) * int(fields.get("ElementNumberOfChannels", "1"))
    kind = META_TYPES.get(fields["ElementType"])
    msb = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", ""))
    order = (">" if _is_true(msb) else "<") if msb else None
    binary = _is_true(fields.get("BinaryData", ""))  # otherwise the voxels are numbers in writing
    return Header(
        spacing,
        _data_file(path, name) if single else None,
        0 if name else offset,
        _is_true(fields.get("CompressedData", "")),
        voxels * _bytes(kind),
        bool(fields.keys() & {"TransformMatrix", "Rotation", "Orientation"}),
        _ordered(kind, order) if binary else "",
        scaled=bool(fields.keys() & {"ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"}),
    )


def _is_true(text: str) -> bool:
    """As MetaIO reads it: by the first letter."""
    return text[:1] in ("T", "t", "1")


HEADER_READERS: dict[str, Callable[[Path], Header]] = {
    ".nii": _read_nifti,
    ".nii.gz": _read_nifti,
    ".nrrd": _read_nrrd,
    ".nhdr": _read_nrrd,
    ".mha": _read_meta,
    ".mhd": _read_meta,
}


def _header_text(path: Path, *ends: bytes) -> tuple[str, int]:
    """The text of a header up to the first of ``ends`` (or the end of the file), and where the data begin."""
    with path.open("rb") as file:
        raw = file.read(HEADER_LIMIT)
    stops = [raw.index(end) + len(end) for end in ends if end in raw]
    stop = min(stops, default=len(raw))
    return raw[:stop].decode("utf-8", "surrogateescape"), stop


def _data_file(path: Path, name: str) -> Path:
    return path.parent / name if name else path


def _bytes(kind: str | None) -> int:
    return np.dtype(kind).itemsize if kind else 0


def _ordered(kind: str | None, order: str | None) -> str:
    """A type with its byte order, or "" when one of them is not known; single bytes have no order."""
    if kind is None or (order is None and _bytes(kind) > 1):
        return ""
    return f"{order or '|'}{kind}"


def _list(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values) + " mm"
