"""Samples for the completer: a person is simulated who draws some slices of a labelled tumour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import pi

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...cascade.completion.completer import SCALE
from ...cascade.completion.features import Square, blur_for, features, smoothed, square_around
from ...cascade.completion.interpolation import signed_distance
from ...cascade.completion.neighbours import Neighbours, neighbours_of
from ...cascade.person import WAYS
from ...images.read import read_volume
from ...images.region import axial_spacing
from ...images.volume import check_ct
from .dataset import Case, read_label

PLACES = 2**31
FARTHEST_MM = 130.0
BEYOND_MM = 25.0
# How the simulated person goes about it, and how often.
HABITS = {"inside": 0.45, "ends": 0.2, "anywhere": 0.35}
COUNTS = {1: 0.25, 2: 0.2, 3: 0.25, 4: 0.1, 5: 0.15, 7: 0.05}
NAMES_ENDS = {"inside": 0.75, "ends": 0.8, "anywhere": 0.5}
# How squares and intensities are varied.
SCALES, SHIFT, TURN, HALF_TURNS = (1.5, 2.2), 0.06, 0.4, 0.3
GAIN, OFFSET_HU = 0.1, 15.0


@dataclass(frozen=True)
class LabelledTumour:
    """One case in axial order.

    Attributes:
        hu: int16 or float32 (z, y, x).
        label: bool (z, y, x), not empty.
        spacing: (z, y, x), mm.
        distances: signed distances that were asked for.
    """

    hu: np.ndarray
    label: np.ndarray
    spacing: tuple[float, float, float]
    distances: dict[int, np.ndarray] = field(default_factory=dict)

    def distance(self, index: int) -> np.ndarray:
        """Signed distance (y, x) of a slice that shows tumour, mm."""
        if index not in self.distances:
            self.distances[index] = signed_distance(self.label[index], self.spacing[1:]).astype(np.float16)
        return self.distances[index].astype(np.float32)

    def slice_hu(self, index: int) -> np.ndarray:
        """A slice (y, x); beyond the CT its first or last one."""
        return np.asarray(self.hu[min(max(index, 0), len(self.hu) - 1)])

    def is_empty(self, index: int) -> bool:
        """Whether a slice shows no tumour."""
        return not self.label[index].any()


@dataclass(frozen=True)
class OtherScanner:
    """A tumour as another scanner might show it: HU times ``gain`` and ``offset`` more."""

    tumour: LabelledTumour
    gain: float
    offset: float

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x), mm."""
        return self.tumour.spacing

    def slice_hu(self, index: int) -> np.ndarray:
        """A slice (y, x), HU."""
        return self.tumour.slice_hu(index) * np.float32(self.gain) + np.float32(self.offset)

    def distance(self, index: int) -> np.ndarray:
        """Signed distance (y, x), mm."""
        return self.tumour.distance(index)


def read_tumour(case: Case) -> LabelledTumour | None:
    """Read a case; None when its label is empty."""
    volume = read_volume(case.image)
    check_ct(volume)
    label = np.ascontiguousarray(volume.axial.of(read_label(case, volume)))
    if not label.any():
        return None
    return LabelledTumour(np.ascontiguousarray(volume.axial.of(volume.array)), label, axial_spacing(volume))


@dataclass(frozen=True)
class DrawnSlices:
    """Slices to complete, of several data sets that count alike.

    Attributes:
        sets: tumours of each data set.
        size: side of the network's input, pixels.
        count: samples of an epoch.
        varied: squares and intensities are varied, as for training.
    """

    sets: Sequence[Sequence[LabelledTumour]]
    size: int
    count: int
    varied: bool = True

    def __len__(self) -> int:
        return self.count

    def draw(self, theta: str, seed: int, epoch: int, *, static: bool = False) -> np.ndarray:  # noqa: ARG002
        """Seeds of one epoch's samples; a ratio of slices without tumour has no meaning here."""
        return np.random.default_rng((seed, 0 if static else epoch)).integers(PLACES, size=self.count)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images float32 (k, channels, size, size) and masks bool (k, size, size); an index is a sample's seed."""
        samples = [self._sample(np.random.default_rng(int(index))) for index in indices]
        return torch.stack([image for image, _ in samples]), torch.stack([mask for _, mask in samples])

    def _sample(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        while True:
            chosen = self.sets[int(random.integers(len(self.sets)))]
            tumour = chosen[int(random.integers(len(chosen)))]
            neighbours = simulated(tumour, random)
            if neighbours is not None:
                return self._seen(tumour, neighbours, random)

    def _seen(
        self, tumour: LabelledTumour, neighbours: Neighbours, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        masks = [tumour.label[anchor.index] for anchor in neighbours.shown]
        spacing = tumour.spacing[1:]
        if self.varied:
            square = _varied_square(masks, spacing, random)
            scanner = OtherScanner(tumour, 1 + random.uniform(-GAIN, GAIN), random.uniform(-OFFSET_HU, OFFSET_HU))
        else:
            square, scanner = square_around(masks, spacing, SCALE), OtherScanner(tumour, 1.0, 0.0)
        label = smoothed(tumour.label[neighbours.index], blur_for(square, self.size, spacing))
        grid = square.grid(self.size, label.shape, spacing)
        truth = F.grid_sample(torch.from_numpy(label)[None, None], grid, padding_mode="zeros", align_corners=False)
        return features(scanner, neighbours, square, self.size), truth[0, 0] >= 0.5


def _varied_square(masks: list[np.ndarray], spacing: tuple[float, float], random: np.random.Generator) -> Square:
    shift = (random.uniform(-SHIFT, SHIFT), random.uniform(-SHIFT, SHIFT))
    square = square_around(masks, spacing, random.uniform(*SCALES), shift)
    angle = random.uniform(-TURN, TURN) + pi * (random.random() < HALF_TURNS)
    return Square(square.centre, square.side, angle, bool(random.random() < 0.5))


def simulated(tumour: LabelledTumour, random: np.random.Generator) -> Neighbours | None:
    """A slice that a simulated person did not draw, with those they did.

    Returns:
        The slice and its neighbours; None where everything is drawn, or the nearest outline is too far away.
    """
    marked = np.flatnonzero(tumour.label.any(axis=(1, 2)))
    first, last = int(marked[0]), int(marked[-1])
    habit = str(random.choice(list(HABITS), p=list(HABITS.values())))
    count = int(random.choice(list(COUNTS), p=list(COUNTS.values())))
    if habit == "anywhere":
        drawn = sorted(set(random.integers(first, last + 1, size=count).tolist()))
    else:
        drawn = WAYS[habit](first, last, max(count, 2 if habit == "ends" else 1))
    named = random.random() < NAMES_ENDS[habit]
    beyond = 0 if named else round(BEYOND_MM / tumour.spacing[0])
    low, high = max(0, first - beyond), min(len(tumour.label) - 1, last + beyond)
    others = sorted(set(range(low, high + 1)) - set(drawn))
    if not others:
        return None
    index = int(random.choice(others))
    ends = (first, last) if named else (None, None)
    neighbours = neighbours_of(index, drawn, tumour.is_empty, *ends)
    distances = [abs(anchor.index - index) * tumour.spacing[0] for anchor in neighbours.shown]
    if not distances or min(distances) > FARTHEST_MM:
        return None
    return neighbours.turned if random.random() < 0.5 else neighbours
