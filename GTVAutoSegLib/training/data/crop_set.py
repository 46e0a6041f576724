"""Slices of training cases as crops: every sample is cut from a box drawn at random around its tumour."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ...cascade.crops import crop_input, crop_rectangle, loosened, random_slack
from ...cascade.preprocess import stretch_mask
from ...images.region import IndexBox
from ...system.settings import CropSettings, PreprocessSettings
from .batches import TrainingSamples
from .sampling import balanced_indices
from .slices import SliceSet, StoredCase, mapped


@dataclass(frozen=True)
class CropSet:
    """All slices of some cases, each in a box around its case's tumour.

    Attributes:
        cases: in the slice store, with ``hu.npy`` and ``label.npy``.
        settings: with ``crops``.
        fixed: number of the box that each case then always has, and only the slices in it count; None draws a box
            around each slice anew for every epoch.
    """

    cases: tuple[StoredCase, ...]
    settings: PreprocessSettings
    fixed: int | None = None
    _at: dict[str, int] = field(default_factory=lambda: {"seed": 0, "epoch": 0})

    def __len__(self) -> int:
        return len(self.abnormal)

    @cached_property
    def abnormal(self) -> np.ndarray:
        """Which slices show tumour, bool (n,)."""
        return np.array([self.cases[owner].abnormal[row] for owner, row in self._slices], bool)

    @cached_property
    def _slices(self) -> list[tuple[int, int]]:
        if self.fixed is None:
            return [(owner, row) for owner, case in enumerate(self.cases) for row in range(len(case.abnormal))]
        boxes = [self._fixed_box(owner) for owner in range(len(self.cases))]
        return [(owner, row) for owner, box in enumerate(boxes) for row in range(box.lower[0], box.upper[0])]

    def draw(self, theta: str, seed: int, epoch: int, *, static: bool = False) -> np.ndarray:
        """The slices of one epoch, see `sampling.balanced_indices`; boxes drawn from now on are this epoch's."""
        self._at.update(seed=seed, epoch=epoch)
        return balanced_indices(self.abnormal, theta, seed, epoch, static=static)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images as uint8 (k, input_channels, N, N) and masks as bool (k, N, N), in the order of ``indices``."""
        images, masks = zip(*(self._sample(int(index)) for index in indices))
        return torch.stack(images), torch.from_numpy(np.stack(masks))

    def _sample(self, index: int) -> tuple[Tensor, np.ndarray]:
        owner, row = self._slices[index]
        case, settings = self.cases[owner], self.settings
        box = self._drawn_box(index, owner, row) if self.fixed is None else self._fixed_box(owner)
        hu, spacing = mapped(case.folder / "hu.npy"), case.spacing_mm[::-1]
        image = crop_input(hu, index=row, box=box, spacing=spacing, settings=settings)
        rectangle = crop_rectangle(box, self._crops, spacing, hu.shape)
        mask = stretch_mask(mapped(case.folder / "label.npy")[row], rectangle, settings.size)
        return image.mul_(255).round_().to(torch.uint8), mask

    def _drawn_box(self, index: int, owner: int, row: int) -> IndexBox:
        generator = np.random.default_rng((self._at["seed"], self._at["epoch"], index))
        case, tight = self.cases[owner], extent(self.cases[owner])
        least = np.zeros((2, 3))
        # Half a slice more, or rounding could leave the slice outside.
        step = case.spacing_mm[2]
        least[:, 0] = (tight.lower[0] - row + 0.5) * step, (row + 1 - tight.upper[0] + 0.5) * step
        box = slack_box(case, random_slack(generator, self._crops, least))
        # Farther away than any slack reaches: the box goes as far as it must.
        lower, upper = min(box.lower[0], row), max(box.upper[0], row + 1)
        return IndexBox((lower, *box.lower[1:]), (upper, *box.upper[1:]))

    def _fixed_box(self, owner: int) -> IndexBox:
        case = self.cases[owner]
        generator = np.random.default_rng((crc32(case.name.encode()), self.fixed or 0))
        return slack_box(case, random_slack(generator, self._crops))

    @property
    def _crops(self) -> CropSettings:
        assert self.settings.crops is not None  # noqa: S101 - a set of crops is made for such settings only
        return self.settings.crops


def samples_of(
    cases: tuple[StoredCase, ...], settings: PreprocessSettings, *, fixed: int | None = None
) -> TrainingSamples:
    """The slices of some cases as the settings want them: whole, or crops, with one ``fixed`` box for each case."""
    return SliceSet(cases) if settings.crops is None else CropSet(cases, settings, fixed)


def slack_box(case: StoredCase, slack_mm: np.ndarray) -> IndexBox:
    """The box around a stored case's tumour with slacks (2, 3) in mm, see `crops.loosened`."""
    return loosened(extent(case), slack_mm, case.spacing_mm[::-1], mapped(case.folder / "hu.npy").shape)


@lru_cache(maxsize=4096)
def extent(case: StoredCase) -> IndexBox:
    """The smallest box around a stored case's tumour."""
    return IndexBox.around(np.asarray(mapped(case.folder / "label.npy")))
