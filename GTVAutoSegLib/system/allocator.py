"""Memory that is used again instead of being fetched anew for every slice."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

# <malloc.h> of glibc
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks; for a process of our own, which ends after its work.

    By default every array of more than some 100 kB is mapped and unmapped again, and the kernel clears each of its
    pages: for slices of 512 x 512 pixels that takes longer than computing on them. On other systems nothing happens.
    """
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**30)


def give_back_freed_memory() -> None:
    """Give the system what `keep_freed_memory` has kept: after a step on whole CTs, or before a wait."""
    malloc_trim = _glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
