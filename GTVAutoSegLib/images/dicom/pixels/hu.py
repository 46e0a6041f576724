"""The pixels of a series as HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....errors import InputError
from ....system.allocator import give_back_freed_memory
from ....system.names import counted
from ..dataset import open_dataset, reading
from .compressed import decoded_hu
from .storage import TAGS, Storage, check_end, read_storage, stored_values

INT16 = np.iinfo(np.int16)


def read_hu(paths: Sequence[Path]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode and rescale the slices of a series.

    Args:
        paths: a file each, in the order of the result.

    Returns:
        (z, y, x), int16 where all values are integers that fit, otherwise float32; and why they may be no HU, a
        sentence each.

    Raises:
        InputError: pixels are missing, damaged, or not stored as their header says.
    """
    doubts: dict[str, list[Path]] = {}
    hu: np.ndarray | None = None
    compressed = False
    for index, path in enumerate(paths):
        values, storage, found = _read_slice(path)
        compressed = compressed or storage.compressed
        if hu is None:
            hu = np.empty((len(paths), *values.shape), np.int16)
        if hu.dtype == np.int16 and not _fits(values):
            hu = hu.astype(np.float32)
        hu[index] = values
        for doubt in found:
            doubts.setdefault(doubt, []).append(path)
    if compressed:
        give_back_freed_memory()  # GDCM's copies
    assert hu is not None  # noqa: S101 - a series has slices
    return hu, tuple(
        f"{counted(len(where), 'slice')} such as {where[0].name}: {doubt}" for doubt, where in doubts.items()
    )


def _read_slice(path: Path) -> tuple[np.ndarray, Storage, tuple[str, ...]]:
    """HU (rows, columns) of a slice, how they are stored, and what is in doubt."""
    with reading(path):
        data = open_dataset(path, TAGS)
        if data is None or "PixelData" not in data:
            raise InputError(f"{path} holds no pixels; expected a slice of a CT, so export the series again")
        storage = read_storage(data, path)
        if storage.compressed:
            return decoded_hu(storage, data.PixelData), storage, storage.doubts
        check_end(data, path)
        values, doubts = stored_values(storage, data.PixelData)
    doubts = (*storage.doubts, *doubts)
    if storage.slope == 1 and storage.intercept.is_integer():
        return values + int(storage.intercept), storage, doubts
    return values * storage.slope + storage.intercept, storage, doubts


def _fits(values: np.ndarray) -> bool:
    """Whether int16 can hold the values."""
    whole = values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
    return whole and bool(values.min() >= INT16.min and values.max() <= INT16.max)
