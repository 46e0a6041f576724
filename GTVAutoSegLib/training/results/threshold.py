"""Choosing the probabilities from which a slice is segmented and a pixel is tumour, on the validation cases.

The paper picks the more probable class, a threshold of 0.5. A tumour slice the classifier misses is lost for good,
while one picked in vain costs only what the segmenter outlines there: on few patients the best threshold lies lower.
The same holds for a segmenter, which is hesitant after few patients. The two are chosen together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from ...model.info import Thresholds
from ..data.batches import Samples, as_input

CANDIDATES = tuple(step / 20 for step in range(1, 20))
MASKS = tuple(step / 20 for step in range(2, 19))
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


# What both networks make of one case, by the probability from which a pixel is tumour.
ByMask = Mapping[float, SliceFigures]
# A stage of a model: class probabilities (n, 2, ...) of float (n, channels, N, N).
Look = Callable[[Tensor], Tensor]


def best_threshold(figures: Iterable[SliceFigures]) -> float:
    """The candidate with the highest mean Dice over the cases; among equals the one closest to 0.5."""
    return best_thresholds([{0.5: case} for case in figures]).slice


def best_thresholds(cases: Sequence[ByMask]) -> Thresholds:
    """The pair of candidates with the highest mean Dice over the cases; among equals the one closest to 0.5."""
    by_pair = {pair: _mean_dsc(cases, *pair) for pair in product(CANDIDATES, cases[0])}
    slice_, mask = max(by_pair, key=lambda pair: (by_pair[pair], -sum(abs(value - 0.5) for value in pair)))
    return Thresholds(slice_, mask)


def threshold_curves(cases: Sequence[ByMask], chosen: Thresholds) -> dict[str, dict[str, float]]:
    """Mean Dice by each threshold, the other one being the chosen one; JSON-ready."""
    return {
        "slice": {f"{candidate:g}": _mean_dsc(cases, candidate, chosen.mask) for candidate in CANDIDATES},
        "mask": {f"{candidate:g}": _mean_dsc(cases, chosen.slice, candidate) for candidate in MASKS},
    }


def _mean_dsc(cases: Sequence[ByMask], threshold: float, mask: float) -> float:
    return round(float(np.mean([case[mask].dsc(threshold) for case in cases])), 4)


@torch.inference_mode()
def measure_case(slices: Samples, classify: Look, segment: Look, device: torch.device) -> ByMask:
    """Run both stages on every slice of a case.

    Args:
        slices: of one case.
        classify: the first stage, see `inference.ensemble_probabilities`.
        segment: the second stage.
        device: where their networks are.
    """
    rows: list[np.ndarray] = []
    probabilities: list[np.ndarray] = []
    for start in range(0, len(slices), BATCH):
        images, masks = slices.batch(np.arange(start, min(start + BATCH, len(slices))))
        inputs, truth = as_input(images, device), masks.to(device)
        probabilities.append(classify(inputs)[:, 1].cpu().numpy())
        tumour = segment(inputs)[:, 1]
        areas = []
        for threshold in MASKS:
            outlined = tumour >= threshold
            areas.append(torch.stack([area.flatten(1).sum(dim=1) for area in (outlined & truth, outlined, truth)]))
        rows.append(torch.stack(areas).cpu().numpy())
    probability, found = np.concatenate(probabilities), np.concatenate(rows, axis=2)
    return {mask: SliceFigures(probability, *areas) for mask, areas in zip(MASKS, found)}
