"""Steps back and forward in a segmentation."""

from __future__ import annotations

import numpy as np
import pytest
from slicer_samples import MODULE, add_ct, ball, voxels

from GTVAutoSegLib.images.segment_info import SegmentInfo

INFO = SegmentInfo(name="GTVp", tags={"GTVAutoSeg.Model": "m", "GTVAutoSeg.Version": "1.0.0"})
SECOND = np.roll(ball(), 2, axis=2)


@pytest.fixture
def history(load_module):
    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer.scene.history import History

    return History()


def put(history, node, ct, mask):
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    step = put_segment(node, ct, mask, INFO)
    history.add(step)
    return step


def segmentations():
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def draw(step, ct, mask):
    import slicer

    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, step.node, step.segment_id, ct)


def test_steps_are_taken_back_one_by_one_and_made_again(history):
    from GTVAutoSegSlicer.scene.history import Undone

    ct = add_ct()
    first = put(history, None, ct, ball())
    put(history, first.node, ct, SECOND)
    found = []
    for step in (history.undo, history.undo, history.redo, history.redo):
        assert step() is Undone.DONE
        found.append([voxels(node, first.segment_id, ct).tolist() for node in segmentations()])
    assert found == [[ball().tolist()], [], [ball().tolist()], [SECOND.tolist()]]
    assert (history.last is not None, history.next) == (True, None)


def test_a_node_made_again_is_the_same_shown_and_belongs_to_its_ct(history):
    from GTVAutoSegSlicer.scene.ownership import is_as_left, reference_volume

    ct = add_ct()
    step = put(history, None, ct, ball())
    name, node_id = step.node.GetName(), step.node.GetID()
    history.undo()
    history.redo()
    assert segmentations() == [step.node]
    assert (step.node.GetName(), step.node.GetID()) == (name, node_id)
    assert reference_volume(step.node) is ct
    assert step.node.GetDisplayNode() is not None
    assert is_as_left(step.node, step.segment_id, ct)


def test_a_new_step_forgets_those_taken_back(history):
    ct = add_ct()
    first = put(history, None, ct, ball())
    put(history, first.node, ct, SECOND)
    history.undo()
    put(history, first.node, ct, np.roll(ball(), 4, axis=2))
    assert history.next is None


def test_what_was_edited_after_a_step_back_is_not_overwritten_by_making_it_again(history):
    from GTVAutoSegSlicer.scene.history import Undone

    ct = add_ct()
    first = put(history, None, ct, ball())
    put(history, first.node, ct, SECOND)
    history.undo()
    corrected = np.roll(ball(), 1, axis=1)
    draw(first, ct, corrected)
    assert history.redo() is Undone.EDITED
    assert np.array_equal(voxels(first.node, first.segment_id, ct), corrected)
    draw(first, ct, ball())  # the correction is taken back in Segment Editor
    assert history.redo() is Undone.DONE
    assert np.array_equal(voxels(first.node, first.segment_id, ct), SECOND)


def test_what_was_edited_since_waits_and_can_be_taken_back_once_the_edit_is(history):
    from GTVAutoSegSlicer.scene.history import Undone

    ct = add_ct()
    first = put(history, None, ct, ball())
    draw(first, ct, SECOND)
    assert history.undo() is Undone.EDITED
    draw(first, ct, ball())
    assert history.undo() is Undone.DONE
    assert segmentations() == []


@pytest.mark.parametrize("gone", ["segment", "segmentation", "CT"])
def test_a_step_whose_ground_is_gone_is_not_made_again(history, gone):
    import slicer
    from GTVAutoSegSlicer.scene.history import Undone

    ct = add_ct()
    first = put(history, None, ct, ball())
    put(history, first.node, ct, SECOND)
    history.undo()
    if gone == "CT":
        history.undo()
        slicer.mrmlScene.RemoveNode(ct)
    elif gone == "segment":
        first.node.GetSegmentation().RemoveSegment(first.segment_id)
    else:
        slicer.mrmlScene.RemoveNode(first.node)
    assert history.redo() is Undone.GONE
    assert history.next is None


def test_the_result_beside_an_edited_one_is_made_again_as_the_result(history):
    from GTVAutoSegSlicer.scene.ownership import our_segments

    ct = add_ct()
    first = put(history, None, ct, ball())
    draw(first, ct, np.roll(ball(), 1, axis=1))
    second = put(history, first.node, ct, SECOND)
    history.undo()
    assert our_segments(first.node) == {"GTVp": first.segment_id}
    history.redo()
    assert our_segments(first.node) == {"GTVp": second.segment_id}
