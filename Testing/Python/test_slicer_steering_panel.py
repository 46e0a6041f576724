"""The panel's steering: clicks on strip, slider and buttons, and what they do in the scene."""

from __future__ import annotations

import numpy as np
import pytest
from slicer_samples import add_ct, ball, voxels


def run(panel, until):
    panel.ui.segmentButton.click()
    until(lambda: not panel.running)


def outline(panel):
    steering = panel.steering
    return voxels(steering.node, steering.segment_id, steering.ct)


def draw(panel, mask):
    import slicer

    steering = panel.steering
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, steering.node, steering.segment_id, steering.ct)
    slicer.app.processEvents()


def mouse(label, kind, x, pressed=True):
    """Send a mouse event to a label, so far from its left."""
    import qt
    import slicer

    place = qt.QPointF(x, 20)
    event = qt.QMouseEvent(kind, place, place, qt.Qt.LeftButton, qt.Qt.LeftButton, qt.Qt.NoModifier)
    slicer.app.sendEvent(label, event)


def click(panel, index):
    import qt

    label, strip = panel.ui.stripLabel, panel.steering.strip.strip
    x = (index + 0.5) * label.width / strip.count
    mouse(label, qt.QEvent.MouseButtonPress, x)
    mouse(label, qt.QEvent.MouseButtonRelease, x)


def drag(panel, start, stop):
    """Drag from one slice's left edge to another's."""
    import qt

    label, strip = panel.ui.stripLabel, panel.steering.strip.strip
    column = label.width / strip.count
    mouse(label, qt.QEvent.MouseButtonPress, start * column)
    mouse(label, qt.QEvent.MouseMove, (start + stop) / 2 * column)
    mouse(label, qt.QEvent.MouseMove, stop * column)
    mouse(label, qt.QEvent.MouseButtonRelease, stop * column)


@pytest.fixture
def wide(panel):
    """The panel with a strip 400 pixels wide."""
    panel.ui.stripLabel.resize(400, 84)
    return panel


def test_without_a_ct_nothing_can_be_steered(panel):
    ui = panel.ui
    for name in ("drawBoxButton", "startsButton", "mineButton", "completeButton", "rangeButton", "thresholdSlider"):
        assert not getattr(ui, name).enabled, name
    assert panel.steering.strip.strip.count == 0


def test_the_strip_shows_probability_area_and_what_is_mine(wide, until):
    add_ct()
    run(wide, until)
    strip = wide.steering.strip.strip
    assert strip.count == 10
    assert strip.probability == pytest.approx((0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1))
    assert strip.area == tuple(ball().sum(axis=(1, 2)).tolist())
    assert strip.mine == ()
    changed = ball()
    changed[3] = np.roll(changed[3], 3, axis=1)
    draw(wide, changed)
    assert wide.steering.strip.strip.mine == (3,)
    assert wide.ui.stripLabel.pixmap.width() == 400


def test_a_click_on_the_strip_goes_to_the_slice_and_says_what_is_known_of_it(wide, until):
    from GTVAutoSegSlicer.scene.views import axial_views, shown_slice
    from slicer_samples import voxel_in_world

    ct = add_ct()
    run(wide, until)
    click(wide, 4)
    assert shown_slice(ct) == 4
    assert wide.ui.sliceLabel.text.startswith("Slice 4 of 10 \u00b7 probability 0.90 \u00b7 ")
    axial_views()[0].JumpSliceByOffsetting(*voxel_in_world(ct, (7, 0, 0)).tolist())
    assert wide.steering.strip.strip.shown == 7
    assert wide.ui.sliceLabel.text == "Slice 7 of 10 \u00b7 probability 0.10 \u00b7 not outlined"


