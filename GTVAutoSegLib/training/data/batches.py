"""How an epoch is cut into batches, read, and turned into network input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Samples(Protocol):
    """Slices or patches, by number."""

    def __len__(self) -> int:
        """How many there are."""

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images uint8 (k, channels, ...) and masks bool (k, ...), in the order of ``indices``."""


class TrainingSamples(Samples, Protocol):
    """Those that an epoch is drawn from."""

    def draw(self, theta: str, seed: int, epoch: int, *, static: bool) -> np.ndarray:
        """Indices of one epoch, shuffled, see `sampling.balanced_indices`."""


def cut(order: np.ndarray, most: int, least: int) -> list[np.ndarray]:
    """Cut into pieces of nearly equal length, at most ``most`` unless they would fall below ``least``."""
    return np.array_split(order, max(1, min(math.ceil(len(order) / most), len(order) // least)))


def read_ahead(samples: Samples, batches: Sequence[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
    """Read each batch while the one before is being worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting: Future[tuple[Tensor, Tensor]] | None = None
        for batch in batches:
            coming = reader.submit(samples.batch, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()


def as_input(images: Tensor, device: torch.device) -> Tensor:
    """Stored slices or patches, uint8, as float32 in [0, 1] on a device; what is float already stays. Same shape."""
    return images.to(device) if images.is_floating_point() else images.to(device).float().div_(255)


def packed(images: Tensor) -> Tensor:
    """In the memory order that the networks' kernels have, channels last."""
    return images.contiguous(memory_format=torch.channels_last if images.ndim == 4 else torch.channels_last_3d)
