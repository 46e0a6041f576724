"""The completer: a network that corrects interpolated outlines by what the CT shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...model.completer import CompleterBundle, read_completer
from ...networks import COMPLETERS
from ...networks.completer import FARTHEST_LOGIT, FARTHEST_SHARE, CompleterUNet
from ..assembly import load_network
from ..device import resolve_device
from ..load import check_torch
from .drawing import Drawing
from .features import Square, features, square_around
from .interpolation import mixed_distance
from .neighbours import Neighbours

BATCH = 8
SCALE = 1.7  # side of the square, as a multiple of the longer side of the box around the nearest outlines


@dataclass(frozen=True)
class Completer:
    """A completer's bundle, loaded.

    Attributes:
        bundle: where it came from.
        network: the correction.
        device: where it runs.
    """

    bundle: CompleterBundle
    network: CompleterUNet
    device: torch.device

    @torch.inference_mode()
    def outlines(
        self,
        drawing: Drawing,
        wanted: Sequence[Neighbours],
        done: Callable[[int], None] = lambda _: None,
    ) -> list[np.ndarray]:
        """Outline slices that were not drawn.

        Args:
            drawing: the CT and what was drawn.
            wanted: the slices, by their neighbours; at least one of the nearest two of each shows tumour.
            done: called with the number of finished slices after each batch; may raise to stop.

        Returns:
            bool (y, x) each, within the drawing's window.
        """
        found: list[np.ndarray] = []
        for start in range(0, len(wanted), BATCH):
            done(start)
            some = wanted[start : start + BATCH]
            squares = [square_of(drawing, neighbours) for neighbours in some]
            seen = [features(drawing, one, square, self.bundle.info.size) for one, square in zip(some, squares)]
            images = torch.stack(seen).to(self.device).contiguous(memory_format=torch.channels_last)
            corrections = self.network.correction(images)
            for neighbours, square, correction in zip(some, squares, corrections.float().cpu()):
                mixed = mixed_distance(neighbours, drawing.distance, drawing.spacing)
                found.append(corrected(mixed, square, correction, drawing.spacing[1:]))
        done(len(wanted))
        return found


def load_completer(path: str | Path | None = None, device: str = "auto") -> Completer:
    """Load a completer, validated before anything is built.

    Args:
        path: of its folder or .zip; the shipped one by default.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        ModelError: there is none, or it is damaged, or PyTorch is.
        InputError: there is no such device.
    """
    bundle = read_completer(path)
    check_torch()
    target = resolve_device(device)
    network = load_network(bundle, COMPLETERS, bundle.info.network, bundle.info.network.files[0])
    return Completer(bundle, network.float().to(target), target)  # type: ignore[arg-type]


def square_of(drawing: Drawing, neighbours: Neighbours) -> Square:
    """Where to look for a slice: around what its nearest neighbours show."""
    masks = [drawing.mask(anchor.index) for anchor in neighbours.shown]
    return square_around(masks, drawing.spacing[1:], SCALE)


def corrected(mixed: np.ndarray, square: Square, correction: Tensor, spacing: tuple[float, float]) -> np.ndarray:
    """The outline of an interpolated distance with the network's correction on it.

    Args:
        mixed: signed distance (y, x), mm.
        square: where the network looked; beyond it nothing is corrected.
        correction: what it adds to the logit, (1, size, size).
        spacing: (y, x), mm.

    Returns:
        bool (y, x); with a correction of zero it is where the distance is above 0.
    """
    logit = np.clip(mixed / (FARTHEST_SHARE * square.side), -1, 1) * FARTHEST_LOGIT
    rows, columns = (
        (torch.arange(count) - centre) * (2 * step / square.side)
        for count, centre, step in zip(mixed.shape, square.centre, spacing)
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    grid = torch.stack([x, y], dim=-1)[None].float()
    spread = F.grid_sample(correction[None], grid, padding_mode="border", align_corners=False)[0, 0]
    inside = (y.abs() <= 1) & (x.abs() <= 1)
    return np.asarray(logit + (spread * inside).numpy() > 0)
