"""Temporary names that tell whose they are, so that the next run can remove what a killed one has left."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
from functools import cache
from pathlib import Path

FILE_PREFIX, FOLDER_SUFFIX = ".gtv-", ".part"
REPLACED = "replaced"  # in a folder that is being written: what it takes the place of
_OWNER = re.compile(r"([0-9a-f]{8})-(\d+)-[0-9a-f]{8}")


def owner() -> str:
    """This process and a random number, for a temporary name."""
    return f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"


def is_abandoned(name: str) -> bool:
    """Whether a temporary name belongs to a process of this machine that has ended; False where nobody can tell."""
    found = _OWNER.search(name)
    return found is not None and found[1] == _machine() and not _is_alive(int(found[2]))


@cache
def sweep(folder: Path) -> None:
    """Remove what killed processes have left in a folder; looked for once in a process."""
    with contextlib.suppress(OSError):  # what cannot be removed is in nobody's way
        for entry in list(os.scandir(folder)):
            if not entry.name.startswith(".") or not is_abandoned(entry.name):
                continue
            if entry.name.startswith(FILE_PREFIX):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink() if entry.is_file() else shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name.endswith(FOLDER_SUFFIX):
                part = Path(entry.path)
                discard_part(part, target_of(part))


def target_of(part: Path) -> Path:
    """Where a folder that was being written was to be."""
    return part.with_name(_OWNER.sub("", part.name.removesuffix(FOLDER_SUFFIX)).strip("."))


def discard_part(part: Path, target: Path) -> None:
    """Remove a folder that was being written; what it was to replace goes back to its place, unless that is taken."""
    if (part / REPLACED).exists() and not target.exists():
        (part / REPLACED).rename(target)
    shutil.rmtree(part, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder whole or not at all: it is renamed first, and what a kill then leaves is left to `sweep`.

    Raises:
        OSError: it cannot be renamed; it is as it was.
    """
    shutil.rmtree(folder.rename(folder.with_name(f"{FILE_PREFIX}{owner()}")), ignore_errors=True)


@cache
def _machine() -> str:
    """Where process numbers mean something: the machine, and on Linux the container."""
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()}/{namespace}".encode()).hexdigest()[:8]


if sys.platform == "win32":
    import ctypes

    def _is_alive(process: int) -> bool:
        query_limited_information = 0x1000
        handle = ctypes.windll.kernel32.OpenProcess(query_limited_information, False, process)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)

else:

    def _is_alive(process: int) -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True
