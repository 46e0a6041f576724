"""From axial HU slices to network input, and the exact way back.

Each slice is windowed, cropped to its body box and stretched to N x N (paper section 4.2). The box rule is that of
the authors' code without its two smoothing filters: grey erosion, Otsu threshold, closing, then the up to three
largest components, and a margin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from .settings import PreprocessSettings

EIGHT_NEIGHBOURS = np.ones((3, 3), np.uint8)
CLOSING_ITERATIONS = 3


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels: rows ``top:bottom``, columns ``left:right``."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rectangle as a numpy index (y, x)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.bottom - self.top, self.right - self.left


def body_box(hu: np.ndarray, settings: PreprocessSettings) -> Box:
    """Find the box around the body on one axial slice.

    Args:
        hu: one slice (y, x), int16 or float, HU.
        settings: window and box rule.

    Returns:
        The box; the whole slice when nothing stands out from the background.
    """
    height, width = hu.shape
    mask = _body_mask(_stretch_to_bytes(hu, settings.window))
    labels, count = ndimage.label(mask, structure=EIGHT_NEIGHBOURS)
    if count == 0:
        return Box(0, height, 0, width)
    # One part is the usual case, and counting pixels per part would cost as much as all of the above.
    body = mask.view(bool) if count == 1 else _kept_components(labels, count, settings)[labels]
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    margin = settings.margin
    return Box(
        max(0, int(rows[0]) - margin),
        min(height, int(rows[-1]) + 1 + margin),
        max(0, int(columns[0]) - margin),
        min(width, int(columns[-1]) + 1 + margin),
    )


def network_input(hu: np.ndarray, indices: Sequence[int], boxes: Sequence[Box], settings: PreprocessSettings) -> Tensor:
    """Crop, window and stretch some slices of a volume.

    Args:
        hu: the volume (z, y, x) in axial order, HU.
        indices: which slices.
        boxes: the body box of each of ``indices``.
        settings: window, size and channels.

    Returns:
        float32 tensor (len(indices), channels, N, N) with values in [0, 1].
    """
    batch = torch.empty((len(indices), settings.channels, settings.size, settings.size))
    with _one_thread():
        for row, (index, box) in enumerate(zip(indices, boxes)):
            crop = hu[_neighbours(index, len(hu), settings.channels)][(slice(None), *box.slices)]
            batch[row] = stretch(torch.from_numpy(apply_window(crop, settings.window)), settings.size)
    return batch


def apply_window(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Clip HU to the window and map it to [0, 1]; any shape, returns float32."""
    low, high = window
    clipped = np.clip(hu, low, high).astype(np.float32)
    clipped -= np.float32(low)
    clipped *= np.float32(1.0 / (high - low))
    return clipped


def stretch(image: Tensor, size: int) -> Tensor:
    """Resize float (channels, h, w) to (channels, size, size), smoothing where it shrinks; aspect is not kept."""
    return _resize(image[None], (size, size))[0]


def stretch_mask(mask: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Crop and stretch a binary mask (y, x) as `network_input` does with the image; returns bool (size, size)."""
    crop = torch.from_numpy(np.ascontiguousarray(mask[box.slices]).astype(np.float32))
    return (stretch(crop[None], size)[0] >= 0.5).numpy()


def paste_back(probability: Tensor, box: Box, plane: np.ndarray, threshold: float) -> None:
    """Undo `stretch` for a foreground probability map and write the mask into a slice.

    The probability is interpolated, not the mask: the outline keeps its place below a pixel.

    Args:
        probability: float (N, N) from the network, on the CPU.
        box: where the slice was cropped.
        plane: uint8 (height, width), the whole slice; only the box is written.
        threshold: probability from which a pixel is 1.
    """
    plane[box.slices] = (_resize(probability[None, None], box.shape)[0, 0] >= threshold).numpy()


@contextmanager
def _one_thread() -> Iterator[None]:
    """One slice is too little work for several threads, which cost more by waiting for each other than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    shrinks = images.shape[2] > size[0] or images.shape[3] > size[1]
    # Where nothing shrinks the smoothing kernel is plain bilinear, three times slower.
    return F.interpolate(images, size=size, mode="bilinear", antialias=shrinks, align_corners=False)


def _neighbours(index: int, count: int, channels: int) -> np.ndarray:
    reach = channels // 2
    return np.clip(np.arange(index - reach, index + reach + 1), 0, count - 1)


def _stretch_to_bytes(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Window one slice and spread what is left over 0 to 255, as uint8 (y, x)."""
    low, high = window
    clipped = np.clip(hu, low, high)
    darkest, brightest = float(clipped.min()), float(clipped.max())
    if brightest <= darkest:
        return np.zeros(hu.shape, np.uint8)
    scale = np.float32(255.0 / (brightest - darkest))
    return ((clipped.astype(np.float32) - np.float32(darkest)) * scale).astype(np.uint8)


def _body_mask(grey: np.ndarray) -> np.ndarray:
    eroded = _filter_ellipse(grey, np.minimum)
    mask = (eroded > otsu_threshold(eroded)).astype(np.uint8)
    for _ in range(CLOSING_ITERATIONS):
        mask = _filter_ellipse(mask, np.maximum)
    for _ in range(CLOSING_ITERATIONS):
        mask = _filter_ellipse(mask, np.minimum)
    return mask


def _filter_ellipse(image: np.ndarray, pick: np.ufunc) -> np.ndarray:
    """Grey erosion (np.minimum) or dilation (np.maximum) by a 5 x 5 ellipse; outside the image is ignored.

    The ellipse is a 5 x 3 rectangle joined with a column of height 5, so a few whole-image minima give it exactly.
    """
    result = _filter_line(_filter_line(image, pick, 2, axis=1), pick, 1, axis=0)
    pick(result[2:], image[:-2], out=result[2:])
    pick(result[:-2], image[2:], out=result[:-2])
    return result


def _filter_line(image: np.ndarray, pick: np.ufunc, reach: int, axis: int) -> np.ndarray:
    result = image.copy()
    source, target = (image, result) if axis == 0 else (image.T, result.T)
    for step in range(1, reach + 1):
        pick(target[step:], source[:-step], out=target[step:])
        pick(target[:-step], source[step:], out=target[:-step])
    return result


def otsu_threshold(grey: np.ndarray) -> int:
    """Threshold (Otsu 1979) of a uint8 image: the grey value up to which pixels are background."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    levels = np.arange(256)
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = sums / below - (sums[-1] - sums) / above
        between = below * above * difference**2
    return int(np.argmax(np.nan_to_num(between, nan=0.0, posinf=0.0)))


def _kept_components(labels: np.ndarray, count: int, settings: PreprocessSettings) -> np.ndarray:
    """Look-up table from label (0 is background) to whether that part counts as body."""
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    largest_first = np.argsort(-areas, kind="stable")[: settings.max_components]
    smallest = settings.min_component_fraction * areas.max()
    kept = np.zeros(count + 1, bool)
    kept[1 + largest_first[areas[largest_first] > smallest]] = True
    return kept
