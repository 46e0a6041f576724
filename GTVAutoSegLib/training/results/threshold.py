"""Choosing the slice probability from which the cascade segments a slice, on the validation cases.

The paper picks the more probable class, a threshold of 0.5. A tumour slice the classifier misses is lost for good,
while one picked in vain costs only what the segmenter outlines there; on few patients the best threshold lies lower.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..data.batches import as_input
from ..data.slices import SliceSet, StoredCase

CANDIDATES = tuple(step / 20 for step in range(1, 20))
BATCH = 16


@dataclass(frozen=True)
class SliceFigures:
    """What both networks make of one case, slice by slice; areas are in pixels of the network's grid.

    Attributes:
        probability: float (n,), of showing tumour.
        overlap: int (n,), pixels outlined rightly if the slice is segmented.
        outlined: int (n,), pixels outlined if the slice is segmented.
        truth: int (n,), pixels of the label.
    """

    probability: np.ndarray
    overlap: np.ndarray
    outlined: np.ndarray
    truth: np.ndarray

    def dsc(self, threshold: float) -> float:
        """Dice of the case when only slices from this probability on are segmented; 1 when both are empty."""
        picked = self.probability >= threshold
        total = self.outlined[picked].sum() + self.truth.sum()
        return float(2 * self.overlap[picked].sum() / total) if total else 1.0


def best_threshold(figures: Iterable[SliceFigures]) -> float:
    """The candidate with the highest mean Dice over the cases; among equals the one closest to 0.5."""
    figures = list(figures)
    return max(
        CANDIDATES,
        key=lambda threshold: (
            round(float(np.mean([case.dsc(threshold) for case in figures])), 4),
            -abs(threshold - 0.5),
        ),
    )


@torch.inference_mode()
def measure_case(
    case: StoredCase, classifier: nn.Module, segmenter: nn.Module, device: torch.device | None = None
) -> SliceFigures:
    """Run both networks on every slice of a case.

    Args:
        case: in the slice store.
        classifier: in evaluation mode, on ``device``.
        segmenter: in evaluation mode, on ``device``.
        device: the CPU by default.
    """
    device = device or torch.device("cpu")
    rows: list[np.ndarray] = []
    slices = SliceSet((case,))
    for start in range(0, len(slices), BATCH):
        images, masks = slices.batch(np.arange(start, min(start + BATCH, len(slices))))
        inputs, truth = as_input(images, device), masks.to(device)
        probability = classifier(inputs).softmax(dim=1)[:, 1]
        outlined = segmenter(inputs).argmax(dim=1).bool()
        areas = [(outlined & truth), outlined, truth]
        rows.append(torch.stack([probability, *(area.flatten(1).sum(dim=1) for area in areas)]).cpu().numpy())
    probability, overlap, outlined, truth = np.concatenate(rows, axis=1)
    return SliceFigures(probability, overlap, outlined, truth)
