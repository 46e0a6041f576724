"""Keeping a second run out of a folder; the lock ends with its process, however that ends."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..errors import InputError

LOCK = ".gtvautoseg.lock"
POLL_SECONDS = 0.02


@contextmanager
def locked(folder: Path, patience: float = 0) -> Iterator[None]:
    """Hold the lock of a folder during the block; another process is waited for up to ``patience`` seconds.

    Raises:
        InputError: another process holds it.
    """
    with (folder / LOCK).open("a") as file:
        _hold(file, patience, f"another run is writing to {folder}; wait for it, or choose another folder")
        yield


@contextmanager
def locked_file(path: Path, patience: float = 0) -> Iterator[IO[bytes]]:
    """Open a file for reading and writing, made if need be, and hold its lock during the block; see `locked`.

    Raises:
        InputError: another process holds it.
        OSError: it cannot be opened.
    """
    with path.open("a+b") as file:
        _hold(file, patience, f"another process is writing to {path}; wait for it, and do it again")
        file.seek(0)
        yield file


def is_abandoned(folder: Path) -> bool:
    """Whether a process that held the lock of a folder ended without removing it; False where nobody can tell."""
    try:
        with (folder / LOCK).open("r+") as file:
            _lock(file)
    except OSError:  # held, never locked, not to be read, or a file system without locks
        return False
    return True


def _hold(file: IO[Any], patience: float, refusal: str) -> None:
    """Take the lock of a file, waiting for so many seconds; else raise InputError with the sentence."""
    deadline = time.monotonic() + patience
    while not _got(file):
        if time.monotonic() >= deadline:
            raise InputError(refusal)
        time.sleep(POLL_SECONDS)


def _got(file: IO[Any]) -> bool:
    try:
        _lock(file)
    except OSError as error:
        # Some network file systems have no locks; there, nobody is kept out.
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[Any]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[Any]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
