"""How well a mask agrees with a reference, on the native grid and in mm.

A mask's surface is every voxel of it that touches, by a face, a voxel outside it; what lies beyond the array is
outside. Surface distances run between centres of surface voxels. Definitions follow Maier-Hein et al., "Metrics
reloaded", Nature Methods 21 (2024) 195. When both masks are empty the overlap is 1, when one is, it is 0; distances
are NaN in both cases, so that whoever averages has to say over how many cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .placement import volume_ml
from .volume import Volume

SURFACE_DICE_MM = (1, 2, 3)


@dataclass(frozen=True)
class Agreement:
    """A mask against its reference.

    Attributes:
        dsc: Dice similarity coefficient.
        ji: Jaccard index.
        hd95_mm: the larger of the two directed 95th percentiles of the surface distances, mm.
        hd95_voxels: 95th percentile of the surface distances of both directions together, with 1 x 1 x 1 voxels: what
            the paper's code measured.
        asd_mm: mean of the surface distances of both directions together, mm.
        surface_dice_1mm: fraction of both surfaces that lies within 1 mm of the other one.
        surface_dice_2mm: the same with 2 mm.
        surface_dice_3mm: the same with 3 mm.
        volume_ml: of the mask, mL.
        reference_ml: of the reference, mL.
        volume_error_ml: mask minus reference, mL.
        volume_error: the same as a fraction of the reference; NaN when that is empty.
        empty: which is empty: "", "mask", "reference" or "both".
    """

    dsc: float
    ji: float
    hd95_mm: float
    hd95_voxels: float
    asd_mm: float
    surface_dice_1mm: float
    surface_dice_2mm: float
    surface_dice_3mm: float
    volume_ml: float
    reference_ml: float
    volume_error_ml: float
    volume_error: float
    empty: str


@dataclass(frozen=True)
class SliceCounts:
    """How many slices a classifier judged rightly and wrongly; sums with ``+``.

    Attributes:
        hit: shows tumour and was picked.
        wrong: shows none and was picked.
        missed: shows tumour and was not picked.
        rest: shows none and was not picked.
    """

    hit: int = 0
    wrong: int = 0
    missed: int = 0
    rest: int = 0

    def __add__(self, other: SliceCounts) -> SliceCounts:
        """Count both."""
        return SliceCounts(
            self.hit + other.hit, self.wrong + other.wrong, self.missed + other.missed, self.rest + other.rest
        )

    @property
    def recall(self) -> float:
        """Share of the tumour's slices that were picked; NaN when there are none."""
        return _ratio(self.hit, self.hit + self.missed)

    @property
    def precision(self) -> float:
        """Share of the picked slices that show tumour; NaN when none was picked."""
        return _ratio(self.hit, self.hit + self.wrong)

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision; NaN when no slice shows tumour and none was picked."""
        return _ratio(2 * self.hit, 2 * self.hit + self.wrong + self.missed)


def compare(mask: np.ndarray, reference: np.ndarray, volume: Volume) -> Agreement:
    """Measure a mask against its reference.

    Args:
        mask: (z, y, x), 0 or 1.
        reference: the same.
        volume: gives the voxel size. Distances take its axes as perpendicular, which a tilted gantry's are not quite.

    Raises:
        ValueError: the three differ in shape.
    """
    if not mask.shape == reference.shape == volume.array.shape:
        raise ValueError(f"shapes differ: mask {mask.shape}, reference {reference.shape}, CT {volume.array.shape}")
    mask, reference = mask.astype(bool), reference.astype(bool)
    in_mask, in_reference = int(mask.sum()), int(reference.sum())
    mask_ml, reference_ml = volume_ml(mask, volume), volume_ml(reference, volume)
    common = int((mask & reference).sum())
    both_empty = in_mask + in_reference == 0
    overlap = 1.0 if both_empty else 0.0
    hd95_mm = hd95_voxels = asd_mm = math.nan
    surface_dice = [overlap] * len(SURFACE_DICE_MM)
    if in_mask and in_reference:
        there, back = surface_distances(mask, reference, volume.spacing[::-1])
        hd95_mm = float(max(np.percentile(there, 95), np.percentile(back, 95)))
        pooled = np.concatenate([there, back])
        asd_mm = float(pooled.mean())
        surface_dice = [_share_within(pooled, tolerance) for tolerance in SURFACE_DICE_MM]
        in_voxels = np.concatenate(surface_distances(mask, reference, (1.0, 1.0, 1.0)))
        hd95_voxels = float(np.percentile(in_voxels, 95))
    return Agreement(
        1.0 if both_empty else 2 * common / (in_mask + in_reference),
        ji=1.0 if both_empty else common / (in_mask + in_reference - common),
        hd95_mm=hd95_mm,
        hd95_voxels=hd95_voxels,
        asd_mm=asd_mm,
        surface_dice_1mm=surface_dice[0],
        surface_dice_2mm=surface_dice[1],
        surface_dice_3mm=surface_dice[2],
        volume_ml=mask_ml,
        reference_ml=reference_ml,
        volume_error_ml=mask_ml - reference_ml,
        volume_error=_ratio(in_mask - in_reference, in_reference),
        empty={(True, True): "both", (True, False): "mask", (False, True): "reference"}.get(
            (in_mask == 0, in_reference == 0), ""
        ),
    )


def surface_dice(mask: np.ndarray, reference: np.ndarray, volume: Volume, tolerance_mm: float) -> float:
    """Fraction of both surfaces that lies within a tolerance of the other one, as in `Agreement` for any tolerance.

    Args:
        mask: (z, y, x), 0 or 1.
        reference: the same.
        volume: gives the voxel size.
        tolerance_mm: mm.
    """
    mask, reference = mask.astype(bool), reference.astype(bool)
    if not (mask.any() and reference.any()):
        return float(mask.any() == reference.any())
    return _share_within(np.concatenate(surface_distances(mask, reference, volume.spacing[::-1])), tolerance_mm)


def surface_distances(
    mask: np.ndarray, reference: np.ndarray, spacing: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every surface voxel to the other surface.

    Args:
        mask: bool (z, y, x), not empty.
        reference: the same.
        spacing: (z, y, x).

    Returns:
        From the mask's surface to the reference's, and back; float (n,) each, in the unit of the spacing.
    """
    box = ndimage.find_objects((mask | reference).astype(np.uint8))[0]
    surfaces = [array[box] & ~ndimage.binary_erosion(array[box]) for array in (mask, reference)]
    distances = [ndimage.distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return distances[1][surfaces[0]], distances[0][surfaces[1]]


def added_path_length(before: np.ndarray, after: np.ndarray, volume: Volume, tolerance_mm: float = 0.0) -> np.ndarray:
    """How much of an outline has to be drawn where there was none: added path length, by slice.

    Counted are the pixels of the new outline, in axial slices, that do not belong to the former outline too (Vaassen et
    al., Phys Imaging Radiat Oncol 13 (2020) 1), each as long as the mean side of a pixel. A pixel
    belongs to an outline when it lies inside and shares a side with one outside.

    Args:
        before: bool (z, y, x).
        after: the same.
        volume: gives the axes and the voxel size.
        tolerance_mm: pixels so close to one of the former outline, in their slice, need not be drawn.

    Returns:
        float (slices,), mm, along the stored axis closest to head-feet.
    """
    view = volume.axial
    sides = [volume.spacing[2 - axis] for axis in view.axes[1:]]
    pixel_mm = float(np.mean(sides))
    structure = ndimage.generate_binary_structure(2, 1)[None]
    edges = [array & ~ndimage.binary_erosion(array, structure) for array in (view.of(before) > 0, view.of(after) > 0)]
    known = edges[0]
    if tolerance_mm > 0:
        known = np.array([_within(plane, tolerance_mm, sides) for plane in known])
    lengths = (edges[1] & ~known).sum(axis=(1, 2)) * pixel_mm
    return np.asarray(lengths[::-1] if 0 in view.flips else lengths)


def count_slices(picked: np.ndarray, abnormal: np.ndarray) -> SliceCounts:
    """Compare the slices a classifier picked with those that show tumour; bool (slices,) each."""
    return SliceCounts(
        int((picked & abnormal).sum()),
        int((picked & ~abnormal).sum()),
        int((~picked & abnormal).sum()),
        int((~picked & ~abnormal).sum()),
    )


def _within(pixels: np.ndarray, tolerance_mm: float, sides: list[float]) -> np.ndarray:
    """Which pixels of a slice are so close to one of some; bool, of the same shape."""
    if not pixels.any():
        return pixels
    return np.asarray(ndimage.distance_transform_edt(~pixels, sampling=sides) <= tolerance_mm)


def _share_within(distances: np.ndarray, tolerance_mm: float) -> float:
    return float((distances <= tolerance_mm).mean())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
