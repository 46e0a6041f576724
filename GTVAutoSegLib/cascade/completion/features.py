"""What the completer sees of a slice: the CT and the outlines of its neighbours, in a square around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from ...images.region import IndexBox
from ...networks.completer import FARTHEST_SHARE
from .interpolation import mixed_distance
from .neighbours import Anchor, Neighbours

SOFT, WIDE = (-160.0, 240.0), (-1000.0, 400.0)
NEAR_MM = 40.0  # distances between slices count in this unit, up to FAR of them
FAR = 3.0
SIDE_MM = 200.0
SMALLEST_SIDE_MM = 24.0
# HU bins of the likelihood of tumour: fine where tissue lies.
BINS = torch.cat([torch.arange(-900.0, -200.0, 100.0), torch.arange(-200.0, 301.0, 12.5)])
LIKELIHOOD_LIMIT = 4.0
CHANNELS = 23


@dataclass(frozen=True)
class Square:
    """Where the completer looks, in axial slices.

    Attributes:
        centre: (y, x), pixels.
        side: mm.
        angle: turned by so much, radians.
        mirrored: left and right are swapped.
    """

    centre: tuple[float, float]
    side: float
    angle: float = 0.0
    mirrored: bool = False

    def grid(self, size: int, shape: tuple[int, int], spacing: tuple[float, float]) -> Tensor:
        """Sampling positions (1, size, size, 2) for `torch.nn.functional.grid_sample` of slices of a shape."""
        steps = ((torch.arange(size) + 0.5) / size - 0.5) * self.side
        y, x = torch.meshgrid(steps, -steps if self.mirrored else steps, indexing="ij")
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        rows = self.centre[0] + (cosine * y - sine * x) / spacing[0]
        columns = self.centre[1] + (sine * y + cosine * x) / spacing[1]
        return torch.stack([(2 * columns + 1) / shape[1] - 1, (2 * rows + 1) / shape[0] - 1], dim=-1)[None]


def square_around(
    masks: list[np.ndarray], spacing: tuple[float, float], scale: float, shift: tuple[float, float] = (0.0, 0.0)
) -> Square:
    """A square around masks.

    Args:
        masks: bool (y, x), at least one of them not empty.
        spacing: (y, x), mm.
        scale: its side, in the longer side of the masks' box.
        shift: of its centre, in sides.
    """
    box = IndexBox.around(np.stack(masks))
    lower, upper = np.array(box.lower[1:]), np.array(box.upper[1:])
    side = max(float(((upper - lower) * spacing).max()) * scale, SMALLEST_SIDE_MM)
    y, x = (lower + upper - 1) / 2 + np.array(shift) * side / spacing
    return Square((y, x), side)


class Scene(Protocol):
    """What is known of a CT, by slice, in axial order; a `drawing.Drawing` is one."""

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x), mm."""

    def slice_hu(self, index: int) -> np.ndarray:
        """A slice (y, x), HU; beyond the CT its first or last one."""

    def distance(self, index: int) -> np.ndarray:
        """Signed distance (y, x) of a drawn slice that is not empty, mm."""


