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
    assert panel.ui.resultLabel.text == "The last run was taken back."
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
        assert panel.ui.resultLabel.text.startswith("The result was edited since the run, so it stays as it is")
        assert np.array_equal(voxels(output, segment_id, ct), CORRECTED)
    else:
        sentence = "The result of the last run is no longer there, so nothing was taken back."
        assert panel.ui.resultLabel.text == sentence
