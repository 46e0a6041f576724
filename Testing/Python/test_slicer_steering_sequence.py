"""From a box to a saved outline: all ways of steering in turn, on real MRML with the real child process."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import make_bundle
from slicer_samples import MODULE, add_ct, voxels

BOX = ((3, 16, 25), (8, 45, 56))  # voxels, axial order
SHAPE = (12, 64, 72)


@pytest.fixture
def steered(load_module, slicer_runtime, monkeypatch, tmp_path):
    """The panel with a model that outlines all it looks at."""
    make_bundle(tmp_path / "models" / "finds-all", bias=1.5)
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    slicer_runtime.app.testing = True
    widget = load_module(MODULE).widget
    widget.enter()
    widget.ui.stripLabel.resize(400, 84)
    return widget.panel


def outline(panel):
    steering = panel.steering
    return voxels(steering.node, steering.segment_id, steering.ct)


def draw_box(panel, ct):
    """A box along the borders of some voxels."""
    import vtk
    from slicer_samples import voxel_in_world

    panel.ui.drawBoxButton.click()
    box = panel.ui.boxSelector.currentNode()
    low = voxel_in_world(ct, np.array(BOX[0]) - 0.5)
    high = voxel_in_world(ct, np.array(BOX[1]) - 0.5)
    box.SetCenterWorld(vtk.vtkVector3d(*((low + high) / 2)))
    box.SetSizeWorld(vtk.vtkVector3d(*np.abs(high - low)))


def correct(panel, index, mask):
    """Draw another outline on one slice, as Segment Editor does; the module is left and opened again."""
    import slicer

    panel.exit()
    steering = panel.steering
    changed = outline(panel)
    changed[index] = mask
    slicer.util.updateSegmentBinaryLabelmapFromArray(changed, steering.node, steering.segment_id, steering.ct)
    slicer.app.processEvents()
    panel.enter()
    return mask


def square(low, high):
    mask = np.zeros(SHAPE[1:], np.uint8)
    mask[low:high, low:high] = 1
    return mask


def threshold_that_matters(panel):
    """A threshold that leaves some of the outline, and not all."""
    from GTVAutoSegSlicer.scene.steering.evidence import Evidence

    steering = panel.steering
    probability = Evidence.of(steering.node.GetSegmentation().GetSegment(steering.segment_id)).probability
    levels = np.sort(probability.values[probability.values > 0])
    return int(np.ceil(levels[len(levels) // 2] / 2.56))


def test_box_run_slider_corrections_completion_undo_redo_save_and_reload(steered, until, tmp_path):
    import slicer

    panel, ui = steered, steered.ui
    ct = add_ct(shape=SHAPE)

    draw_box(panel, ct)
    ui.segmentButton.click()
    until(lambda: not panel.running, timeout=60)
    assert ui.failureMessage.text == ""
    first = outline(panel)
    places = np.argwhere(first)
    assert len(places) and (places >= BOX[0]).all() and (places < BOX[1]).all()

    ui.thresholdSlider.value = threshold_that_matters(panel)
    at_threshold = outline(panel)
    assert 0 < at_threshold.sum() < first.sum()
    assert "Threshold 0." in ui.resultLabel.text and " mL" in ui.resultLabel.text

    drawn = {4: correct(panel, 4, square(20, 40)), 6: correct(panel, 6, square(26, 34))}
    assert panel.steering.strip.strip.mine == (4, 6)
    before = outline(panel)

    for index, button in ((3, ui.startsButton), (7, ui.endsButton)):
        panel.steering._go_to(index)
        button.click()
    assert ui.completeButton.enabled
    ui.completeButton.click()
    until(lambda: not panel.running, timeout=60)
    assert ui.failureMessage.text == ""
    assert ui.resultLabel.text.startswith("Completed from slices 4, 6 by ")
    completed = outline(panel)
    for index, mask in drawn.items():
        assert np.array_equal(completed[index], mask)
    assert np.flatnonzero(completed.any(axis=(1, 2))).tolist() == [3, 4, 5, 6, 7]
    assert drawn[6].sum() < completed[5].sum() < drawn[4].sum()
    assert not ui.thresholdSlider.enabled  # the outline is no longer what the probability says

    ui.undoButton.click()
    assert np.array_equal(outline(panel), before)
    assert panel.steering.strip.strip.mine == (4, 6)
    assert ui.thresholdSlider.enabled
    assert ui.resultLabel.text.startswith("Taken back: the completion. GTVp is now ")
    ui.redoButton.click()
    assert np.array_equal(outline(panel), completed)
    assert ui.resultLabel.text.startswith("Made again: the completion. GTVp is now ")

    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert panel.steering.strip.strip.count == 0
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    slicer.app.processEvents()
    assert np.array_equal(outline(panel), completed)
    strip = panel.steering.strip.strip
    assert (strip.mine, strip.ends, strip.given) == ((4, 6), (3, 7), (True, True))
    assert strip.probability[4] > 0.5
    assert ui.boxSelector.currentNode().GetName() == "Planning CT box"
    assert not ui.undoButton.enabled  # the steps were forgotten with the scene

    # What is mine stays mine: a run on the same slices leaves it.
    ui.rangeButton.click()
    until(lambda: not panel.running, timeout=60)
    assert ui.failureMessage.text == ""
    for index, mask in drawn.items():
        assert np.array_equal(outline(panel)[index], mask)


def test_a_drawn_segment_of_any_name_is_completed_from_python(logic):
    import slicer

    ct = add_ct(shape=SHAPE)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    segment_id = node.GetSegmentation().AddEmptySegment("Knee", "Knee")
    mask = np.zeros(SHAPE, np.uint8)
    mask[5] = square(20, 40)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, ct)
    outcome = logic.complete(node, first=3, last=8, device="cpu")
    found = voxels(node, segment_id, ct)
    assert np.array_equal(found[5], mask[5])
    assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == [3, 4, 5, 6, 7, 8]
    assert (outcome.report.first, outcome.report.last, outcome.report.found) == (3, 8, ())
    assert outcome.change.changed == (3, 4, 6, 7, 8)
    assert node.GetSegmentation().GetSegment(segment_id).GetName() == "Knee"
    assert outcome.undo.restore().value == "done"
    assert np.array_equal(voxels(node, segment_id, ct), mask)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"first": 7, "last": 9}, "slice 5 is drawn and lies outside of the first and last slice"),
        ({"first": 90}, "first slice 90 is not in the CT, expected 0 to 11"),
        ({"slices": (2,)}, "nothing is drawn on slices 2"),
    ],
)
def test_what_cannot_be_completed_is_one_sentence_and_nothing_is_changed(logic, options, sentence):
    import slicer

    from GTVAutoSegLib.errors import InputError

    ct = add_ct(shape=SHAPE)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    segment_id = node.GetSegmentation().AddEmptySegment("Knee", "Knee")
    mask = np.zeros(SHAPE, np.uint8)
    mask[5] = square(20, 40)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, ct)
    with pytest.raises(InputError, match=sentence):
        logic.complete(node, segment_id, ct, **options)
    assert np.array_equal(voxels(node, segment_id, ct), mask)
