"""The panel: clicks, and what they do in the scene."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from bundles import make_bundle
from slicer_samples import (
    add_ct,
    ball,
    process_lives,
    temporary_folders,
    voxels,
)


def run(panel, until):
    panel.ui.segmentButton.click()
    assert panel.running
    until(lambda: not panel.running)


def test_a_click_on_segment_gtv_makes_the_segmentation(panel, until):
    ct = add_ct()
    assert panel.ui.segmentButton.enabled
    run(panel, until)
    assert panel.ui.failureMessage.text == ""
    output = panel.ui.outputSelector.currentNode()
    assert output.GetName() == "Planning CT GTV"
    segment_id = output.GetSegmentation().GetNthSegmentID(0)
    assert np.array_equal(voxels(output, segment_id, ct), ball())
    assert panel.ui.resultLabel.text.splitlines() == [
        f"Planning CT: GTVp {ball().sum() * 3 / 1000:.1f} mL on 3 slices (2-4), 17 x 11 x 9 mm",
        "Warning: slices are 3.0 mm thick, the model was trained on 5.0 mm",
    ]


def test_the_button_needs_a_ct(panel):
    assert not panel.ui.segmentButton.enabled
    assert panel.ui.segmentButton.toolTip == "Select a CT."
    add_ct()
    assert panel.ui.segmentButton.enabled


def test_a_label_map_that_was_loaded_first_is_not_taken_for_the_ct(panel):
    import slicer

    panel.exit()
    panel.shown.node.input_volume = None
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Contours")
    ct = add_ct()
    panel.shown.node.input_volume = None
    panel.enter()
    assert panel.shown.node.input_volume is ct
    assert panel.ui.inputSelector.currentNode() is ct


def test_while_it_runs_the_button_cancels_and_nothing_else_can_be_changed(panel, until, monkeypatch):
    import slicer

    monkeypatch.setenv("FAKE_WORKER", "slow")
    add_ct()
    panel.ui.segmentButton.click()
    pid = panel.runs.run._job.child.process.pid
    assert panel.ui.segmentButton.text == "Cancel"
    assert not panel.ui.inputSelector.enabled
    until(lambda: "slices" in panel.ui.progressBar.format and panel.ui.progressBar.maximum == 600)
    assert panel.ui.stageLabel.text.startswith("Finding the slices that show tumour")
    panel.runs.segment()  # a second run is never started
    assert panel.runs.run._job.child.process.pid == pid
    monkeypatch.setattr(slicer.app, "doubleClickInterval", -1)  # the next click is no second one of a double click
    panel.ui.segmentButton.click()
    until(lambda: not panel.running, timeout=2)
    assert panel.ui.segmentButton.text == "Segment GTV"
    assert "cancelled" in panel.ui.resultLabel.text
    assert not panel.ui.progressBar.visible
    assert temporary_folders() == []


def test_a_second_run_replaces_the_first_and_each_undo_takes_one_run_back(panel, until):
    ct = add_ct()
    run(panel, until)
    output = panel.ui.outputSelector.currentNode()
    run(panel, until)
    assert panel.ui.outputSelector.currentNode() is output
    assert output.GetSegmentation().GetNumberOfSegments() == 1
    panel.ui.undoButton.click()
    assert np.array_equal(voxels(output, output.GetSegmentation().GetNthSegmentID(0), ct), ball())
    panel.ui.undoButton.click()
    assert panel.ui.outputSelector.currentNode() is None
    assert not panel.ui.undoButton.enabled
    panel.ui.redoButton.click()
    assert "Made again: the run. GTVp is now 1.3 mL on 3 slices (2-4)" in panel.ui.resultLabel.text
    panel.ui.redoButton.click()
    assert not panel.ui.redoButton.enabled


def test_undo_of_the_first_run_removes_the_node_it_made(panel, until):
    add_ct()
    run(panel, until)
    panel.ui.undoButton.click()
    assert panel.ui.outputSelector.currentNode() is None
    assert not panel.ui.editButton.enabled


def test_another_ct_gets_a_segmentation_of_its_own(panel, until):
    first = add_ct("First")
    run(panel, until)
    second = add_ct("Second")
    panel.ui.inputSelector.setCurrentNode(second)
    assert panel.ui.outputSelector.currentNode() is None
    run(panel, until)
    assert panel.ui.outputSelector.currentNode().GetName() == "Second GTV"
    panel.ui.inputSelector.setCurrentNode(first)
    assert panel.ui.outputSelector.currentNode() is None


def test_no_tumour_is_said_with_the_reason(panel, until, monkeypatch):
    monkeypatch.setenv("FAKE_WORKER", "empty")
    add_ct()
    run(panel, until)
    assert panel.ui.resultLabel.text.startswith("Planning CT: no tumour found; no slice reaches the threshold 0.50")
    assert panel.ui.outputSelector.currentNode() is None


def test_segment_editor_gets_segmentation_volume_and_segment(panel, until):
    import slicer

    ct = add_ct()
    run(panel, until)
    panel.ui.editButton.click()
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    assert slicer.util.mainWindow().moduleSelector().history == ["SegmentEditor"]
    assert editor.segmentationNode() is panel.ui.outputSelector.currentNode()
    assert editor.sourceVolumeNode() is ct
    assert editor.currentSegmentID() == editor.segmentationNode().GetSegmentation().GetNthSegmentID(0)


def test_beside_the_result_of_another_model_the_selected_models_segment_is_edited(panel, until):
    import slicer
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    from GTVAutoSegLib.images.segment_info import SegmentInfo

    ct = add_ct()
    other = put_segment(None, ct, ball()[:, ::-1], SegmentInfo(name="PTV70"))
    panel.shown.node.output_segmentation = other.node
    panel.ui.editButton.click()
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    assert editor.currentSegmentID() == other.segment_id
    run(panel, until)
    segmentation = other.node.GetSegmentation()
    assert [segmentation.GetNthSegment(i).GetName() for i in range(2)] == ["PTV70", "GTVp"]
    panel.ui.editButton.click()
    assert editor.currentSegmentID() == segmentation.GetNthSegmentID(1)


def test_show_3d_makes_the_surface(panel, until):
    add_ct()
    run(panel, until)
    panel.ui.show3DButton.toggle()
    assert panel.ui.outputSelector.currentNode().GetSegmentation().ContainsRepresentation("Closed surface")


def test_the_views_show_the_middle_of_the_result(panel, until):
    import slicer

    add_ct()
    run(panel, until)
    logic = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    assert logic.GetSliceOffset() == pytest.approx(-7 + 3 * 3, abs=1.6)


def test_closing_the_scene_ends_the_run(panel, until, monkeypatch):
    import slicer

    monkeypatch.setenv("FAKE_WORKER", "deaf")
    add_ct()
    panel.ui.segmentButton.click()
    pid = panel.runs.run._job.child.process.pid
    slicer.mrmlScene.Clear(0)
    assert not panel.running
    assert not process_lives(pid)
    assert temporary_folders() == []
    assert not panel.ui.segmentButton.enabled
    add_ct("Next")
    assert panel.ui.segmentButton.enabled


def test_unloading_the_module_ends_the_run(panel, monkeypatch):
    import slicer

    monkeypatch.setenv("FAKE_WORKER", "deaf")
    add_ct()
    panel.ui.segmentButton.click()
    pid = panel.runs.run._job.child.process.pid
    slicer.modules.GTVAutoSegWidget.cleanup()
    assert not process_lives(pid)
    assert temporary_folders() == []


def test_the_state_is_saved_with_the_scene(panel, until, tmp_path):
    import slicer

    ct = add_ct("Saved CT")
    panel.shown.node.device = "cpu"
    run(panel, until)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    assert panel.ui.outputSelector.currentNode() is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    output = panel.ui.outputSelector.currentNode()
    assert panel.ui.inputSelector.currentNode().GetName() == "Saved CT"
    assert output.GetName() == "Saved CT GTV"
    assert panel.devices.selected == "cpu"
    assert panel.ui.editButton.enabled
    ct = panel.ui.inputSelector.currentNode()
    segment_id = output.GetSegmentation().GetNthSegmentID(0)
    assert np.array_equal(voxels(output, segment_id, ct), ball())
    run(panel, until)
    assert panel.ui.outputSelector.currentNode() is output
    assert output.GetSegmentation().GetNumberOfSegments() == 1


def test_the_model_is_described_beneath_its_name(panel):
    assert panel.ui.modelSelector.currentText == "Random cascade for tests"
    assert panel.ui.modelDescription.text == (
        "Site: Phantom \u00b7 measured DSC 0.71 (validation, 8 patients) \u00b7 version 1.0.0, CC0"
    )


def test_a_model_of_another_volume_comes_after_the_gtv_models_and_the_button_names_it(panel, user):
    from GTVAutoSegLib.images.segment_info import GTV_TERMINOLOGY

    task = {"id": "ptv", "site": "Neck", "roi": "PTV70", "terminology": GTV_TERMINOLOGY, "color": [0.2, 0.2, 0.9]}
    make_bundle(user / "a-ptv", title="A planning volume (not a GTV)", task=task)
    panel.models.refresh()
    titles = [panel.ui.modelSelector.itemText(index) for index in range(panel.ui.modelSelector.count)]
    assert "not a GTV" in titles[-1] and not any("not a GTV" in title for title in titles[:-1])
    assert panel.ui.segmentButton.text == "Segment GTV"
    panel.ui.modelSelector.setCurrentIndex(len(titles) - 1)
    assert panel.ui.segmentButton.text == "Segment PTV70"


def test_a_damaged_model_is_listed_as_damaged(panel, shelf, monkeypatch, tmp_path):
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(tmp_path / "broken"))
    shutil.copytree(shelf / "test-model", tmp_path / "broken" / "test-model")
    (tmp_path / "broken" / "test-model" / "model.json").write_text("{")
    panel.models.refresh()
    panel.models.select("test-model")
    assert panel.ui.modelSelector.currentText == "test-model (damaged)"
    assert "is not JSON" in panel.ui.modelDescription.text


@pytest.mark.parametrize(
    ("behaviour", "title", "action"),
    [
        ("fail:torch-missing", "PyTorch is not installed", "Install PyTorch..."),
        ("fail:torch-broken", "PyTorch does not start", "Install PyTorch again..."),
        ("fail:device", "This device cannot be used", "Run on the CPU"),
        ("fail:memory", "Memory ran out", "Run on the CPU"),
        ("fail:disk", "The disk is full or cannot be written", "Run again"),
        ("fail:model", "The model is missing or damaged", "Open the models"),
        ("fail:input", "This volume cannot be segmented", "Select another CT"),
        ("fail:internal", "The run failed unexpectedly", "Copy diagnostics"),
        ("crash", "The run was ended from outside", "Run on the CPU"),
    ],
)
def test_each_failure_is_a_card_with_one_action(panel, until, monkeypatch, behaviour, title, action):
    monkeypatch.setenv("FAKE_WORKER", behaviour)
    add_ct()
    run(panel, until)
    ui = panel.ui
    assert (ui.failureTitle.text, ui.failureActionButton.text) == (title, action)
    assert not ui.failureCard.isHidden()
    assert ui.failureDetails.isHidden()
    ui.failureDetailsButton.click()
    assert not ui.failureDetails.isHidden() and ui.failureDetails.plainText
    ui.failureCloseButton.click()
    assert ui.failureCard.isHidden()


def test_run_on_the_cpu_runs_on_the_cpu(panel, until, monkeypatch):
    monkeypatch.setenv("FAKE_WORKER", "fail:memory")
    add_ct()
    run(panel, until)
    monkeypatch.setenv("FAKE_WORKER", "ball")
    panel.ui.failureActionButton.click()
    assert panel.ui.failureCard.isHidden()
    until(lambda: not panel.running)
    assert panel.ui.resultLabel.text.startswith("Planning CT: GTVp")
    assert panel.devices.selected == "cpu"


def test_out_of_memory_on_the_cpu_offers_to_crop(panel, until, monkeypatch):
    monkeypatch.setenv("FAKE_WORKER", "fail:memory")
    add_ct()
    panel.shown.node.device = "cpu"
    run(panel, until)
    assert panel.ui.failureActionButton.text == "Open Crop Volume"


def test_a_deformable_transform_is_a_card_before_anything_starts(panel):
    import slicer

    ct = add_ct()
    ct.SetAndObserveTransformNodeID(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode").GetID())
    panel.ui.segmentButton.click()
    assert not panel.running
    assert panel.ui.failureTitle.text == "The CT lies under a deformable transform"
    panel.ui.failureActionButton.click()
    assert slicer.util.mainWindow().moduleSelector().history == ["Transforms"]


def test_copy_diagnostics_holds_what_support_needs_and_no_name(panel, until, monkeypatch):
    import slicer

    monkeypatch.setenv("FAKE_WORKER", "noisy")
    add_ct("DOE^JANE")
    run(panel, until)
    panel.ui.failureActionButton.click()
    report = slicer.app.clipboard().text()
    for part in ("GTVAutoSeg 0", "Slicer 5.13.0", "test-model", "ValueError: the last line", "selected device: auto"):
        assert part in report
    assert "JANE" not in report


def test_the_log_keeps_its_last_500_lines(panel):
    for number in range(700):
        panel.log.add(f"line {number}")
    lines = panel.log.text.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (500, "line 200", "line 699")


PROBE = {
    "event": "result",
    "torch": "2.13.0",
    "cuda": "12.8",
    "devices": [
        {"id": "cuda:0", "name": "NVIDIA A100", "memory_gb": 79.2, "usable": True, "reason": ""},
        {"id": "cuda:1", "name": "NVIDIA RTX 5090", "memory_gb": 31.8, "usable": False, "reason": "no kernel image"},
        {"id": "cpu", "name": "CPU", "memory_gb": None, "usable": True, "reason": ""},
    ],
}


def test_the_probe_fills_the_list_of_devices(panel, until, monkeypatch):
    monkeypatch.setenv("FAKE_PROBE", json.dumps(PROBE))
    panel.ui.checkTorchButton.click()
    until(lambda: panel.setup.answer is not None)
    selector = panel.ui.deviceSelector
    entries = [selector.itemText(index) for index in range(selector.count)]
    assert entries == ["Automatic", "CPU", "NVIDIA A100 (cuda:0, 79 GB)"]
    assert panel.ui.torchStatus.text.splitlines() == [
        "PyTorch 2.13.0, CUDA 12.8",
        "cuda:0 NVIDIA A100: works",
        "cuda:1 NVIDIA RTX 5090: does not work: no kernel image",
        "cpu: works",
    ]
    selector.setCurrentIndex(2)
    assert panel.shown.node.device == "cuda:0"


def test_a_device_that_is_not_here_stays_selected_and_says_so(panel):
    panel.shown.node.device = "cuda:3"
    assert panel.ui.deviceSelector.currentText == "cuda:3 (not found here)"
    panel.shown.node.device = "auto"
    assert panel.ui.deviceSelector.count == 2
