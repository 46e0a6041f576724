"""A mask as a short text, for a record: its box, as bits, compressed."""

from __future__ import annotations

import base64
import json
import math
import zlib

import numpy as np

from ...system.json_text import parse_json
from ..volume import triple
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
        described = parse_json(head)
        shape, start, size = (triple(map(int, described[key])) for key in ("shape", "start", "size"))
        count = math.prod(size)
        fits = all(0 <= first <= first + length <= whole for first, length, whole in zip(start, size, shape))
        if not fits or len(bits) != math.ceil(count / 8):
            raise ValueError("the box does not fit")
        inside = np.unpackbits(np.frombuffer(bits, np.uint8), count=count).reshape(size)
        return Box(inside, start, shape).whole()
    except (zlib.error, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError("the text is no packed mask") from error
