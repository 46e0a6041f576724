"""Keeping a second run out of a folder; the lock ends with its process, however that ends."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import InputError

LOCK = ".gtvautoseg.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder during the block.

    Raises:
        InputError: another process holds it.
    """
    with (folder / LOCK).open("a") as file:
        try:
            _lock(file)
        except OSError as error:
            # Some network file systems have no locks; there, nobody is kept out.
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise InputError(f"another run is writing to {folder}; wait for it, or choose another folder") from None
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