def features(scene: Scene, neighbours: Neighbours, square: Square, size: int) -> Tensor:
    """The network's input for one slice, float32 (CHANNELS, size, size).

    Args:
        scene: the CT and the drawn outlines.
        neighbours: of the slice; at least one of the nearest shows tumour.
        square: where to look.
        size: pixels of the input's side.
    """
    index = neighbours.index
    below, above = neighbours.nearest
    second = [side[1] if len(side) > 1 else None for side in (neighbours.below, neighbours.above)]
    four = (below, above, *second)
    shape = scene.slice_hu(index).shape
    grid = square.grid(size, shape, scene.spacing[1:])
    blur = blur_for(square, size, scene.spacing[1:])
    near = (index if anchor is None else anchor.index for anchor in (below, above))
    seen = (index, index - neighbours.step, index + neighbours.step, *near)
    hu = sampled([smoothed(scene.slice_hu(number), blur) for number in seen], grid)
    mixed = mixed_distance(neighbours, scene.distance, scene.spacing)
    none = np.full(shape, -square.side, np.float32)
    maps = [none if anchor is None or anchor.empty else scene.distance(anchor.index) for anchor in four]
    distances = sampled([mixed, *maps], grid)
    scaled_distances = (distances / (FARTHEST_SHARE * square.side)).clamp(-1, 1)
    outlines = (distances[1:3] * (size / square.side) + 0.5).clamp(0, 1)
    soft, wide = windowed(hu, SOFT), windowed(hu, WIDE)
    pictures = [
        scaled_distances[:1],
        torch.stack([soft[0], wide[0], soft[1], soft[2], soft[3], wide[3], soft[4], wide[4]]),
        outlines,
        scaled_distances[3:5],
        tumour_likelihood(hu[0], hu[3:5], outlines)[None],
    ]
    numbers = [
        *(_far(anchor, index, scene.spacing[0]) for anchor in four),
        *(float(anchor is not None and anchor.empty) for anchor in (below, above)),
        *(float(anchor is None) for anchor in (below, above)),
        square.side / SIDE_MM,
    ]
    return torch.cat([*pictures, torch.tensor(numbers)[:, None, None].expand(-1, size, size)])


def tumour_likelihood(hu: Tensor, known: Tensor, outlines: Tensor) -> Tensor:
    """How much likelier the HU of each pixel are inside the known outlines than around them.

    Args:
        hu: (size, size).
        known: HU of the neighbours, (2, size, size).
        outlines: of the neighbours, (2, size, size), 1 inside; one without any inside does not count.

    Returns:
        Logarithm of the ratio, (size, size), within [-1, 1].
    """
    drawn = (outlines > 0.5).flatten(1).any(dim=1)
    bins = torch.bucketize(known[drawn].flatten(), BINS)
    inside = outlines[drawn].flatten()
    count = len(BINS) + 1
    shares = []
    for weight in (inside, 1 - inside):
        histogram = torch.bincount(bins, weights=weight, minlength=count).float()
        padded = F.pad(histogram[None, None], (2, 2), mode="replicate")
        histogram = F.conv1d(padded, torch.tensor([[[1.0, 2.0, 3.0, 2.0, 1.0]]]) / 9)[0, 0] + 1
        shares.append(histogram / histogram.sum())
    ratio = torch.log(shares[0] / shares[1]).clamp(-LIKELIHOOD_LIMIT, LIKELIHOOD_LIMIT) / LIKELIHOOD_LIMIT
    return ratio[torch.bucketize(hu.contiguous(), BINS)]


def windowed(hu: Tensor, window: tuple[float, float]) -> Tensor:
    """HU within a window as [0, 1]."""
    return ((hu - window[0]) / (window[1] - window[0])).clamp(0, 1)


def sampled(pictures: list[np.ndarray], grid: Tensor) -> Tensor:
    """Float32 pictures (y, x) at the positions of a square, (pictures, size, size); beyond their border it goes on."""
    stacked = torch.from_numpy(np.stack(pictures))[None]
    return F.grid_sample(stacked, grid, padding_mode="border", align_corners=False)[0]


def blur_for(square: Square, size: int, spacing: tuple[float, float]) -> list[float]:
    """Width of the Gaussian, pixels, that takes out of a slice what a square's coarser pixels cannot hold."""
    return [0.4 * max(0.0, square.side / size / step - 1) for step in spacing]


def smoothed(picture: np.ndarray, blur: list[float]) -> np.ndarray:
    """A picture (y, x) as float32, blurred."""
    picture = picture.astype(np.float32)
    return ndimage.gaussian_filter(picture, blur) if max(blur) > 0.1 else picture


def _far(anchor: Anchor | None, index: int, slice_mm: float) -> float:
    return FAR if anchor is None else min(FAR, abs(anchor.index - index) * slice_mm / NEAR_MM)