def test_an_end_is_dragged_and_a_run_replaces_the_slices_of_the_range_only(wide, until):
    add_ct()
    run(wide, until)
    assert not wide.ui.rangeButton.enabled
    drag(wide, 0, 3)
    drag(wide, 10, 5)
    assert wide.steering.ends == (3, 4)
    assert wide.ui.rangeButton.text == "Segment slices 3-4 only"
    wide.ui.rangeButton.click()
    until(lambda: not wide.running)
    assert np.array_equal(outline(wide), ball())
    text = wide.ui.resultLabel.text.splitlines()[0]
    assert text == "Planning CT: slices 3-4 were outlined again. GTVp is as it was: 1.3 mL."
    assert wide.steering.strip.strip.looked_at == (3, 5)


def test_a_double_click_on_the_strip_takes_the_ends_away(wide, until):
    import qt

    add_ct()
    until(lambda: wide.steering.strip.strip.count)
    drag(wide, 0, 3)
    assert wide.steering.ends == (3, None)
    mouse(wide.ui.stripLabel, qt.QEvent.MouseButtonDblClick, 200)
    assert wide.steering.ends == (None, None)


def test_starts_here_and_ends_here_take_the_slice_shown(wide, until):
    add_ct()
    until(lambda: wide.steering.strip.strip.count)
    for index, button in ((2, wide.ui.startsButton), (6, wide.ui.endsButton)):
        click(wide, index)
        button.click()
    assert wide.steering.ends == (2, 6)
    click(wide, 8)
    wide.ui.startsButton.click()
    assert wide.steering.ends == (8, None)  # the last slice would lie before the first


def test_the_slider_changes_the_outline_at_once_and_is_one_step(panel, until):
    add_ct()
    run(panel, until)
    slider = panel.ui.thresholdSlider
    assert (slider.enabled, slider.value) == (True, 50)
    assert panel.ui.thresholdLabel.text == "0.50 (the model's own): 1.3 mL"
    slider.setSliderDown(True)
    for value in (45, 40, 30):
        slider.value = value
    wider = outline(panel)
    assert wider.sum() > ball().sum()
    assert panel.ui.thresholdLabel.text.startswith("0.30: ")
    slider.setSliderDown(False)
    assert (
        panel.ui.resultLabel.text
    ) == "Threshold 0.30. GTVp is now 1.8 mL on 3 slices (2-4); 3 slices changed (2-4), +0.5 mL."
    panel.ui.undoButton.click()
    assert np.array_equal(outline(panel), ball())
    assert slider.value == 50
    panel.ui.redoButton.click()
    assert np.array_equal(outline(panel), wider)
    assert slider.value == 30


def test_a_double_click_on_the_slider_returns_to_the_models_own_threshold(panel, until):
    import qt

    add_ct()
    run(panel, until)
    panel.ui.thresholdSlider.value = 30
    mouse(panel.ui.thresholdSlider, qt.QEvent.MouseButtonDblClick, 5)
    assert np.array_equal(outline(panel), ball())
    assert "(the model's own)" in panel.ui.thresholdLabel.text


def test_slices_that_are_mine_do_not_follow_the_slider(panel, until):
    add_ct()
    run(panel, until)
    changed = ball()
    changed[3] = np.roll(changed[3], 3, axis=1)
    draw(panel, changed)
    panel.ui.thresholdSlider.value = 30
    assert np.array_equal(outline(panel)[3], changed[3])
    assert outline(panel)[2].sum() > ball()[2].sum()


def test_the_button_keeps_the_slice_shown_and_gives_it_back(wide, until):
    add_ct()
    run(wide, until)
    click(wide, 2)
    wide.ui.mineButton.click()
    assert wide.steering.strip.strip.mine == (2,)
    assert wide.ui.mineButton.text == "Give slice back"
    assert wide.ui.resultLabel.text == "Slice 2 kept as mine. GTVp is as it was: 1.3 mL."
    wide.ui.thresholdSlider.value = 30
    assert np.array_equal(outline(wide)[2], ball()[2])
    wide.ui.mineButton.click()
    assert wide.steering.strip.strip.mine == ()
    wide.ui.undoButton.click()
    assert wide.steering.strip.strip.mine == (2,)


