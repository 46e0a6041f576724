"""The voxels of NIfTI, NRRD and MetaImage files as they are stored: decompressed once, checked, and held once.

ITK does not notice all damage, see the package, and would hold a copy of its own beside numpy's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import InputError
from ..volume import check_finite
from .header import Header
from .nifti import GZIP_MAGIC

# Bytes at a time; a piece and what it becomes stay in a processor's cache.
PIECE = 1 << 18
# How much smaller deflate makes bytes at the very best (https://zlib.net/zlib_tech.html).
BEST_RATIO = 1032
# At most so many bytes of padding may follow the voxels, zeros or line ends: less than one column of any CT.
SPARE = 64
PADDING = b"\0\r\n \x1a"


def read_voxels(path: Path, header: Header) -> np.ndarray | None:
    """Read a file's voxels, and check that it is whole.

    Returns:
        The voxels one after the other, in native byte order, before any scaling; None when ``header`` does not say
        where they are or of what type.

    Raises:
        InputError: voxels are missing or damaged, or are NaN or infinite in a format where ITK would replace these.
        MemoryError: they do not fit.
    """
    if header.data is None:
        return None
    if not header.data.is_file():
        raise InputError(f"{path} keeps its voxels in {header.data}, which does not exist; copy both files together")
    # A damaged header is not to ask for all memory there is.
    possible = header.size <= BEST_RATIO * header.data.stat().st_size
    content = np.empty(max(0, header.size - header.start) if header.kind and possible else 0, np.uint8)

    def keep(place: int, piece: np.ndarray) -> None:
        content[place : place + len(piece)] = piece

    try:
        got, ended, rest = _walk(header, len(content), keep)
    except zlib.error:
        raise InputError(
            f"{header.data} is damaged: its compressed data are not valid; export or copy it again"
        ) from None
    if got < header.size:
        raise InputError(
            f"{header.data} is truncated: it holds {got} of {header.size} bytes of image; export or copy it again"
        )
    if header.kind and (got - header.size > SPARE or rest.strip(PADDING)):
        raise InputError(
            f"{header.data} holds {got} bytes of image, but its header tells of {header.size}; expected both to agree, "
            "so export it again"
        )
    if not ended:
        raise InputError(f"{header.data} is truncated: the end of its compressed data is missing; copy it again")
    if not header.kind or len(content) % np.dtype(header.kind).itemsize:
        return None
    voxels = content.view(header.kind)
    if header.loses_nan:
        check_finite(path, voxels)
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)


def holds(header: Header, array: np.ndarray) -> bool:
    """Whether a file is whole and its voxels are those of an array (z, y, x); they are compared piece by piece.

    Raises:
        OSError: it cannot be read.
    """
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if header.data is None or header.scaled or not header.kind or np.dtype(header.kind) != array.dtype:
        return False
    if header.size - header.start != len(content):
        return False
    same = True

    def compare(place: int, piece: np.ndarray) -> None:
        nonlocal same
        same = same and np.array_equal(content[place : place + len(piece)], piece)

    try:
        got, ended, _ = _walk(header, len(content), compare)
    except zlib.error:
        return False
    return same and ended and got == header.size


def _walk(header: Header, wanted: int, take: Callable[[int, np.ndarray], None]) -> tuple[int, bool, bytes]:
    """Go through a file to its end; its checksum is verified.

    Args:
        header: of the file.
        wanted: how many bytes of voxels to take.
        take: called with a piece of them, uint8, and where among them it begins.

    Returns:
        Bytes in all once decompressed, whether a compressed stream has its end, and the first bytes behind the voxels.

    Raises:
        zlib.error: a compressed stream is damaged.
    """
    assert header.data is not None  # noqa: S101 - callers have looked
    total = 0
    rest = b""
    with header.data.open("rb") as file:
        file.seek(header.offset)
        content = _Inflated(file) if header.compressed else None
        for piece in content or iter(lambda: file.read(PIECE), b""):
            place = total - header.start
            part = np.frombuffer(piece, np.uint8)[max(0, -place) : max(0, wanted - place)]
            if len(part):
                take(max(0, place), part)
            total += len(piece)
            if total > header.size and len(rest) < SPARE:
                rest += piece[max(0, header.size - total + len(piece)) :][:SPARE]
        return total, content is None or content.ended, rest


class _Inflated:
    """The decompressed pieces of gzip streams, one after the other, or of one zlib stream."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 32)

    @property
    def ended(self) -> bool:
        """Whether the last stream was whole; what follows it may be padding."""
        return self._stream.eof

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._file.read(PIECE):
            while chunk:
                yield self._stream.decompress(chunk, PIECE)
                chunk = self._stream.unconsumed_tail
                if self._stream.unused_data.startswith(GZIP_MAGIC):
                    chunk, self._stream = self._stream.unused_data, zlib.decompressobj(zlib.MAX_WBITS | 32)
            if len(self._stream.unused_data) >= len(GZIP_MAGIC):
                return  # padding
        yield self._stream.flush()
