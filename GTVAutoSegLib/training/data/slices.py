"""Slices in the store: of one case, and of many as one sequence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import DiskError
from ...system.json_text import read_json
from .sampling import balanced_indices


@dataclass(frozen=True)
class StoredCase:
    """One case in the store.

    Attributes:
        folder: holds ``images.npy`` uint8 (n, channels, N, N), 255 is the top of the window; ``masks.npy`` uint8
            (n, bytes), a bit a pixel.
        name: of the case.
        content: hash of the files of CT and label.
        voxels: what the CT is known by, see `imports.voxels.voxels_sha256`.
        size: N, pixels.
        abnormal: which axial slices show tumour on the native grid.
        spacing_mm: of the axial x, y and z axes.
        extent_mm: along them.
        hu_percentiles: 1st and 99th, HU.
    """

    folder: Path
    name: str
    content: str
    voxels: str
    size: int
    abnormal: tuple[bool, ...]
    spacing_mm: tuple[float, ...]
    extent_mm: tuple[float, ...]
    hu_percentiles: tuple[float, float]

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Some slices, uint8 (k, channels, N, N)."""
        return np.asarray(mapped(self.folder / "images.npy")[rows])

    def masks(self, rows: np.ndarray) -> np.ndarray:
        """Their masks, bool (k, N, N)."""
        packed = mapped(self.folder / "masks.npy")[rows]
        bits = np.unpackbits(packed, axis=1, count=self.size**2)
        return bits.reshape(-1, self.size, self.size).view(bool)


@dataclass(frozen=True)
class SliceSet:
    """All slices of some cases, one after another."""

    cases: tuple[StoredCase, ...]

    def __len__(self) -> int:
        return len(self.abnormal)

    @cached_property
    def abnormal(self) -> np.ndarray:
        """Which slices show tumour, bool (n,)."""
        return np.concatenate([np.array(case.abnormal, bool) for case in self.cases])

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *(len(case.abnormal) for case in self.cases)])

    def draw(self, theta: str, seed: int, epoch: int, *, static: bool = False) -> np.ndarray:
        """The slices of one epoch by the Balance-Sampling Strategy, see `sampling.balanced_indices`."""
        return balanced_indices(self.abnormal, theta, seed, epoch, static=static)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images as uint8 (k, channels, N, N) and masks as bool (k, N, N), in the order of ``indices``."""
        owners = np.searchsorted(self._starts, indices, side="right") - 1
        images: list[np.ndarray] = [np.empty(0)] * len(indices)
        masks = list(images)
        for owner in np.unique(owners):
            places = np.flatnonzero(owners == owner)
            rows = indices[places] - self._starts[owner]
            for place, image, mask in zip(places, self.cases[owner].images(rows), self.cases[owner].masks(rows)):
                images[place], masks[place] = image, mask
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))


def open_case(folder: Path) -> StoredCase:
    """A case that `slice_store.build_store` has written.

    Raises:
        DiskError: its files are damaged.
    """
    try:
        values = read_json(folder / "case.json")
        values.update({key: tuple(value) for key, value in values.items() if isinstance(value, list)})
        case = StoredCase(folder, **values)
        for file in ("hu.npy", "label.npy") if (folder / "hu.npy").exists() else ("images.npy", "masks.npy"):
            mapped(folder / file)
    except (OSError, ValueError, TypeError, AttributeError, EOFError) as error:
        raise DiskError(f"{folder} is damaged ({error}); delete it, and it is made anew by the next run") from error
    return case


# Each map keeps a file open, and a process may open about a thousand.
@lru_cache(maxsize=256)
def mapped(path: Path) -> np.ndarray:
    """A .npy file as a memory map."""
    return np.asarray(np.load(path, mmap_mode="r"))