def test_no_tumour_offers_a_box_and_to_draw_some_slices(panel, until, monkeypatch):
    import slicer

    monkeypatch.setenv("FAKE_WORKER", "empty")
    ct = add_ct()
    run(panel, until)
    ui = panel.ui
    assert ui.failureTitle.text == "No tumour was found"
    assert (ui.failureActionButton.text, ui.failureSecondButton.text) == ("Draw a box", "Draw some slices")
    ui.failureSecondButton.click()
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    node = ui.outputSelector.currentNode()
    assert node.GetName() == "Planning CT GTV"
    assert node.GetSegmentation().GetNthSegment(0).GetName() == "GTVp"
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (node, ct)
    assert not ui.failureCard.visible


def test_a_doubtful_result_offers_the_same_and_a_clear_one_nothing(panel, until, monkeypatch):
    add_ct()
    run(panel, until)
    assert not panel.ui.failureCard.visible and panel.card.failure is None
    monkeypatch.setenv("FAKE_WORKER", "ball:doubtful")
    run(panel, until)
    assert panel.ui.failureTitle.text == "Look at this result with care"
    assert panel.ui.failureSecondButton.text == "Draw some slices"
    assert panel.ui.undoButton.enabled


def test_a_box_is_drawn_around_the_outline_or_by_the_mouse(panel, until):
    import slicer

    ct = add_ct()
    panel.ui.drawBoxButton.click()
    box = panel.ui.boxSelector.currentNode()
    interaction = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLInteractionNode")
    assert box.GetName() == "Planning CT box"
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    panel.ui.segmentButton.click()
    assert "has no size yet" in panel.ui.failureMessage.text
    panel.ui.boxSelector.setCurrentNode(None)
    run(panel, until)
    panel.ui.drawBoxButton.click()
    box = panel.ui.boxSelector.currentNode()
    assert box.GetSize() == pytest.approx((17 + 40, 11 + 40, 9 + 40))
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    from GTVAutoSegSlicer.scene.files import volume_of
    from GTVAutoSegSlicer.scene.steering.box import region_of

    found = region_of(box, ct).index_box(volume_of(ct))
    assert (found.lower, found.upper) == ((0, 0, 22), (10, 46, 72))
    run(panel, until)


def test_any_segment_of_the_result_can_be_steered(panel, until):
    import slicer

    ct = add_ct()
    run(panel, until)
    node = panel.steering.node
    other = node.GetSegmentation().AddEmptySegment("Drawn", "Drawn")
    mask = np.roll(ball(), 10, axis=1)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, other, ct)
    slicer.app.processEvents()
    assert not panel.ui.completeButton.enabled
    panel.ui.outlineSelector.setCurrentIndex(1)
    assert panel.steering.segment_id == "Drawn"
    assert panel.steering.strip.strip.mine == (2, 3, 4)
    assert panel.ui.completeButton.enabled
    assert not panel.ui.thresholdSlider.enabled
    panel.ui.editButton.click()
    assert slicer.modules.segmenteditor.widgetRepresentation().self().editor.currentSegmentID() == "Drawn"


def test_three_hundred_slices_are_drawn_in_an_instant():
    import sys
    import time

    from slicer_samples import ROOT

    sys.path.insert(0, str(ROOT / "GTVAutoSeg"))
    try:
        from GTVAutoSegSlicer.panel.steering.strip_picture import DARK, Strip, draw
    finally:
        sys.path.remove(str(ROOT / "GTVAutoSeg"))
    assert not np.array_equal(draw(Strip(300), 380, 84), draw(Strip(300), 380, 84, DARK))
    strip = Strip(300, tuple(np.linspace(0, 1, 300)), tuple(range(300)), (5, 9), (20, 200), (10, 250), (True, True), 77)
    started = time.process_time()  # what other programs do beside it does not count
    for _ in range(20):
        draw(strip, 380, 84)
    assert (time.process_time() - started) / 20 < 0.05
