"""How an epoch is cut into batches, read, and turned into network input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ..slices import SliceSet


def cut(order: np.ndarray, most: int, least: int) -> list[np.ndarray]:
    """Cut into pieces of nearly equal length, at most ``most`` unless they would fall below ``least``."""
    return np.array_split(order, max(1, min(math.ceil(len(order) / most), len(order) // least)))


def read_ahead(slices: SliceSet, batches: Sequence[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
    """Read each batch while the one before is being worked on."""
    with ThreadPoolExecutor(1) as reader:
        waiting: Future[tuple[Tensor, Tensor]] | None = None
        for batch in batches:
            coming = reader.submit(slices.batch, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()


def as_input(images: Tensor, device: torch.device) -> Tensor:
    """Stored slices, uint8, as float32 in [0, 1] on a device; same shape."""
    return images.to(device).float().div_(255)
