"""Slices with outlines as PNG; numpy and scipy only, so that reports need no plotting library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..images.region import axial_spacing
from ..images.volume import Volume, bounding_box
from .framing import body_frame, centred

# Pictures hold grey values, and two colours: three times smaller, and quicker made, than red, green and blue.
WHITE, FORMER, OUTLINE = 253, 254, 255
COLORS = (80, 170, 255, 255, 60, 60)  # blue: the outline before a person edited it; red: as it is
PALETTE = bytes(value for grey in range(WHITE + 1) for value in (round(grey * 255 / WHITE),) * 3) + bytes(COLORS)
FILTER_UP = 2
AXIAL_PICTURES = 4
WIDTH, THUMBNAIL_WIDTH = 400, 256  # pixels; the height follows from the slice's sides in mm
DASH = 4  # pixels; two of three are drawn
# Sides of the patient at the left, right, top and bottom of a picture: right, left, anterior, posterior, superior
# (head), inferior (feet).
AXIAL_MARKS, CORONAL_MARKS, SAGITTAL_MARKS = "RLAP", "RLSI", "APSI"
# Around the tumour, mm; smaller pictures do not show where in the body it lies.
MARGIN_MM = 40.0
SMALLEST_MM = 160.0


@dataclass(frozen=True)
class Picture:
    """A PNG image and what it shows; ``marks`` are the patient's sides at its left, right, top and bottom."""

    caption: str
    png: bytes
    marks: str = AXIAL_MARKS


def thumbnail(mask: np.ndarray, volume: Volume, window: tuple[float, float]) -> bytes:
    """The axial slice with most tumour, or the middle one, as far as the body goes, as PNG.

    Args:
        mask: (z, y, x), 0 or 1, on the volume's grid.
        volume: the CT.
        window: HU shown as black and white.
    """
    hu, tumour, spacing = _axial(mask, volume)
    areas = np.count_nonzero(tumour, axis=(1, 2))
    index = int(areas.argmax()) if areas.any() else len(hu) // 2
    where = (index, *body_frame(hu[[index]], tumour[[index]], spacing[1:]))
    return encode_png(draw(hu[where], tumour[where], spacing[1:], window, width=THUMBNAIL_WIDTH))


def key_pictures(
    mask: np.ndarray, volume: Volume, window: tuple[float, float], before: np.ndarray | None = None
) -> tuple[Picture, ...]:
    """Axial slices from the tumour's feet end to its head end, and the coronal and sagittal ones with most tumour.

    Axial slices are seen from the feet, the patient's left on the right; on the others the head is up. Without a tumour
    they are spread over the whole scan, as wide as the body.

    Args:
        mask: (z, y, x), 0 or 1, on the volume's grid.
        volume: the CT.
        window: HU shown as black and white.
        before: the mask before a person edited it, drawn as well.
    """
    hu, tumour, spacing = _axial(mask, volume)
    former = np.zeros_like(tumour) if before is None else volume.axial.of(before) > 0
    found = bounding_box(tumour | former)
    first, last = (0, len(hu) - 1) if found is None else (found[0].start, found[0].stop - 1)
    chosen = np.unique(np.linspace(first, last, AXIAL_PICTURES).round().astype(int))
    if found is None:
        box = [slice(None), *body_frame(hu[chosen], tumour[chosen], spacing[1:])]
    else:
        box = _with_margin(found, hu.shape, spacing)
    flipped = 0 in volume.axial.flips
    pictures = []
    for index in chosen:
        where = (index, *box[1:])
        drawn = draw(hu[where], tumour[where], spacing[1:], window, before=former[where])
        pictures.append(Picture(f"axial, slice {len(hu) - 1 - index if flipped else index}", encode_png(drawn)))
    for name, axis, kept, marks in (("coronal", 1, (0, 2), CORONAL_MARKS), ("sagittal", 2, (0, 1), SAGITTAL_MARKS)):
        most = hu.shape[axis] // 2 if found is None else _fullest((tumour | former)[found], axis) + found[axis].start
        where = tuple(most if one == axis else box[one] for one in range(3))
        sides = (spacing[kept[0]], spacing[kept[1]])
        drawn = draw(hu[where][::-1], tumour[where][::-1], sides, window, before=former[where][::-1])  # the head is up
        pictures.append(Picture(name, encode_png(drawn), marks))
    return tuple(pictures)


