"""The panel beside a person who works in the same scene: what is edited, looked at and loaded meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_scenes import draw
from slicer_samples import add_ct, ball, voxels

CORRECTED = np.roll(ball(), 4, axis=1)


def run(panel, until):
    panel.ui.segmentButton.click()
    assert panel.running
    until(lambda: not panel.running)


def segment_names(node):
    segmentation = node.GetSegmentation()
    return [segmentation.GetSegment(i).GetName() for i in segmentation.GetSegmentIDs()]


def test_a_second_click_keeps_the_corrected_contour_and_says_so(panel, until):
    import slicer

    ct = add_ct()
    run(panel, until)
    output = panel.ui.outputSelector.currentNode()
    corrected = output.GetSegmentation().GetNthSegmentID(0)
    draw(output, corrected, CORRECTED, ct)
    run(panel, until)
    assert segment_names(output) == ["GTVp", "GTVp_auto"]
    assert np.array_equal(voxels(output, corrected, ct), CORRECTED)
    sentence = "'GTVp' was edited or copied, so it stays as it is; the new result is 'GTVp_auto'."
    assert panel.ui.resultLabel.text.splitlines()[1] == sentence
    panel.ui.editButton.click()
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    assert editor.currentSegmentID() == output.GetSegmentation().GetNthSegmentID(1)
    panel.ui.undoButton.click()
    assert panel.ui.resultLabel.text == ("Taken back: the run. GTVp_auto is gone; 3 slices changed (2-4), -1.3 mL.")
    panel.ui.editButton.click()
    assert editor.currentSegmentID() == corrected
    assert np.array_equal(voxels(output, corrected, ct), CORRECTED)


def test_a_second_click_on_an_untouched_result_says_nothing_about_it(panel, until):
    add_ct()
    run(panel, until)
    first = panel.ui.resultLabel.text
    run(panel, until)
    assert panel.ui.resultLabel.text == first


@pytest.mark.parametrize("happens", ["edited", "deleted", "deleted with its segmentation"])
def test_undo_says_when_there_is_nothing_it_may_take_back(panel, until, happens):
    import slicer

    ct = add_ct()
    run(panel, until)
    output = panel.ui.outputSelector.currentNode()
    segment_id = output.GetSegmentation().GetNthSegmentID(0)
    if happens == "edited":
        draw(output, segment_id, CORRECTED, ct)
    elif happens == "deleted":
        output.GetSegmentation().RemoveSegment(segment_id)
    else:
        slicer.mrmlScene.RemoveNode(output)
    panel.ui.undoButton.click()
    if happens == "edited":
        assert panel.ui.resultLabel.text.startswith("The segment was edited since, so it stays as it is")
        assert np.array_equal(voxels(output, segment_id, ct), CORRECTED)
    else:
        sentence = "The segment is no longer there, so nothing was changed."
        assert panel.ui.resultLabel.text == sentence


@pytest.mark.parametrize("own_result", [False, True])
def test_a_saved_scene_that_is_added_to_an_open_one_brings_its_result_along(panel, until, tmp_path, own_result):
    import slicer

    add_ct("Saved CT")
    run(panel, until)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    add_ct("Open CT")
    if own_result:
        run(panel, until)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": False})
    assert panel.ui.inputSelector.currentNode().GetName() == "Saved CT"
    assert panel.ui.outputSelector.currentNode().GetName() == "Saved CT GTV"
    # From then on as ever: another CT is not given the result of this one.
    panel.ui.inputSelector.setCurrentNode(slicer.util.getNode("Open CT"))
    assert panel.ui.outputSelector.currentNode() is None


def test_what_does_not_belong_together_is_parted_when_many_changes_are_made_at_once(panel, until):
    import slicer

    add_ct("First")
    run(panel, until)
    second = add_ct("Second")
    slicer.mrmlScene.StartState(slicer.mrmlScene.BatchProcessState)
    panel.shown.node.input_volume = second
    slicer.mrmlScene.EndState(slicer.mrmlScene.BatchProcessState)
    assert panel.ui.outputSelector.currentNode() is None


def test_the_views_stay_where_they_are_while_the_user_works_in_another_module(panel, until):
    import slicer

    add_ct()
    logic = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    panel.ui.segmentButton.click()
    panel.exit()
    logic.SetSliceOffset(4.0)
    until(lambda: not panel.running)
    assert panel.ui.outputSelector.currentNode() is not None
    assert logic.GetSliceOffset() == pytest.approx(4.0)


def test_a_double_click_starts_a_run_and_does_not_cancel_it(panel, until, monkeypatch):
    import slicer

    monkeypatch.setenv("FAKE_WORKER", "slow")
    add_ct()
    monkeypatch.setattr(slicer.app, "doubleClickInterval", 60_000)
    panel.ui.segmentButton.click()
    panel.ui.segmentButton.click()
    assert panel.running and not panel.runs.run._job.cancelled
    monkeypatch.setattr(slicer.app, "doubleClickInterval", -1)
    panel.ui.segmentButton.click()
    assert panel.runs.run._job.cancelled
    until(lambda: not panel.running, timeout=2)


@pytest.mark.parametrize(
    ("slices", "changed", "said"),
    [
        ((4,), (4,), "GTVp is now 0.5 mL on 1 slice (4); 1 slice changed (4), +0.2 mL."),
        ((3, 4), (4,), "GTVp is now 0.5 mL on 2 slices (3-4); 1 slice changed (4), +0.2 mL."),
        ((), (3, 4), "GTVp is gone; 2 slices changed (3-4), +0.2 mL."),
        ((3,), (), "GTVp is as it was: 0.5 mL."),
    ],
)
def test_what_a_step_changed_is_said_in_the_singular_and_the_plural(logic, slices, changed, said):
    from GTVAutoSegSlicer.panel.result_part import describe_change
    from GTVAutoSegSlicer.scene.steering.change import Change

    assert describe_change("GTVp", Change(0.3, 0.5, slices, changed)) == said
