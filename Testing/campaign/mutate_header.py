"""Damage to headers of volumes: fields of NIfTI, lines of NRRD and MetaImage."""

from __future__ import annotations

import random
import re
import struct

from .mutate_bytes import BYTES

# Where the fields of a NIfTI-1 header lie, and what they are.
NIFTI = (
    *((40 + 2 * i, "h") for i in range(8)),
    (70, "h"),
    (72, "h"),
    *((76 + 4 * i, "f") for i in range(8)),
    (108, "f"),
    (112, "f"),
    (116, "f"),
    (123, "B"),
    (252, "h"),
    (254, "h"),
    *((256 + 4 * i, "f") for i in range(18)),
    (344, "4s"),
)
FLOATS = (0.0, -0.0, -1.0, 1e30, 1e-30, 3.4e38, 2.5, 0.001, 1000.0, float("nan"), float("inf"), -float("inf"))
WHOLE = {"h": (-32768, -1, 0, 1, 2, 3, 4, 7, 128, 512, 1024, 32767), "B": (0, 1, 2, 3, 8, 10, 255)}
WORDS = (
    "nan",
    "inf",
    "-1",
    "0",
    "1e308",
    "1e-308",
    "",
    "99999999999999999999",
    "none",
    "0x10",
    "1,5",
    '"m"',
    "x" * 300,
)


def mutate_nifti(content: bytes, chance: random.Random) -> bytes:
    """An uncompressed NIfTI-1 file with up to three other fields, or damaged bytes."""
    if chance.random() < 0.3:
        return chance.choice(BYTES)(content, chance)
    changed = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at, kind = chance.choice(NIFTI)
        value = (
            chance.randbytes(4)
            if kind == "4s"
            else chance.choice(FLOATS)
            if kind == "f"
            else chance.choice(WHOLE[kind])
        )
        struct.pack_into(f"<{kind}", changed, at, value)
    return bytes(changed)


def mutate_text(content: bytes, chance: random.Random) -> bytes:
    """An NRRD or MetaImage file with lines or words of its header changed, or damaged bytes."""
    if chance.random() < 0.3:
        return chance.choice(BYTES)(content, chance)
    end = content.find(b"\n\n") if content.startswith(b"NRRD") else content.find(b"ElementDataFile")
    head, rest = content[:end].decode("latin-1"), content[end:]
    lines = head.splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        what = chance.random()
        if what < 0.15:
            del lines[at]
        elif what < 0.3:
            lines.insert(chance.randrange(len(lines)), lines[at])
        else:
            lines[at] = _other_word(lines[at], chance)
        if not lines:
            break
    return "\n".join(lines).encode("latin-1") + (b"" if content.startswith(b"NRRD") else b"\n") + rest


def _other_word(line: str, chance: random.Random) -> str:
    words = list(re.finditer(r"[^\s:=(),]+", line))
    if not words:
        return line + chance.choice(WORDS)
    word = chance.choice(words[1:] or words)
    return line[: word.start()] + chance.choice(WORDS) + line[word.end() :]
