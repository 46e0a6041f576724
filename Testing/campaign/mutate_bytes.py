"""Damage to any file: bits, cuts, insertions, runs of zeros."""

from __future__ import annotations

import random
from collections.abc import Callable

# The header of most small files ends here; what lies behind is voxels.
HEADER = 2048


def flip_bits(content: bytes, chance: random.Random) -> bytes:
    """Up to 8 bits of the header turned over."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(min(HEADER, len(changed)))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    """The file broken off somewhere, more often early."""
    return content[: chance.randrange(min(HEADER, len(content)) if chance.random() < 0.7 else len(content))]


def insert(content: bytes, chance: random.Random) -> bytes:
    """A few bytes more."""
    at = chance.randrange(min(HEADER, len(content)))
    return content[:at] + chance.randbytes(chance.randint(1, 40)) + content[at:]


def remove(content: bytes, chance: random.Random) -> bytes:
    """A few bytes less."""
    at = chance.randrange(min(HEADER, len(content)))
    return content[:at] + content[at + chance.randint(1, 40) :]


def blank(content: bytes, chance: random.Random) -> bytes:
    """A run of one value, as a bad block of a disk leaves it."""
    at, length = chance.randrange(min(HEADER, len(content))), chance.randint(1, 64)
    return content[:at] + bytes([chance.choice((0, 255))]) * length + content[at + length :]


def append(content: bytes, chance: random.Random) -> bytes:
    """Bytes behind the end."""
    return content + chance.randbytes(chance.choice((1, 2, 64, 960, 5000)))


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip_bits, cut, insert, remove, blank, append)
