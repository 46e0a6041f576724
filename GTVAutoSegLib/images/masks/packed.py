"""A mask as a short text, for a record: its box, as bits, compressed."""

from __future__ import annotations

import base64
import binascii
import json
import zlib

import numpy as np

from .stored import Box


def pack(mask: np.ndarray) -> str:
    """A mask (z, y, x), 0 or 1, as ASCII text."""
    return pack_box(Box.of(mask))


def pack_box(box: Box) -> str:
    """The mask in a box as ASCII text."""
    head = {"shape": list(box.shape), "start": list(box.start), "size": list(box.voxels.shape)}
    bits = np.packbits(box.voxels > 0).tobytes()
    return base64.b64encode(zlib.compress(json.dumps(head).encode() + b"\n" + bits, 9)).decode()


def unpack(text: str) -> np.ndarray:
    """The mask, uint8 (z, y, x), of a text that `pack` made; raises ValueError for any other."""
    try:
        head, bits = zlib.decompress(base64.b64decode(text, validate=True)).split(b"\n", 1)
        described = json.loads(head)
        shape, start, size = (tuple(map(int, described[key])) for key in ("shape", "start", "size"))
        mask = np.zeros(shape, np.uint8)
        inside = np.unpackbits(np.frombuffer(bits, np.uint8), count=int(np.prod(size))).reshape(size)
        mask[tuple(slice(first, first + length) for first, length in zip(start, size))] = inside
    except (zlib.error, binascii.Error, KeyError, TypeError) as error:
        raise ValueError("the text is no packed mask") from error
    return mask
