"""Checks on NIfTI, NRRD and MetaImage files before ITK reads them.

ITK replaces a spacing it cannot use by 1 mm, fills what a truncated NIfTI file lacks with whatever lies in memory,
returns damaged compressed data as if it were sound, and turns NaN in NIfTI files into 0. None of this may become a
contour, so the raw header is read here, compressed data are decompressed once to see that they are whole, and NIfTI's
floating-point voxels are looked at.
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

from .errors import InputError
from .volume import not_finite

CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
HEADER_LIMIT = 1 << 16

NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t", "ulonglong", "uint64", "uint64_t", "double"), 8),
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
NIFTI_FLOATS = {16: "f4", 64: "f8"}
META_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}


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
        floats: numpy type of floating-point voxels in which ITK would silently turn NaN and infinity into 0, or "".
        start: bytes of the decompressed file before its voxels; only used with ``floats``.
    """

    spacing: tuple[float, ...]
    data: Path | None
    offset: int
    compressed: bool
    size: int
    oriented: bool = True
    floats: str = ""
    start: int = 0


def check_file(path: Path, suffix: str) -> Header:
    """Check that a file has a usable header and all of its voxels.

    Args:
        path: the file.
        suffix: its suffix in lower case, a key of ``HEADER_READERS``.

    Raises:
        InputError: not such a file, no usable spacing, or voxels missing or damaged.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); expected a {suffix} image, so export or copy it again")
    try:
        header = HEADER_READERS[suffix](path)
    except (ValueError, KeyError, IndexError, EOFError, OSError, struct.error, zlib.error):
        raise InputError(f"{path} does not begin like a {suffix} image; export or copy it again") from None
    for value in header.spacing:
        if not (math.isfinite(value) and value > 0):
            raise InputError(
                f"{path} has the voxel spacing {_list(header.spacing)}; expected three numbers above 0 mm, "
                "so export it again"
            )
    if header.data is not None:
        _check_data(path, header, header.data)
    if header.floats:
        _check_finite(path, header)
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
    start = struct.unpack(f"{order}f", raw[108:112])[0]
    forms = struct.unpack(f"{order}2h", raw[252:256])
    size = int(start) + math.prod(dim[1 : dim[0] + 1]) * bits // 8
    kind = struct.unpack(f"{order}h", raw[70:72])[0]
    floats = f"{order}{NIFTI_FLOATS[kind]}" if kind in NIFTI_FLOATS else ""
    return Header(pixdim[1 : min(dim[0], 3) + 1], path, 0, compressed, size, any(forms), floats, int(start))


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
    return Header(
        _nrrd_spacing(fields) if len(sizes) == 3 else (),
        _data_file(path, name) if single and encoding in ("raw", "gzip", "gz") else None,
        0 if name else offset,
        encoding != "raw",
        math.prod(sizes) * NRRD_BYTES.get(fields["type"].lower(), 0),
        fields.get("space", "").lower() in NRRD_PATIENT_SPACES,
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
    name = "" if fields["ElementDataFile"] == "LOCAL" else fields["ElementDataFile"]
    single = not name.startswith("LIST") and "%" not in name and "HeaderSize" not in fields
    spacing = tuple(float(value) for value in fields.get("ElementSpacing", "nan nan nan").split())
    if len(spacing) != len(sizes):
        spacing = (math.nan,) * len(sizes)
    voxels = math.prod(sizes) * int(fields.get("ElementNumberOfChannels", "1"))
    return Header(
        spacing,
        _data_file(path, name) if single else None,
        0 if name else offset,
        fields.get("CompressedData", "False").lower() == "true",
        voxels * META_BYTES.get(fields["ElementType"], 0),
        bool(fields.keys() & {"TransformMatrix", "Rotation", "Orientation"}),
    )


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


def _check_data(path: Path, header: Header, data: Path) -> None:
    if not data.is_file():
        raise InputError(f"{path} keeps its voxels in {data}, which does not exist; copy both files together")
    try:
        got = _decompressed_size(data, header.offset) if header.compressed else data.stat().st_size - header.offset
    except zlib.error:
        raise InputError(f"{data} is damaged: its compressed data are not valid; export or copy it again") from None
    if got < header.size:
        raise InputError(
            f"{data} is truncated: it holds {got} of {header.size} bytes of image; export or copy it again"
        )


def _check_finite(path: Path, header: Header) -> None:
    bad = 0
    with gzip.open(path) if header.compressed else path.open("rb") as file:
        file.seek(header.start)
        left = header.size - header.start
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            values = np.frombuffer(chunk, header.floats)
            bad += values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise InputError(not_finite(path, bad))


def _decompressed_size(path: Path, offset: int) -> int:
    """Bytes in the gzip or zlib stream that begins at ``offset``; its checksum is verified.

    Raises:
        zlib.error: the stream is damaged.
    """
    total = 0
    with path.open("rb") as file:
        file.seek(offset)
        stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
        while chunk := file.read(CHUNK):
            total += len(stream.decompress(chunk))
            # A gzip file may be several streams, one after the other; what follows the last may be padding.
            while stream.unused_data.startswith(GZIP_MAGIC):
                rest, stream = stream.unused_data, zlib.decompressobj(zlib.MAX_WBITS | 32)
                total += len(stream.decompress(rest))
    return total


def _list(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values) + " mm"
