"""What a person has edited, renamed or copied is neither replaced by the next run nor removed by Undo."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_scenes import SHAPE, draw, load_dicom, read_back
from slicer_samples import MODULE, add_ct, ball, voxels

from GTVAutoSegLib.images.segment_info import SegmentInfo

INFO = SegmentInfo(name="GTVp", tags={"GTVAutoSeg.Model": "m"})
CORRECTED = np.roll(ball(), 4, axis=1)
SECOND = np.roll(ball(), 7, axis=2)


@pytest.fixture
def put(load_module):
    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    return put_segment


def names(node):
    segmentation = node.GetSegmentation()
    return [segmentation.GetSegment(i).GetName() for i in segmentation.GetSegmentIDs()]


def edit(undo, ct):
    draw(undo.node, undo.segment_id, CORRECTED, ct)


def rename(undo, ct):
    undo.node.GetSegmentation().GetSegment(undo.segment_id).SetName("GTVp checked")


def draw_beyond_the_ct(undo, ct):
    larger = add_ct("Larger", (14, 64, 72))
    mask = np.zeros((14, 64, 72), np.uint8)
    mask[:10] = ball()
    mask[12, 20:24, 20:25] = 1
    draw(undo.node, undo.segment_id, mask, larger)


def draw_between_the_voxels(undo, ct):
    # The middle one of each 27 voxels lies where the CT's does.
    fine = add_ct("Fine", (30, 192, 216), (1 / 3, 1 / 3, 1.0), origin=(30 + 1 / 3, 20 + 1 / 3, -8))
    mask = ball().repeat(3, 0).repeat(3, 1).repeat(3, 2)
    mask[12, 120:124, 60:66] = 1
    draw(undo.node, undo.segment_id, mask, fine)
    assert np.array_equal(voxels(undo.node, undo.segment_id, ct), ball())


def copy(undo):
    """As the module Segmentations copies: with all tags, under another id."""
    import slicer

    segmentation, copied = undo.node.GetSegmentation(), slicer.vtkSegment()
    copied.DeepCopy(segmentation.GetSegment(undo.segment_id))
    segmentation.AddSegment(copied, "copy", undo.segment_id)  # in front of the original
    return "copy"


def stored(node, segment_id):
    """A segment's voxels as they lie in its own labelmap."""
    import slicer
    from vtk.util.numpy_support import vtk_to_numpy

    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    return image.GetExtent(), vtk_to_numpy(image.GetPointData().GetScalars()).tolist()


@pytest.mark.parametrize("touch", [edit, rename, draw_beyond_the_ct, draw_between_the_voxels])
def test_a_second_run_leaves_what_a_person_has_touched_and_adds_its_own(put, touch):
    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    touch(first, ct)
    (name,), before = names(first.node), stored(first.node, first.segment_id)
    second = put(first.node, ct, SECOND, INFO)
    assert second.segment_id != first.segment_id
    assert names(first.node) == [name, "GTVp" if touch is rename else "GTVp_auto"]
    assert stored(first.node, first.segment_id) == before
    assert np.array_equal(voxels(first.node, second.segment_id, ct), SECOND)
    assert second.kept == name


def test_the_kept_segment_still_tells_where_it_came_from_and_that_it_was_edited(put):
    from GTVAutoSegSlicer.scene.ownership import is_result, our_segments, tag

    from GTVAutoSegLib.images.masks.structure import mask_sha256
    from GTVAutoSegLib.system.tags import MASK_TAG, ROI_TAG

    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    edit(first, ct)
    second = put(first.node, ct, SECOND, INFO)
    kept = first.node.GetSegmentation().GetSegment(first.segment_id)
    assert (tag(kept, ROI_TAG), tag(kept, "GTVAutoSeg.Model")) == ("GTVp", "m")
    assert tag(kept, MASK_TAG) == mask_sha256(ball())
    assert not is_result(first.node, first.segment_id)
    assert our_segments(first.node) == {"GTVp": second.segment_id}


def test_the_run_after_that_replaces_only_the_new_one(put):
    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    edit(first, ct)
    second = put(first.node, ct, SECOND, INFO)
    third = put(first.node, ct, ball(), INFO)
    assert (third.segment_id, third.kept) == (second.segment_id, "")
    assert names(first.node) == ["GTVp", "GTVp_auto"]
    assert np.array_equal(voxels(first.node, first.segment_id, ct), CORRECTED)
    draw(first.node, third.segment_id, np.roll(ball(), 1, axis=2), ct)
    put(first.node, ct, ball(), INFO)
    assert names(first.node) == ["GTVp", "GTVp_auto", "GTVp_auto2"]


def test_a_copy_is_not_overwritten_whether_the_original_is_there_or_not(put):
    from GTVAutoSegSlicer.scene.ownership import our_segments

    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    copied = copy(first)
    assert our_segments(first.node) == {"GTVp": first.segment_id}
    assert put(first.node, ct, SECOND, INFO).segment_id == first.segment_id
    assert np.array_equal(voxels(first.node, copied, ct), ball())
    first.node.GetSegmentation().RemoveSegment(first.segment_id)
    assert our_segments(first.node) == {"GTVp": copied}
    third = put(first.node, ct, SECOND, INFO)
    assert third.segment_id != copied
    assert np.array_equal(voxels(first.node, copied, ct), ball())
    assert our_segments(first.node) == {"GTVp": third.segment_id}


