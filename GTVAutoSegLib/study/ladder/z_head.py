"""A head along z for the first stage: what the classifier says of neighbouring slices corrects what it says of one.

The paper's own outlook (section 5) is the continuity between slices. Two 1-D convolutions see the log-odds of the
slices around one, and where it lies in the box; they learn from the outputs of the classifier, which stays as it is, on
the patients that it was trained on itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...cascade.assembly import load_cascade
from ...cascade.cascade import Cascade
from ...cascade.result import CascadeResult
from ...evaluation.cases import Measurement, measure_model
from ...images.read import read_volume
from ...images.region import Region
from ...images.volume import Volume
from ...model.bundle import read_bundle
from ...training.data.batches import Samples, TrainingSamples, as_input
from ...training.data.crop_set import samples_of
from ...training.data.dataset import find_cases, read_label
from ...training.data.slice_store import build_store
from ...training.results.bundles import BOXES
from ...training.results.threshold import ByMask, best_threshold, measure_case
from ..thresholds import stages_of

WIDTH, KERNEL, RATE = 8, 5, 0.01
STEPS, TOGETHER = 200, 8  # boxes a step
BATCH = 16
LARGEST = 8.0  # of the log-odds


class ZHead(nn.Module):
    """A correction to the log-odds of every slice, zero before training; 201 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, WIDTH, KERNEL, padding=KERNEL // 2, padding_mode="replicate")
        self.second = nn.Conv1d(WIDTH, WIDTH, 1)
        self.last = nn.Conv1d(WIDTH, 1, KERNEL, padding=KERNEL // 2, padding_mode="replicate")
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None  # noqa: S101 - a convolution has one unless told otherwise
        nn.init.zeros_(self.last.bias)

    def forward(self, probability: Tensor) -> Tensor:
        """Map probabilities (n,) of the slices of one box, in order, to log-odds (n,)."""
        odds = torch.logit(probability.double(), 1e-6).float().clamp(-LARGEST, LARGEST)
        place = torch.linspace(-1, 1, len(odds)) if len(odds) > 1 else torch.zeros(1)
        seen = torch.stack([odds / LARGEST, place])[None]
        output: Tensor = odds + self.last(F.relu(self.second(F.relu(self.first(seen)))))[0, 0]
        return output

    @torch.inference_mode()
    def corrected(self, probability: np.ndarray) -> np.ndarray:
        """The same for numpy, as probabilities; float32 (n,)."""
        found: np.ndarray = torch.sigmoid(self(torch.from_numpy(probability))).numpy()
        return found


def fit_head(sequences: Sequence[tuple[np.ndarray, np.ndarray]], seed: int, steps: int = STEPS) -> ZHead:
    """Learn from sequences of probabilities (n,) and of whether the slices show tumour, bool (n,)."""
    torch.manual_seed(seed)
    head = ZHead()
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    pairs = [(torch.from_numpy(seen), torch.from_numpy(truth).float()) for seen, truth in sequences]
    for step in range(steps):
        chosen = np.random.default_rng((seed, step)).choice(len(pairs), min(TOGETHER, len(pairs)), replace=False)
        losses = [F.binary_cross_entropy_with_logits(head(pairs[one][0]), pairs[one][1]) for one in chosen]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
        schedule.step()
    return head.eval()


class Headed:
    """A cascade whose slices are picked by a head over its classifier; as far as `measure_model` asks."""

    def __init__(self, cascade: Cascade, head: ZHead, threshold: float) -> None:
        self.cascade, self.head, self.threshold = cascade, head, threshold

    def segment(self, volume: Volume, picked: np.ndarray | None = None, region: Region | None = None) -> CascadeResult:
        """As `Cascade.segment`."""
        if picked is None:
            picked = self._picked(self.cascade.classify(volume, region=region))
        return self.cascade.segment(volume, picked=picked, region=region)

    def _picked(self, probability: np.ndarray) -> np.ndarray:
        inside = ~np.isnan(probability)
        picked = np.zeros(len(probability), bool)
        picked[inside] = self.head.corrected(probability[inside]) >= self.threshold
        return picked


def measure_head(model: Path, dataset: Path, store: Path, slacks: Sequence[float], seed: int) -> list[Measurement]:
    """Train a head for a model, and measure the cascade with it.

    Args:
        model: trained on crops.
        dataset: with ``train``, to learn from, and ``val``, to choose the slice threshold on and to measure.
        store: of prepared slices.
        slacks: of the boxes that are measured, mm.
        seed: of the head.

    Raises:
        InputError: the data set or the store cannot be used.
        ModelError: the model is damaged.
    """
    cascade = load_cascade(read_bundle(model), "cpu", "fp32")
    settings = cascade.bundle.info.preprocessing
    taught, chosen = (build_store(find_cases(dataset / part), settings, store) for part in ("train", "val"))
    boxed = [samples_of((case,), settings, fixed=box) for case in taught for box in range(BOXES)]
    head = fit_head([_sequence(cascade, slices) for slices in boxed], seed)
    judged = [samples_of((case,), settings, fixed=box) for case in chosen for box in range(BOXES)]
    found = [measure_case(slices, *stages_of(cascade), cascade.device) for slices in judged]
    threshold = best_threshold(_headed(case, head, cascade.bundle.info.thresholds.mask) for case in found)
    subject: Any = Headed(cascade, head, threshold)
    results = []
    for case in find_cases(dataset / "val"):
        volume = read_volume(case.image)
        reference = read_label(case, volume)
        for slack in slacks:
            results += measure_model(
                cascade.bundle.info.id, model=subject, case=case, volume=volume, reference=reference, slack_mm=slack
            )
    return results


def _headed(case: ByMask, head: ZHead, mask: float) -> Any:
    figures = case[mask]
    return replace(figures, probability=head.corrected(figures.probability))


@torch.inference_mode()
def _sequence(cascade: Cascade, slices: Samples | TrainingSamples) -> tuple[np.ndarray, np.ndarray]:
    """What the classifier says of the slices of a box, and what they show."""
    classify, _ = stages_of(cascade)
    probability, abnormal = [], []
    for start in range(0, len(slices), BATCH):
        images, masks = slices.batch(np.arange(start, min(start + BATCH, len(slices))))
        probability.append(classify(as_input(images, cascade.device))[:, 1].cpu().numpy())
        abnormal.append(masks.flatten(1).any(dim=1).numpy())
    return np.concatenate(probability), np.concatenate(abnormal)
