"""Compressed pixels: GDCM decodes them; whether they are as large as the header says is looked up before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk
from pydicom.encaps import generate_fragments
from pydicom.uid import RLELossless

from ....errors import InputError
from ...itk import names_for_itk, quiet_itk
from .storage import Storage

JPEG_START = b"\xff\xd8"
JPEG_2000_START = b"\xff\x4f\xff\x51"
# Start of frame: JPEG's SOF0 to SOF15 without the three that mean something else, and JPEG-LS.
FRAMES = {0xC0 + kind for kind in range(16)} - {0xC4, 0xC8, 0xCC} | {0xF7}


def decoded_hu(storage: Storage, content: bytes) -> np.ndarray:
    """The rescaled pixels of a compressed slice.

    Returns:
        (rows, columns), integers or floating point.

    Raises:
        InputError: they cannot be decoded, or are of another size than the header says.
    """
    if storage.high != storage.stored - 1:
        raise InputError(
            f"{storage.path} has HighBit (0028,0102) {storage.high} in compressed pixels; expected "
            f"{storage.stored - 1}, so export the series again, uncompressed"
        )
    fragments = list(generate_fragments(content))
    _check_size(storage, b"".join(fragments[1:]))  # the first item is a table of offsets (PS3.5 A.4)
    try:
        with quiet_itk(), names_for_itk([storage.path]) as names:
            image = sitk.ReadImage(names[0], imageIO="GDCMImageIO")
    except RuntimeError as error:
        raise _undecodable(storage) from error
    array = sitk.GetArrayFromImage(image)
    if array.size != storage.rows * storage.columns:
        raise _undecodable(storage)
    return array.reshape(storage.rows, storage.columns)


def _check_size(storage: Storage, stream: bytes) -> None:
    """Raise where a stream holds other rows and columns than the header says: GDCM cuts or fills up without a word."""
    if storage.syntax == RLELossless:
        wanted = storage.rows * storage.columns
        sizes = list(_rle_sizes(stream))
        fits = len(sizes) == storage.allocated // 8 and all(wanted <= size <= wanted + wanted % 2 for size in sizes)
    else:
        size = _stream_size(stream)
        fits = size is None or size == (storage.rows, storage.columns)
    if not fits:
        raise InputError(
            f"the compressed pixels of {storage.path} are not {storage.rows} rows of {storage.columns}, as its header "
            "says; expected both to agree, so export the series again"
        )


def _stream_size(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 stream; None where they are not found."""
    if stream.startswith(JPEG_2000_START):
        right, bottom, left, top = (int.from_bytes(stream[at : at + 4], "big") for at in (8, 12, 16, 20))
        return bottom - top, right - left
    at = len(JPEG_START) if stream.startswith(JPEG_START) else len(stream)
    while at + 9 < len(stream) and stream[at] == 0xFF:
        if stream[at + 1] in FRAMES:
            return int.from_bytes(stream[at + 5 : at + 7], "big"), int.from_bytes(stream[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


def _rle_sizes(stream: bytes) -> Iterator[int]:
    """How many bytes each segment of an RLE frame gives (PS3.5 G.3)."""
    count = int.from_bytes(stream[:4], "little")
    starts = [int.from_bytes(stream[4 * i : 4 * i + 4], "little") for i in range(1, min(count, 15) + 1)]
    for start, stop in zip(starts, [*starts[1:], len(stream)]):
        size, at = 0, start
        while at + 1 < stop:
            head = stream[at]
            if head < 128:
                size, at = size + head + 1, at + head + 2
            else:
                size, at = size + (257 - head if head > 128 else 0), at + (2 if head > 128 else 1)
        yield size


def _undecodable(storage: Storage) -> InputError:
    return InputError(
        f"the pixels of {storage.path} cannot be decoded: they are damaged, or compressed in a way that is not read "
        f"here (transfer syntax {storage.syntax}); export the series again, uncompressed"
    )
