"""Metrics: analytic shapes with anisotropic spacing, defined results for empty masks, and MONAI as a second opinion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.metrics import SurfaceDiceMetric, SurfaceDistanceMetric, compute_hausdorff_distance

from GTVAutoSegLib.images.metrics import SliceCounts, compare, count_slices, surface_distances
from GTVAutoSegLib.images.volume import Volume

SPACING = (0.9, 1.1, 4.0)  # x, y, z


def volume_of(shape: tuple[int, int, int], spacing=SPACING) -> Volume:
    return Volume(np.zeros(shape, np.int16), spacing)


def block(shape: tuple[int, int, int], *ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in ranges)] = True
    return mask


def blob(seed: int, shape=(24, 40, 36)) -> np.ndarray:
    """An irregular ball, somewhere near the middle."""
    random = np.random.default_rng(seed)
    centre = np.array(shape) / 2 + random.uniform(-2, 2, 3)
    radii = np.array(shape) / 4 + random.uniform(-1, 2, 3)
    grid = np.indices(shape).reshape(3, -1).T
    return ((((grid - centre) / radii) ** 2).sum(axis=1) + random.normal(0, 0.1, len(grid)) < 1).reshape(shape)


@pytest.mark.parametrize(("axis", "step"), [(0, 4.0), (1, 1.1), (2, 0.9)])
def test_two_voxels_are_as_far_apart_as_the_spacing_says(axis, step):
    shape = (12, 12, 12)
    first, second = np.zeros(shape, bool), np.zeros(shape, bool)
    first[3, 3, 3] = True
    place = [3, 3, 3]
    place[axis] += 5
    second[tuple(place)] = True

    result = compare(first, second, volume_of(shape))

    assert result.hd95_mm == pytest.approx(5 * step)
    assert result.asd_mm == pytest.approx(5 * step)
    assert result.hd95_voxels == 5
    assert result.dsc == 0
    assert result.surface_dice_3mm == 0


def test_a_cube_shifted_by_a_slice_has_the_overlap_and_distances_of_the_formula():
    shape = (20, 30, 30)
    first = block(shape, (5, 11), (5, 25), (5, 25))
    second = block(shape, (6, 12), (5, 25), (5, 25))

    result = compare(first, second, volume_of(shape))

    assert result.dsc == pytest.approx(5 / 6)
    assert result.ji == pytest.approx(5 / 7)
    # More than 5 % of each surface is the end face, 4 mm away; the sides lie on each other.
    assert result.hd95_mm == pytest.approx(4.0)
    assert result.hd95_voxels == 1
    # Six slices, the two end ones all surface. Farther than 1 mm from the other surface are the end face beyond it, and
    # of the one within it all but the rim and, 0.9 mm from it, a column on the left and on the right.
    end, rim = 20 * 20, 4 * 19
    far = end + (18 * 18 - 2 * 18)
    assert result.surface_dice_1mm == pytest.approx(1 - far / (2 * end + 4 * rim))
    assert result.volume_error_ml == 0


def test_surfaces_of_concentric_spheres_are_the_difference_of_radii_apart():
    spacing = (0.5, 0.5, 1.0)
    shape = (50, 100, 100)
    z, y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    distance = np.sqrt((z[:, None, None] * 1.0) ** 2 + (y[:, None] * 0.5) ** 2 + (x * 0.5) ** 2)

    result = compare(distance <= 20, distance <= 16, volume_of(shape, spacing))

    # To within half of the smallest and of the largest voxel side.
    assert result.asd_mm == pytest.approx(4, abs=0.25)
    assert result.hd95_mm == pytest.approx(4, abs=0.5)
    assert result.surface_dice_3mm == 0
    assert result.volume_ml == pytest.approx(4 / 3 * math.pi * 20**3 / 1000, rel=0.01)
    assert result.volume_error == pytest.approx((20**3 - 16**3) / 16**3, rel=0.02)


def test_the_larger_direction_counts_whichever_mask_misses_a_part():
    shape = (8, 12, 12)
    part = block(shape, (1, 3), (1, 4), (1, 4))
    whole = part | block(shape, (1, 3), (9, 12), (1, 4))

    results = [compare(first, second, volume_of(shape)) for first, second in ((part, whole), (whole, part))]

    # From the part the whole is 0 away; from the whole's farthest rows the part is 8 rows of 1.1 mm away.
    assert [result.hd95_mm for result in results] == pytest.approx([8 * 1.1, 8 * 1.1])


def test_surface_dice_counts_what_lies_within_each_tolerance():
    shape = (8, 8, 8)
    first, second = np.zeros(shape, bool), np.zeros(shape, bool)
    first[1, 1, 1] = first[1, 6, 1] = True
    second[1, 1, 1] = second[1, 6, 3] = True  # the second pair is 2 x 0.9 mm apart

    result = compare(first, second, volume_of(shape))

    assert (result.surface_dice_1mm, result.surface_dice_2mm, result.surface_dice_3mm) == (0.5, 1, 1)
    assert result.asd_mm == pytest.approx(0.9)


def test_a_mask_equal_to_its_reference_is_perfect():
    mask = blob(0)
    result = compare(mask, mask.astype(np.uint8), volume_of(mask.shape))

    assert (result.dsc, result.ji, result.hd95_mm, result.hd95_voxels, result.asd_mm) == (1, 1, 0, 0, 0)
    assert (result.surface_dice_1mm, result.volume_error, result.empty) == (1, 0, "")


@pytest.mark.parametrize(
    ("mask", "reference", "overlap", "empty"),
    [(0, 0, 1.0, "both"), (0, 1, 0.0, "mask"), (1, 0, 0.0, "reference")],
)
def test_empty_masks_have_defined_overlaps_and_undefined_distances(mask, reference, overlap, empty):
    shape = (4, 4, 4)
    result = compare(np.full(shape, mask), np.full(shape, reference), volume_of(shape))

    assert (result.dsc, result.ji, result.surface_dice_1mm, result.surface_dice_3mm) == (overlap,) * 4
    assert all(math.isnan(value) for value in (result.hd95_mm, result.hd95_voxels, result.asd_mm))
    assert result.empty == empty
    assert math.isnan(result.volume_error) == (reference == 0)
    assert result.volume_error_ml == pytest.approx((mask - reference) * 64 * 0.9 * 1.1 * 4.0 / 1000)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_monai_finds_the_same(seed):
    mask, reference = blob(seed), blob(seed + 10)
    spacing = SPACING[::-1]
    tensors = [torch.from_numpy(array[None, None].astype(np.float32)) for array in (mask, reference)]

    result = compare(mask, reference, volume_of(mask.shape))

    hd95 = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=spacing)
    assert result.hd95_mm == pytest.approx(float(hd95), rel=1e-5)
    distance = SurfaceDistanceMetric(include_background=True, symmetric=True)(*tensors, spacing=spacing)
    assert result.asd_mm == pytest.approx(float(distance), rel=1e-5)
    for tolerance in (1, 2, 3):
        surface_dice = SurfaceDiceMetric([float(tolerance)], include_background=True)(*tensors, spacing=spacing)
        assert getattr(result, f"surface_dice_{tolerance}mm") == pytest.approx(float(surface_dice), rel=1e-5)


def test_pooled_distances_in_voxels_are_those_of_the_papers_code():
    # SimpleITK's contours and distance maps without a spacing, both directions in one percentile.
    mask, reference = blob(4), blob(14)
    images = [sitk.GetImageFromArray(array.astype(np.uint8)) for array in (mask, reference)]
    surfaces = [sitk.GetArrayFromImage(sitk.LabelContour(image)).astype(bool) for image in images]
    maps = [
        sitk.GetArrayFromImage(sitk.Abs(sitk.SignedMaurerDistanceMap(sitk.LabelContour(image), squaredDistance=False)))
        for image in images
    ]
    pooled = np.concatenate([maps[1][surfaces[0]], maps[0][surfaces[1]]])

    result = compare(mask, reference, volume_of(mask.shape))

    assert result.hd95_voxels == pytest.approx(float(np.percentile(pooled, 95)), rel=1e-5)


def test_a_mask_at_the_border_of_the_volume_has_a_surface_there():
    first = block((6, 10, 10), (0, 3), (0, 10), (0, 10))
    there, _ = surface_distances(first, block((6, 10, 10), (5, 6), (0, 10), (0, 10)), (1.0, 1.0, 1.0))

    assert there.max() == 5


def test_sheared_voxels_are_smaller_than_their_sides_say():
    tilt = math.radians(30)
    direction = (1, 0, 0, 0, 1, math.sin(tilt), 0, 0, math.cos(tilt))
    sheared = Volume(np.zeros((2, 2, 2), np.int16), (1.0, 1.0, 1.0), direction=direction)

    assert compare(np.ones((2, 2, 2)), np.ones((2, 2, 2)), sheared).volume_ml == pytest.approx(8e-3 * math.cos(tilt))


def test_masks_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        compare(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), volume_of((2, 2, 2)))


def test_slices_are_counted_by_what_was_picked_and_what_shows_tumour():
    counts = count_slices(np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool))

    assert counts == SliceCounts(hit=2, wrong=1, missed=1, rest=1)
    assert (counts.recall, counts.precision, counts.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert counts + counts == SliceCounts(4, 2, 2, 2)


def test_slice_scores_without_slices_are_undefined_not_perfect():
    nothing = SliceCounts(rest=7)
    assert all(math.isnan(value) for value in (nothing.recall, nothing.precision, nothing.f1))
    missed = SliceCounts(missed=3)
    assert missed.recall == 0
    assert math.isnan(missed.precision)
    assert missed.f1 == 0
