"""Memory that is used again instead of being fetched anew for every slice."""

from __future__ import annotations

import ctypes
import sys

# <malloc.h> of glibc
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks; for a process of our own, which ends after its work.

    By default every array of more than some 100 kB is mapped and unmapped again, and the kernel clears each of its
    pages: for slices of 512 x 512 pixels that takes longer than computing on them. On other systems nothing happens.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**30)
