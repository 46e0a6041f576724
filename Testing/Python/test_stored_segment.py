"""A segment as Slicer stores it, and where a CT has its voxels."""

from __future__ import annotations

import numpy as np
import pytest
from slicer_samples import AXIAL, add_ct, ball, oblique

from GTVAutoSegLib.images.masks.stored import Box

GRIDS = {
    "the CT's own": {},
    "finer": {"shape": (30, 128, 144), "spacing": (0.45, 0.55, 1.1), "origin": (30.1, 20.2, -7.3)},
    "coarser, beyond the CT": {"shape": (8, 30, 40), "spacing": (2.3, 2.7, 5.1), "origin": (37, 29, -13)},
    "turned": {"shape": (14, 70, 80), "direction": oblique(), "origin": (44, 25, -20)},
    "stored from the other end": {"direction": AXIAL @ np.diag([-1.0, 1, -1]), "origin": (-41, 20, 20)},
}


@pytest.fixture
def drawn(logic):
    """A function that draws a blob on a grid, and gives the segmentation, the segment's id and the grid's volume."""
    import slicer

    def draw(**grid):
        volume = add_ct("Grid", **grid)
        shape = slicer.util.arrayFromVolume(volume).shape
        z, y, x = (np.arange(count) / count for count in shape)
        mask = ((z[:, None, None] - 0.4) ** 2 + (y[:, None] - 0.45) ** 2 + (x - 0.55) ** 2 < 0.07).astype(np.uint8)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
        segment_id = node.GetSegmentation().AddEmptySegment("GTVp", "GTVp")
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, volume)
        return node, segment_id, mask

    return draw


@pytest.mark.parametrize("grid", GRIDS)
def test_on_the_ct_it_is_what_slicer_itself_makes_of_it(drawn, grid):
    import slicer
    from GTVAutoSegSlicer.scene.ownership import stored

    ct = add_ct()
    node, segment_id, _ = drawn(**GRIDS[grid])
    found = stored(node, segment_id, ct).on(slicer.util.arrayFromVolume(ct).shape)
    expected = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, ct) != 0
    assert expected.any()
    np.testing.assert_array_equal(found, expected)


def test_only_voxels_of_the_ct_have_a_box_on_it_turned_or_not(drawn):
    from GTVAutoSegSlicer.scene.ownership import own_box

    ct = add_ct()
    for grid in GRIDS:
        node, segment_id, mask = drawn(**GRIDS[grid])
        box = own_box(node, segment_id, ct)
        if grid == "the CT's own":
            np.testing.assert_array_equal(box.whole(), mask)
        elif grid == "stored from the other end":
            np.testing.assert_array_equal(box.whole(), mask[::-1, :, ::-1])
        else:
            assert box is None


def test_an_empty_mask_has_an_empty_box():
    box = Box.of(np.zeros((3, 4, 5), np.uint8))
    assert (box.voxels.shape, box.start) == ((0, 0, 0), (0, 0, 0))
    assert not box.whole().any() and box.whole().shape == (3, 4, 5)
    assert Box.of(ball()).sha256 != Box.of(np.roll(ball(), 1, axis=2)).sha256


@pytest.mark.parametrize("at", [(0, 0, 0), (3, 20, 30), (4, 50, 60)])
def test_an_edit_measured_in_the_box_around_it_is_that_of_the_whole_ct(at):
    from GTVAutoSegLib.images.metrics import added_path_length, compare
    from GTVAutoSegLib.images.volume import Volume
    from GTVAutoSegLib.report.record.edits import measure_edit

    volume = Volume(np.zeros((10, 64, 72), np.int16), (1.5, 1.0, 3.0))
    before, after = (np.zeros(volume.array.shape, np.uint8) for _ in range(2))
    z, y, x = at
    before[z : z + 5, y : y + 14, x : x + 12] = 1
    after[z + 1 : z + 6, y : y + 11, x : x + 12] = 1
    edit, agreement = measure_edit(before, after, volume), compare(after > 0, before > 0, volume)
    assert (edit.dsc, edit.surface_dice_2mm) == (round(agreement.dsc, 4), round(agreement.surface_dice_2mm, 4))
    assert edit.added_path_length_mm == round(float(added_path_length(before > 0, after > 0, volume).sum()), 1)
    assert [one.slice for one in edit.slices] == list(range(z, z + 6))


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_of_an_edit_are_counted_along_the_axis_that_lies_head_to_feet(axis):
    from GTVAutoSegLib.images.volume import Volume
    from GTVAutoSegLib.report.record.edits import measure_edit

    direction = {1: (1, 0, 0, 0, 0, 1, 0, 1, 0), 2: (0, 0, 1, 0, 1, 0, 1, 0, 0)}[axis]
    before = np.zeros((20, 24, 28), np.uint8)
    before[5:12, 7:15, 9:18] = 1
    after = before.copy()
    changed = {1: 13, 2: 16}[axis]  # the last slice but one of the box, which begins at another number on each axis
    np.moveaxis(after, axis, 0)[changed] = 0
    edit = measure_edit(before, after, Volume(np.zeros(before.shape, np.int16), direction=tuple(map(float, direction))))
    assert [one.slice for one in edit.slices] == [changed]


def test_merging_in_boxes_is_merging_whole_masks():
    from GTVAutoSegLib.cascade.completion.merge import merge, merge_boxes
    from GTVAutoSegLib.images.volume import Volume

    before, new = ball(), np.roll(ball(), (2, 5, -3), axis=(0, 1, 2))
    for direction in ((1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0, 1, 0, 1, 0, 1, 0, 0)):
        volume = Volume(np.zeros(ball().shape, np.int16), direction=tuple(map(float, direction)))
        for slices, mine in ((None, ()), (range(3, 5), (4,)), (range(0, 10), range(3)), (range(7, 9), (0,))):
            expected = merge(before, new, volume, slices=slices, mine=mine)
            found = merge_boxes(Box.of(before), Box.of(new), volume, slices=slices, mine=mine)
            np.testing.assert_array_equal(found.whole(), expected)
    assert merge_boxes(Box.of(before * 0), Box.of(new * 0), volume).count == 0
