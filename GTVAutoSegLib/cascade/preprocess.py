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
from torch import Tensor
from torch.nn import functional as F

from ..images.probability import LEVELS
from ..images.runs import Runs, sizes_of
from ..system.settings import PreprocessSettings

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
    runs = Runs.of(_body_mask(_stretch_to_bytes(hu, settings.window)))
    if len(runs.line) == 0:
        return Box(0, height, 0, width)
    body = _largest_components(runs, settings)
    margin = settings.margin
    return Box(
        max(0, int(runs.line[body].min()) - margin),
        min(height, int(runs.line[body].max()) + 1 + margin),
        max(0, int(runs.start[body].min()) - margin),
        min(width, int(runs.stop[body].max()) + margin),
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
            crop = hu[slices_around(index, len(hu), settings.channels)][(slice(None), *box.slices)]
            batch[row] = stretch(torch.from_numpy(apply_window(crop, settings.window)), settings.size)
    return batch


def apply_window(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Clip HU to the window and map it to [0, 1]; any shape, returns float32."""
    low, high = window
    clipped = _clip(hu, window)
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


def paste_back(probability: Tensor, box: Box, plane: np.ndarray) -> None:
    """Undo `stretch` for a foreground probability map and write it into a slice, in the levels of a `Probability`.

    The probability is interpolated, not the mask: the outline keeps its place below a pixel.

    Args:
        probability: float (N, N) from the network, on the CPU.
        box: where the slice was cropped.
        plane: uint8 (height, width), the whole slice; only the box is written.
    """
    levels = _resize(probability[None, None], box.shape)[0, 0].mul(LEVELS).clamp_(0, LEVELS - 1)
    plane[box.slices] = levels.to(torch.uint8).numpy()


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


def slices_around(index: int, count: int, channels: int, step: int = 1) -> np.ndarray:
    """A slice and its neighbours ``step`` apart, as indices; beyond the volume its first or last one."""
    reach = channels // 2
    return np.clip(index + step * np.arange(-reach, reach + 1), 0, count - 1)


def _clip(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    # Converted first: numpy clips integers to floating-point ends in double precision.
    clipped = hu.astype(np.float32)
    return np.clip(clipped, *window, out=clipped)


def _stretch_to_bytes(hu: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Window one slice and spread what is left over 0 to 255, as uint8 (y, x)."""
    clipped = _clip(hu, window)
    darkest, brightest = float(clipped.min()), float(clipped.max())
    if brightest <= darkest:
        return np.zeros(hu.shape, np.uint8)
    clipped -= np.float32(darkest)
    clipped *= np.float32(255.0 / (brightest - darkest))
    return clipped.astype(np.uint8)


def _body_mask(grey: np.ndarray) -> np.ndarray:
    """What is brighter than the background, closed; bool (y, x)."""
    eroded = _erode(grey)
    return _close(eroded > otsu_threshold(eroded))


def _erode(image: np.ndarray) -> np.ndarray:
    """Grey erosion by a 5 x 5 ellipse; outside the image is ignored.

    The ellipse is a 5 x 3 rectangle joined with a column of height 5, so a few whole-image minima give it exactly.
    """
    wide = _minimum_along(image, (1, 2), axis=1)
    result = _minimum_along(wide, (1,), axis=0)
    np.minimum(result[2:], image[:-2], out=result[2:])
    np.minimum(result[:-2], image[2:], out=result[:-2])
    return result


def _minimum_along(image: np.ndarray, steps: Sequence[int], axis: int) -> np.ndarray:
    result = image.copy()
    source, target = (image, result) if axis == 0 else (image.T, result.T)
    for step in steps:
        np.minimum(target[step:], source[:-step], out=target[step:])
        np.minimum(target[:-step], source[step:], out=target[:-step])
    return result


def otsu_threshold(grey: np.ndarray) -> int:
    """Threshold (Otsu 1979) of a uint8 image: the grey value up to which pixels are background."""
    # numpy would count in a copy of the image in 64-bit integers.
    counts = torch.bincount(torch.from_numpy(grey).ravel(), minlength=256).numpy().astype(np.float64)
    levels = np.arange(256)
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = sums / below - (sums[-1] - sums) / above
        between = below * above * difference**2
    return int(np.argmax(np.nan_to_num(between, nan=0.0, posinf=0.0)))


def _close(mask: np.ndarray) -> np.ndarray:
    """Binary closing by the 5 x 5 ellipse, `CLOSING_ITERATIONS` times; outside the image is ignored; bool (y, x).

    On 64 pixels at a time: the bits of one word. Two or more bits are empty at the end of each row, so that nothing
    moves into the next one.
    """
    height, width = mask.shape
    words = (width + 1) // 64 + 1
    inside = _pack(np.ones_like(mask), words)
    bits = _pack(mask, words)
    for _ in range(CLOSING_ITERATIONS):
        bits = _dilate(bits, words) & inside
    holes = ~bits & inside
    for _ in range(CLOSING_ITERATIONS):
        holes = _dilate(holes, words) & inside
    closed = (~holes & inside).view(np.uint8).reshape(height, -1)
    return np.unpackbits(closed, axis=1, count=width, bitorder="little").view(bool)


def _pack(mask: np.ndarray, words: int) -> np.ndarray:
    """A mask (y, x) as bits, row after row: uint64 (y * words,), the lowest bit of a word is its first pixel."""
    packed = np.zeros((len(mask), words * 8), np.uint8)
    packed[:, : -(-mask.shape[1] // 8)] = np.packbits(mask, axis=1, bitorder="little")
    return packed.view("<u8").ravel()


def _dilate(bits: np.ndarray, words: int) -> np.ndarray:
    """Dilation of packed rows by the 5 x 5 ellipse; leaves bits beyond the ends of the rows."""
    wide = bits.copy()
    for step in (1, 2):
        wide |= bits << step
        wide[1:] |= bits[:-1] >> (64 - step)
        wide |= bits >> step
        wide[:-1] |= bits[1:] << (64 - step)
    result = wide.copy()
    for rows, moved in ((1, wide), (2, bits)):
        result[rows * words :] |= moved[: -rows * words]
        result[: -rows * words] |= moved[rows * words :]
    return result


def _largest_components(runs: Runs, settings: PreprocessSettings) -> np.ndarray:
    """Which runs belong to the parts that count as body; bool (runs,)."""
    count, part = runs.parts()
    areas = sizes_of(runs, count, part)
    largest_first = np.argsort(-areas, kind="stable")[: settings.max_components]
    smallest = settings.min_component_fraction * areas.max()
    kept = np.zeros(count, bool)
    kept[largest_first[areas[largest_first] > smallest]] = True
    return np.asarray(kept[part])
