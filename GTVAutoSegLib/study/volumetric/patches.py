"""Patches of volumes, for the training loop: drawn around tumour and anywhere, or side by side over whole volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...system.files import whole_file
from ...training.data.sampling import RATIOS
from ...training.data.slices import mapped
from .grid import Shape

MOST_CENTRES = 4096
# How a drawn index tells its patch: case, then whether it is around tumour, then the seed of its place.
KINDS, PLACES = 2, 2**31


@dataclass(frozen=True)
class PreparedVolume:
    """One case on a network's grid, on disk.

    Attributes:
        folder: holds ``image.npy`` uint8 (D, H, W), 255 is the top of the window, and ``label.npy`` bool (D, H, W).
    """

    folder: Path

    @property
    def image(self) -> np.ndarray:
        """Memory-mapped."""
        return mapped(self.folder / "image.npy")

    @property
    def label(self) -> np.ndarray:
        """Memory-mapped."""
        return mapped(self.folder / "label.npy")

    @cached_property
    def centres(self) -> np.ndarray:
        """Some tumour voxels, (k, 3); all of them where they are few."""
        voxels = np.flatnonzero(self.label)
        if len(voxels) > MOST_CENTRES:
            voxels = np.random.default_rng(0).choice(voxels, MOST_CENTRES, replace=False)
        return np.stack(np.unravel_index(voxels, self.label.shape), axis=1)


def keep_volume(folder: Path, image: Tensor, label: Tensor) -> None:
    """Write a case on a network's grid: image float (D, H, W) in [0, 1], label bool."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("image.npy", image.mul(255).round().to(torch.uint8)), ("label.npy", label)):
        with whole_file(folder / name) as temporary:
            np.save(temporary, array.numpy())


@dataclass(frozen=True)
class PatchSet:
    """Patches to learn from, drawn anew for each epoch.

    Attributes:
        volumes: of all training cases.
        patch: voxels (z, y, x); what lies outside of a smaller volume is 0.
        count: patches of each case in an epoch.
    """

    volumes: Sequence[PreparedVolume]
    patch: Shape
    count: int

    def __len__(self) -> int:
        return len(self.volumes) * KINDS * PLACES

    def draw(self, theta: str, seed: int, epoch: int, *, static: bool = False) -> np.ndarray:
        """The patches of one epoch: for each one around tumour ``theta`` that lie anywhere; "n" is all anywhere."""
        ratio, generator = RATIOS[theta], np.random.default_rng((seed, 0 if static else epoch))
        cases = np.tile(np.arange(len(self.volumes)), self.count)
        around = np.zeros(len(cases), np.int64)
        if ratio is not None:
            around[: round(len(cases) / (1 + ratio))] = 1
        places = generator.integers(PLACES, size=len(cases))
        indices = (places * KINDS + generator.permutation(around)) * len(self.volumes) + cases
        return np.random.default_rng((seed, epoch, 1)).permutation(indices)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images uint8 (k, 1, z, y, x) and masks bool (k, z, y, x)."""
        return _stack([self._place(int(index)) for index in indices], self.patch)

    def _place(self, index: int) -> tuple[PreparedVolume, list[int]]:
        rest, case = divmod(index, len(self.volumes))
        place, around = divmod(rest, KINDS)
        volume, generator = self.volumes[case], np.random.default_rng(place)
        free = [max(0, side - wanted) for side, wanted in zip(volume.image.shape, self.patch)]
        if around and len(volume.centres):
            centre = volume.centres[generator.integers(len(volume.centres))]
            starts = [int(at - generator.integers(wanted)) for at, wanted in zip(centre, self.patch)]
            return volume, [min(max(0, start), most) for start, most in zip(starts, free)]
        return volume, [int(generator.integers(most + 1)) for most in free]


@dataclass(frozen=True)
class TileSet:
    """Patches side by side over whole volumes, to validate on; the last of a row overlaps the one before it.

    Attributes:
        volumes: of all validation cases.
        patch: voxels (z, y, x).
    """

    volumes: Sequence[PreparedVolume]
    patch: Shape

    @cached_property
    def _tiles(self) -> list[tuple[PreparedVolume, list[int]]]:
        return [(volume, list(starts)) for volume in self.volumes for starts in product(*self._starts(volume))]

    def _starts(self, volume: PreparedVolume) -> list[list[int]]:
        return [
            [min(number * wanted, max(0, side - wanted)) for number in range(math.ceil(side / wanted))]
            for side, wanted in zip(volume.image.shape, self.patch)
        ]

    def __len__(self) -> int:
        return len(self._tiles)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images uint8 (k, 1, z, y, x) and masks bool (k, z, y, x)."""
        return _stack([self._tiles[int(index)] for index in indices], self.patch)


def _stack(places: list[tuple[PreparedVolume, list[int]]], patch: Shape) -> tuple[Tensor, Tensor]:
    images = np.zeros((len(places), 1, *patch), np.uint8)
    masks = np.zeros((len(places), *patch), bool)
    for row, (volume, starts) in enumerate(places):
        taken = tuple(slice(start, start + wanted) for start, wanted in zip(starts, patch))
        image, label = volume.image[taken], volume.label[taken]
        room = tuple(
            slice((wanted - side) // 2, (wanted - side) // 2 + side) for side, wanted in zip(image.shape, patch)
        )
        images[row, 0][room], masks[row][room] = image, label
    return torch.from_numpy(images), torch.from_numpy(masks)
