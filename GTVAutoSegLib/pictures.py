"""Slices with outlines as PNG; numpy and scipy only, so that reports need no plotting library."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .volume import Volume

OUTLINE = (255, 60, 60)
AXIAL_PICTURES = 4
# Around the tumour, mm; smaller pictures do not show where in the body it lies.
MARGIN_MM = 40.0
SMALLEST_MM = 160.0


@dataclass(frozen=True)
class Picture:
    """A PNG image and what it shows."""

    caption: str
    png: bytes


def thumbnail(mask: np.ndarray, volume: Volume, window: tuple[float, float], width: int = 256) -> bytes:
    """The axial slice with most tumour, or the middle one, whole, as PNG.

    Args:
        mask: (z, y, x), 0 or 1, on the volume's grid.
        volume: the CT.
        window: HU shown as black and white.
        width: of the picture, pixels; its height follows from the slice's sides in mm.
    """
    hu, tumour, spacing = _axial(mask, volume)
    areas = np.count_nonzero(tumour, axis=(1, 2))
    index = int(areas.argmax()) if areas.any() else len(hu) // 2
    return encode_png(draw(hu[index], tumour[index], spacing[1:], window, width))


def key_pictures(
    mask: np.ndarray, volume: Volume, window: tuple[float, float], width: int = 400
) -> tuple[Picture, ...]:
    """Axial slices from the tumour's feet end to its head end, and the coronal and sagittal ones with most tumour.

    Axial slices are seen from the feet, the patient's left on the right; on the others the head is up. Without a tumour
    they are spread over the whole scan, uncropped.

    Args:
        mask: (z, y, x), 0 or 1, on the volume's grid.
        volume: the CT.
        window: HU shown as black and white.
        width: of each picture, pixels.
    """
    hu, tumour, spacing = _axial(mask, volume)
    used = np.flatnonzero(tumour.any(axis=(1, 2))) if tumour.any() else np.arange(len(hu))
    chosen = np.unique(np.linspace(used[0], used[-1], AXIAL_PICTURES).round().astype(int))
    box = _crop(tumour, spacing)
    flipped = 0 in volume.axial.flips
    pictures = []
    for index in chosen:
        where = (index, *box[1:])
        caption = f"axial, slice {len(hu) - 1 - index if flipped else index}"
        pictures.append(Picture(caption, encode_png(draw(hu[where], tumour[where], spacing[1:], window, width))))
    for name, axis, kept in (("coronal", 1, (0, 2)), ("sagittal", 2, (0, 1))):
        areas = np.count_nonzero(tumour, axis=tuple(other for other in range(3) if other != axis))
        most = int(areas.argmax()) if areas.any() else len(areas) // 2
        where = tuple(most if one == axis else box[one] for one in range(3))
        sides = (spacing[kept[0]], spacing[kept[1]])
        # The head is up.
        pictures.append(Picture(name, encode_png(draw(hu[where][::-1], tumour[where][::-1], sides, window, width))))
    return tuple(pictures)


def draw(
    hu: np.ndarray, mask: np.ndarray, spacing: tuple[float, ...], window: tuple[float, float], width: int
) -> np.ndarray:
    """A slice (rows, columns) in grey with the mask's outline, in the proportions of the patient.

    Args:
        hu: HU.
        mask: bool, of the same shape.
        spacing: between rows and between columns, mm.
        window: HU shown as black and white.
        width: of the picture, pixels.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    rows, columns = hu.shape
    height = max(1, round(width * rows * spacing[0] / (columns * spacing[1])))
    y = (np.arange(height) + 0.5) * rows / height - 0.5
    x = (np.arange(width) + 0.5) * columns / width - 0.5
    low, high = window
    grid = np.meshgrid(y, x, indexing="ij")
    shown = ndimage.map_coordinates(hu.astype(np.float32), grid, order=1, mode="nearest")
    grey = ((shown - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    large = mask[np.rint(y).astype(int).clip(0, rows - 1)][:, np.rint(x).astype(int).clip(0, columns - 1)]
    rgb[ndimage.binary_dilation(large) & ~ndimage.binary_erosion(large, border_value=1)] = OUTLINE
    return rgb


def encode_png(rgb: np.ndarray) -> bytes:
    """A picture, uint8 (height, width, 3), as PNG (ISO/IEC 15948), without filters."""
    height, width, _ = rgb.shape
    rows = np.zeros((height, 1 + width * 3), np.uint8)
    rows[:, 1:] = rgb.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _axial(mask: np.ndarray, volume: Volume) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """HU, bool mask and spacing in axial order."""
    view = volume.axial
    return view.of(volume.array), view.of(mask).astype(bool), tuple(volume.spacing[2 - axis] for axis in view.axes)


def _crop(tumour: np.ndarray, spacing: tuple[float, ...]) -> list[slice]:
    """What the pictures show along each axial axis: the tumour with a margin, a cube as far as the scan goes."""
    if not tumour.any():
        return [slice(None)] * 3
    found = ndimage.find_objects(tumour.astype(np.uint8))[0]
    side = max((one.stop - one.start) * step for one, step in zip(found, spacing)) + 2 * MARGIN_MM
    side = max(side, SMALLEST_MM)
    box = []
    for one, step, size in zip(found, spacing, tumour.shape):
        length = min(size, round(side / step))
        first = min(max(0, (one.start + one.stop - length) // 2), size - length)
        box.append(slice(first, first + length))
    return box