def compared_slices(
    mask: np.ndarray,
    reference: np.ndarray,
    volume: Volume,
    *,
    slices: Sequence[int],
    window: tuple[float, float],
) -> tuple[Picture, ...]:
    """Axial slices with an outline, red, and its reference, blue and dashed, so that they can be told on grey paper.

    Args:
        mask: (z, y, x), 0 or 1, on the volume's grid.
        reference: the same.
        volume: the CT.
        slices: which, along the stored axis closest to head-feet.
        window: HU shown as black and white.
    """
    hu, outlined, spacing = _axial(mask, volume)
    true = volume.axial.of(reference) > 0
    found = bounding_box(outlined | true)
    pictures = []
    for stored in slices:
        index = len(hu) - 1 - stored if 0 in volume.axial.flips else stored
        where = (index, *(_with_margin(found, hu.shape, spacing)[1:] if found else (slice(None), slice(None))))
        drawn = draw(hu[where], outlined[where], spacing[1:], window, before=true[where], dashed=True)
        pictures.append(Picture(f"axial, slice {stored}", encode_png(drawn)))
    return tuple(pictures)


def draw(
    hu: np.ndarray,
    mask: np.ndarray,
    spacing: tuple[float, ...],
    window: tuple[float, float],
    width: int = WIDTH,
    before: np.ndarray | None = None,
    dashed: bool = False,
) -> np.ndarray:
    """A slice (rows, columns) in grey with the mask's outline, in the proportions of the patient.

    Args:
        hu: HU.
        mask: bool, of the same shape.
        spacing: between rows and between columns, mm.
        window: HU shown as black and white.
        width: of the picture, pixels.
        before: bool, another outline beneath it.
        dashed: whether that one is.

    Returns:
        uint8 (height, width), colours of ``PALETTE``: black is 0, white 253, the other outline 254, the outline 255.
    """
    rows, columns = hu.shape
    height = max(1, round(width * rows * spacing[0] / (columns * spacing[1])))
    y = (np.arange(height) + 0.5) * rows / height - 0.5
    x = (np.arange(width) + 0.5) * columns / width - 0.5
    low, high = window
    shown = _sampled(_sampled(hu, y).T, x).T
    picture = ((shown - low) / (high - low) * WHITE).clip(0, WHITE).astype(np.uint8)
    for outlined, value in ((before, FORMER), (mask, OUTLINE)):
        if outlined is not None:
            large = outlined[np.rint(y).astype(int).clip(0, rows - 1)][:, np.rint(x).astype(int).clip(0, columns - 1)]
            line = _edge(large) | _edge(large.T).T
            if dashed and value == FORMER:
                line &= (np.add.outer(np.arange(height), np.arange(width)) // DASH) % 3 < 2
            picture[line] = value
    return picture


def _sampled(rows: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Rows between those of an image, linearly interpolated; beyond its ends, the ends."""
    where = where.clip(0, len(rows) - 1)
    below = where.astype(int)
    above = np.minimum(below + 1, len(rows) - 1)
    share = (where - below).astype(np.float32)[:, None]
    return np.asarray(rows[below] * (1 - share) + rows[above] * share)


def _edge(mask: np.ndarray) -> np.ndarray:
    """Pixels on both sides of a change from one row to the next."""
    edge = np.zeros_like(mask)
    change = mask[1:] != mask[:-1]
    edge[1:] |= change
    edge[:-1] |= change
    return edge


def encode_png(picture: np.ndarray) -> bytes:
    """A picture, uint8 (height, width) with the colours of ``PALETTE``, as PNG (ISO/IEC 15948).

    Rows are stored as differences to the one above: with the quickest compression these take less than the rows
    themselves with a slow one.
    """
    height, width = picture.shape
    rows = np.full((height, 1 + width), FILTER_UP, np.uint8)
    rows[:, 1:] = np.diff(picture, axis=0, prepend=np.uint8(0))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    image = zlib.compress(rows.tobytes(), zlib.Z_BEST_SPEED)
    chunks = ((b"IHDR", header), (b"PLTE", PALETTE), (b"IDAT", image), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _axial(mask: np.ndarray, volume: Volume) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """HU, bool mask and spacing in axial order."""
    view = volume.axial
    return view.of(volume.array), view.of(mask) > 0, axial_spacing(volume)


def _fullest(tumour: np.ndarray, axis: int) -> int:
    """Where along an axis there is most tumour."""
    others = tuple(other for other in range(3) if other != axis)
    return int(np.count_nonzero(tumour, axis=others).argmax())


def _with_margin(found: tuple[slice, ...], shape: tuple[int, ...], spacing: tuple[float, ...]) -> list[slice]:
    """What the pictures show along each axial axis: a cube around the tumour's box, as far as the scan goes."""
    widest = max((one.stop - one.start) * step for one, step in zip(found, spacing))
    side = max(widest + 2 * MARGIN_MM, SMALLEST_MM)
    sizes = zip(found, spacing, shape)
    return [centred(one.start, one.stop, round(side / step), size) for one, step, size in sizes]
