"""Synthetic CTs of a chosen size: with tumour on a chosen number of slices, or with a bright ball in the middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AIR_HU, TISSUE_HU, TUMOUR_HU, NOISE_HU = -1000, 40, 160, 15
FIELD_MM, SLICE_MM = 500.0, 3.0


@dataclass(frozen=True)
class Phantom:
    """An elliptic body in air; a run of slices in its middle shows a brighter ellipse.

    Attributes:
        hu: int16 (slices, side, side), HU.
        tumour: bool, the same shape.
        spacing: (x, y, z), mm.
    """

    hu: np.ndarray
    tumour: np.ndarray
    spacing: tuple[float, float, float]

    @property
    def positive(self) -> np.ndarray:
        """Which slices show tumour: bool (slices,)."""
        return np.asarray(self.tumour.any(axis=(1, 2)))


def make_phantom(slices: int, positive: int, side: int, seed: int = 0) -> Phantom:
    """Draw a phantom; equal arguments give equal voxels.

    Args:
        slices: number of axial slices.
        positive: how many of them show tumour.
        side: rows and columns of a slice.
        seed: of the noise.
    """
    hu = np.empty((slices, side, side), np.int16)
    tumour = np.zeros(hu.shape, bool)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    tumour_shape = _ellipse(y, x=x, row=0.48, column=0.40, radius=0.09)
    first = (slices - positive) // 2
    generator = np.random.default_rng(seed)
    for index in range(slices):  # by slice: the noise of a large CT as one array would be four times its size
        # The outline breathes a little, so that no two slices have quite the same body box.
        body = _ellipse(y, x=x, row=0.52, column=0.48, radius=0.33 + 0.02 * np.sin(index / 7))
        plane = np.where(body, np.float32(TISSUE_HU), np.float32(AIR_HU))
        if first <= index < first + positive:
            tumour[index] = tumour_shape
            plane[tumour_shape] = TUMOUR_HU
        plane += NOISE_HU * generator.standard_normal(plane.shape, np.float32)
        hu[index] = plane.round().clip(-1024, 3071)
    return Phantom(hu, tumour, (FIELD_MM / side, FIELD_MM / side, SLICE_MM))


def body_ct(shape: tuple[int, int, int] = (10, 64, 72), seed: int = 0) -> np.ndarray:
    """HU, int16 (z, y, x): air at -1000, a body at about 40 HU in an off-centre ellipse, a ball at 120 HU."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    depth, height, width = shape
    body = ((y - height * 0.55) / (height * 0.3)) ** 2 + ((x - width * 0.45) / (width * 0.35)) ** 2 < 1
    ball = ((z - depth / 2) / (depth / 4)) ** 2 + ((y - height / 2) / 8) ** 2 + ((x - width / 2) / 8) ** 2 < 1
    noise = np.random.default_rng(seed).normal(0, 10, shape)
    hu = np.where(body, 40.0, -1000.0) + np.where(ball & body, 80.0, 0.0) + noise
    return hu.clip(-1024, 3071).round().astype(np.int16)


def _ellipse(y: np.ndarray, x: np.ndarray, row: float, column: float, radius: float) -> np.ndarray:
    return ((y - row) / radius) ** 2 + ((x - column) / (1.2 * radius)) ** 2 < 1
