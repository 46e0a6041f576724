"""What happens when the device's memory is really too small: smaller batches, then the CPU, and the same mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import torch

from .masks import dice, on_device
from .place import CheckFailedError, Place

# MiB beside what the networks take: enough for some slices of 512 x 512, and for not a single one.
SHORT, NONE = 700, 0
SAID = {SHORT: "slices at a time", NONE: "went on on the CPU"}


@contextmanager
def limited(device: str, spare: int) -> Iterator[None]:
    """Leave the process so many MiB of the GPU beside what it holds."""
    place = torch.device(device)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(place).total_memory
    share = (torch.cuda.memory_reserved(place) + spare * 2**20) / total
    torch.cuda.set_per_process_memory_fraction(min(1.0, share), place)
    held = [] if spare else _fill(place)
    try:
        yield
    finally:
        held.clear()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1.0, place)


def _fill(device: torch.device) -> list[torch.Tensor]:
    """Take what is free within the memory that the process has already."""
    held = []
    for size in (2**24, 2**22, 2**20, 2**18):
        with suppress(torch.cuda.OutOfMemoryError):
            while True:
                held.append(torch.empty(size, dtype=torch.uint8, device=device))
    return held


def check_memory(place: Place, limit: Callable[[str, int], AbstractContextManager[None]] = limited) -> str:
    """Two limits; ``limit`` makes a context manager from the device and the MiB to spare."""
    expected, said = place.reference.segment(place.phantom), []
    for spare in (SHORT, NONE):
        cascade = on_device(place, str(place.bundle), "fp32")
        for network in (*cascade.classifiers, *cascade.segmenters):
            network.to(place.device)
        with limit(place.device, spare):
            found = cascade.segment(place.phantom)
        notes = [text for text in found.warnings if text.startswith("memory ran out")]
        if not notes or SAID[spare] not in notes[-1]:
            raise CheckFailedError(
                f"with {spare} MiB to spare it said {notes or 'nothing'}; expected a note with '{SAID[spare]}'"
            )
        if dice(found, expected) < 0.999:
            raise CheckFailedError(f"with {spare} MiB to spare the DSC is {dice(found, expected):.4f}; expected 0.999")
        said.append(f"{spare} MiB: {notes[-1]}")
    return "; ".join(said)