def test_without_the_new_result_the_corrected_segment_is_taken_and_not_a_copy_of_the_uncorrected(put):
    from GTVAutoSegSlicer.scene.ownership import our_segments

    ct = add_ct("CT")
    first = put(None, ct, ball(), INFO)
    backup = first.node.GetSegmentation()
    import slicer

    copied = slicer.vtkSegment()
    copied.DeepCopy(backup.GetSegment(first.segment_id))
    backup.AddSegment(copied, "backup")  # behind the original
    edit(first, ct)
    second = put(first.node, ct, SECOND, INFO)
    backup.RemoveSegment(second.segment_id)
    assert our_segments(first.node) == {"GTVp": first.segment_id}


def test_another_phase_with_the_same_grid_gets_a_segment_of_its_own(put):
    first, second = add_ct("phase 1"), add_ct("phase 2")
    undo = put(None, first, ball(), INFO)
    beside = put(undo.node, second, SECOND, INFO)
    assert beside.segment_id != undo.segment_id and beside.kept == "GTVp"
    assert np.array_equal(voxels(undo.node, undo.segment_id, first), ball())


def test_undo_of_the_run_beside_it_makes_the_edited_segment_the_result_again(put):
    from GTVAutoSegSlicer.scene.history import Undone
    from GTVAutoSegSlicer.scene.ownership import our_segments

    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    edit(first, ct)
    second = put(first.node, ct, SECOND, INFO)
    assert second.restore() is Undone.DONE
    assert names(first.node) == ["GTVp"]
    assert our_segments(first.node) == {"GTVp": first.segment_id}
    assert np.array_equal(voxels(first.node, first.segment_id, ct), CORRECTED)


@pytest.mark.parametrize("touch", [edit, rename, draw_beyond_the_ct, draw_between_the_voxels])
@pytest.mark.parametrize("runs", [1, 2])
def test_undo_keeps_a_result_that_was_touched_since_and_says_so(put, touch, runs):
    from GTVAutoSegSlicer.scene.history import Undone

    ct = add_ct()
    undo = put(None, ct, SECOND if runs == 2 else ball(), INFO)
    if runs == 2:
        undo = put(undo.node, ct, ball(), INFO)
    touch(undo, ct)
    before = names(undo.node), stored(undo.node, undo.segment_id)
    assert undo.restore() is Undone.EDITED
    assert (names(undo.node), stored(undo.node, undo.segment_id)) == before


def test_undo_of_a_segment_that_was_deleted_by_hand_says_that_it_is_gone(put):
    import slicer
    from GTVAutoSegSlicer.scene.history import Undone

    ct = add_ct()
    undo = put(None, ct, ball(), INFO)
    undo.node.GetSegmentation().RemoveSegment(undo.segment_id)
    assert undo.restore() is Undone.GONE  # and no warning of VTK, which would fail the test
    slicer.mrmlScene.RemoveNode(undo.node)
    assert undo.restore() is Undone.GONE


def test_undo_brings_back_what_a_run_replaced_though_its_result_was_deleted_by_hand(put):
    from GTVAutoSegSlicer.scene.history import Undone

    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    second = put(first.node, ct, SECOND, INFO)
    first.node.GetSegmentation().RemoveSegment(second.segment_id)
    assert second.restore() is Undone.DONE
    assert np.array_equal(voxels(first.node, first.segment_id, ct), ball())


def test_a_result_loaded_from_a_file_is_still_known_as_left_or_as_edited(put, tmp_path):
    import slicer
    from GTVAutoSegSlicer.scene.ownership import is_as_left

    ct = add_ct()
    left = put(None, ct, ball(), INFO)
    edited = put(None, ct, ball(), INFO)
    edit(edited, ct)
    for undo, as_left in ((left, True), (edited, False)):
        path = tmp_path / f"{as_left}.seg.nrrd"
        assert slicer.util.saveNode(undo.node, str(path))
        node = slicer.util.loadSegmentation(str(path))
        assert is_as_left(node, undo.segment_id, ct) is as_left


def test_a_failure_while_building_leaves_an_existing_node_as_it_was(put, monkeypatch):
    import GTVAutoSegSlicer.scene.segmentation as segmentation
    from GTVAutoSegSlicer.scene.ownership import is_result

    def fails(*_):
        raise MemoryError

    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    edit(first, ct)
    monkeypatch.setattr(segmentation, "labelmap_of", fails)
    with pytest.raises(MemoryError):
        put(first.node, ct, SECOND, INFO)
    assert names(first.node) == ["GTVp"]
    assert is_result(first.node, first.segment_id)


def test_the_new_result_is_exported_and_the_kept_segment_when_it_is_named(logic, scan, tmp_path):
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    ct = load_dicom(scan)
    first = put_segment(None, ct, ball(SHAPE), INFO)
    edit(first, ct)
    put_segment(first.node, ct, SECOND, INFO)
    (new,) = logic.exportRTSTRUCT(first.node, tmp_path / "new.dcm").regions
    assert (new.name, new.algorithm) == ("GTVp_auto", "AUTOMATIC")
    assert np.array_equal(read_back(tmp_path / "new.dcm", scan), SECOND)
    (kept,) = logic.exportRTSTRUCT(first.node, tmp_path / "kept.dcm", segmentID=first.segment_id).regions
    assert (kept.name, kept.algorithm) == ("GTVp", "SEMIAUTOMATIC")
    assert np.array_equal(read_back(tmp_path / "kept.dcm", scan), CORRECTED)


def test_a_result_is_never_replaced_by_that_of_another_ct_on_the_same_grid(put):
    import slicer

    first, phase = add_ct("Phase 1"), add_ct("Phase 2")
    undo = put(None, first, ball(), INFO)
    slicer.mrmlScene.RemoveNode(first)
    put(undo.node, phase, SECOND, INFO)
    assert names(undo.node) == ["GTVp", "GTVp_auto"]
    assert np.array_equal(voxels(undo.node, undo.segment_id, phase), ball())
