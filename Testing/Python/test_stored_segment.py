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
