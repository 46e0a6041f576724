"""Names of cases: safe on every file system, and sentences freed of what may name a patient. Numbers of things."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

# Bytes, as file systems count: 255 are allowed, suffixes and temporary names need some.
LONGEST = 120
# Windows opens devices under these names, whatever suffix follows.
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
HASH_LETTERS = 8
# Shorter file names ("1", "I10") are also words and numbers of the sentence around them.
SHORTEST_FILE_NAME = 4
# In a sentence.
MOST_NAMED = 5


def safe_name(text: str) -> str:
    """A text as the name of a folder on Windows, macOS and Linux; "" when nothing usable is in it.

    Letters of all scripts stay; whatever else is no letter, digit, dot, plus or minus becomes an underscore. A long
    text is cut, and ends with 8 hexadecimal digits of its SHA-256 then.
    """
    name = re.sub(r"[^\w.+-]+", "_", unicodedata.normalize("NFC", text).strip()).strip("._+-")
    if RESERVED.fullmatch(name):
        name = f"_{name}"
    if len(name.encode()) <= LONGEST:
        return name
    kept = name.encode()[: LONGEST - HASH_LETTERS - 1].decode(errors="ignore")
    return f"{kept}_{short_hash(text)}"


def suffix_of(path: Path, suffixes: Iterable[str]) -> str:
    """The longest of some suffixes that a file's name ends with, in upper or lower case; "" for none."""
    return max((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), key=len, default="")


def shown(text: str) -> str:
    """A file's name that can be printed: bytes that are no UTF-8 become question marks."""
    return os.fsencode(text).decode(errors="replace")


def one_line(text: str) -> str:
    """A message on one line of a terminal: control characters, which a file's name may hold, are shown escaped."""
    flat = " ".join(text.split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in flat)


def short_hash(text: str) -> str:
    """The first 8 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:HASH_LETTERS]


def tell_apart(names: Sequence[str], identities: Sequence[str]) -> list[str]:
    """Names of which no two are the same to a disk that ignores case.

    Where two names are the same, both get a new one. If the first kept its name, the order would decide which case that
    is: after a new file that sorts before it, or in a table sorted anew, a known name would stand for another patient.
    The price is that the first case is done again when its twin appears.

    Args:
        names: of the cases.
        identities: what each really is; names that are alike get 8 hexadecimal digits of its SHA-256.
    """
    alike = Counter(name.casefold() for name in names)
    return [
        name if alike[name.casefold()] == 1 else f"{name}_{short_hash(f'{name}/{identity}')}"
        for name, identity in zip(names, identities)
    ]


def without_paths(text: str, files: Sequence[str], name: str) -> str:
    """A sentence in which the case's files and folders are called after the case.

    Clinics write patients into the names of files and folders, and logs are passed on.
    """
    replaced = {}
    for number, file in enumerate(files, 1):
        path = Path(file)
        called = name if len(files) == 1 else f"file {number} of {name}"
        replaced[file] = called
        if len(path.name) >= SHORTEST_FILE_NAME:
            replaced[path.name] = called
        replaced[str(path.parent)] = name
    pattern = "|".join(map(_in_a_sentence, sorted(replaced, key=len, reverse=True)))
    return re.sub(rf"(?<![\w.])(?:{pattern})(?!\w)", lambda match: replaced[match[0]], text) if pattern else text


def _in_a_sentence(path: str) -> str:
    """Matches a path; one without folders that may be a word of the sentence, "CT" or "data", at its beginning only."""
    is_word = Path(path).name == path and (len(path) < SHORTEST_FILE_NAME or (path.isalpha() and path.islower()))
    return ("^" if is_word else "") + re.escape(path)


def counted(count: int, what: str, several: str = "") -> str:
    """A number of things, as "1 week" or "3 weeks".

    Args:
        count: how many there are.
        what: one of them, and what is said of it.
        several: the same of any other number; by default ``what`` with an s.
    """
    return f"{count} {what if count == 1 else several or f'{what}s'}"


def span(slices: Sequence[int]) -> str:
    """Some slices as "3 slices (4 to 9)", or "slice 4"."""
    return f"{len(slices)} slices ({slices[0]} to {slices[-1]})" if len(slices) > 1 else f"slice {slices[0]}"


def some_of(values: Iterable[object]) -> str:
    """The first five of some values in writing, as "3, 5" or "1, 2, 3, 4, 5, ..."; a list that is cut says so."""
    first = [str(value) for value in islice(values, MOST_NAMED + 1)]
    return ", ".join([*first[:MOST_NAMED], *["..."] * (len(first) > MOST_NAMED)])
