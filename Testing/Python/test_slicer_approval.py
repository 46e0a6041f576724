"""Approving in the panel, the lapse of an approval, and the audit trail that a scene keeps."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
from dicom_scenes import SHAPE, draw, load_dicom
from export_clicks import click, run, said_by
from slicer_samples import ball

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.report.record.audit import check


@pytest.fixture
def names(monkeypatch):
    """What people type when they are asked for their name."""
    import qt

    typed = []
    monkeypatch.setattr(qt.QInputDialog, "getText", lambda *_: typed.pop(0) if typed else "")
    return typed


def trail():
    from GTVAutoSegSlicer.scene.record.audit import trail_node

    return check(trail_node().GetText())


def approve(panel):
    from Testing.runtime import process_events_until

    panel.ui.approveButton.click()
    assert process_events_until(lambda: not panel.approval.busy, timeout=20)


def export(panel, slicer_runtime, path):
    slicer_runtime.dialogs.files.append(str(path))
    click(panel, panel.ui.exportButton)
    assert panel.ui.failureMessage.text == ""
    return pydicom.dcmread(path)


def test_nothing_is_approved_without_a_name(panel, slicer_runtime, scan, tmp_path, names):
    load_dicom(scan)
    assert not panel.ui.approveButton.enabled
    run(panel)
    assert panel.ui.approveButton.enabled and panel.ui.approvalLabel.isHidden()
    names.extend(["", "  "])
    approve(panel)
    approve(panel)
    assert panel.ui.approvalLabel.isHidden()
    assert export(panel, slicer_runtime, tmp_path / "rt.dcm").ApprovalStatus == "UNAPPROVED"


def test_an_approval_is_shown_exported_and_lapses_when_a_voxel_changes(panel, slicer_runtime, scan, tmp_path, names):
    ct = load_dicom(scan)
    run(panel)
    names.append("Meyer^Anna")
    approve(panel)
    assert panel.ui.approvalLabel.text.startswith("Approved by Meyer^Anna, 20")
    data = export(panel, slicer_runtime, tmp_path / "one.dcm")
    assert (data.ApprovalStatus, data.ReviewerName) == ("APPROVED", "Meyer^Anna")
    assert "The file says APPROVED." in said_by(panel)
    node = panel.ui.outputSelector.currentNode()
    edited = ball(SHAPE)
    edited[np.nonzero(edited)[0][0], np.nonzero(edited)[1][0], np.nonzero(edited)[2][0]] = 0
    draw(node, node.GetSegmentation().GetNthSegmentID(0), edited, ct)
    assert "by Meyer^Anna" in panel.ui.approvalLabel.text and "has lapsed" in panel.ui.approvalLabel.text
    draw(node, node.GetSegmentation().GetNthSegmentID(0), ball(SHAPE), ct)  # it does not come back by itself
    assert "has lapsed" in panel.ui.approvalLabel.text
    data = export(panel, slicer_runtime, tmp_path / "two.dcm")
    assert data.ApprovalStatus == "UNAPPROVED" and "ReviewerName" not in data
    found = trail()
    assert not found.problem
    assert [record["what"] for record in found.records] == ["run", "approval", "export", "lapse", "export"]


def test_records_of_a_scene_tell_the_scanner_the_model_and_what_was_edited(
    panel, slicer_runtime, scan, tmp_path, names
):
    for path in scan.iterdir():
        data = pydicom.dcmread(path)
        data.Manufacturer, data.ManufacturerModelName = "ACME", "CT 5"
        data.save_as(path)
    ct = load_dicom(scan)
    run(panel)
    names.extend(["Meyer^Anna"])
    approve(panel)
    node = panel.ui.outputSelector.currentNode()
    edited = ball(SHAPE)
    edited |= np.roll(edited, 2, axis=2)
    draw(node, node.GetSegmentation().GetNthSegmentID(0), edited, ct)
    export(panel, slicer_runtime, tmp_path / "rt.dcm")
    found, approved, _, exported = trail().records
    (region,) = exported["regions"]
    assert approved["added_path_length_mm"] == 0 < region["added_path_length_mm"]
    assert approved["volume_after_ml"] == region["volume_before_ml"] < region["volume_after_ml"]
    assert approved["model"] == region["model"] != ""
    assert found["mask_sha256"] == approved["proposed_sha256"] == region["proposed_sha256"]
    assert {record["scanner"] for record in (found, approved, exported)} == {"ACME CT 5"}
    assert len({record["ct"] for record in (found, approved, exported)}) == 1


def test_a_name_that_does_not_fit_is_a_card(panel, scan, names):
    load_dicom(scan)
    run(panel)
    names.append("a\\b")
    approve(panel)
    assert "without backslash" in panel.ui.failureMessage.text and panel.ui.approvalLabel.isHidden()


def test_approval_and_trail_are_saved_with_the_scene(panel, scan, names, tmp_path, capsys):
    import slicer

    load_dicom(scan)
    run(panel)
    names.append("Meyer^Anna")
    approve(panel)
    before = trail().head
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert panel.ui.approvalLabel.text.startswith("Approved by Meyer^Anna")
    assert trail().head == before
    (tmp_path / "audit.jsonl").write_text(slicer.util.getNode("GTVAutoSeg audit trail").GetText())
    assert main(["audit", str(tmp_path)]) == 0
    assert "2 records, none altered" in capsys.readouterr().out


def test_a_result_of_the_command_line_is_ours_and_leaves_as_automatic(panel, slicer_runtime, scan, tmp_path):
    import slicer

    load_dicom(scan)
    path = tmp_path / "result.seg.nrrd"
    write_mask(ball(SHAPE), read_volume(scan), path, SegmentInfo("GTVp", tags={"GTVAutoSeg.Model": "sts-gtv"}))
    node = slicer.util.loadSegmentation(str(path))
    panel.ui.outputSelector.setCurrentNode(node)
    assert panel.ui.exportButton.enabled and panel.ui.approveButton.enabled
    data = export(panel, slicer_runtime, tmp_path / "rt.dcm")
    (region,) = data.StructureSetROISequence
    assert (region.ROIName, region.ROIGenerationAlgorithm) == ("GTVp", "AUTOMATIC")


def test_a_ct_unlike_the_training_data_is_said_before_the_run_with_the_box_or_going_on(panel, slicer_runtime, scan):
    load_dicom(scan).SetSpacing(7.0, 7.0, 9.0)
    slicer_runtime.app.testing = False  # there is somebody to ask
    panel.ui.segmentButton.click()
    assert not panel.running
    assert panel.ui.failureTitle.text == "This CT is unlike those the model was trained on"
    assert "the model was trained on" in panel.ui.failureMessage.text
    assert panel.ui.failureActionButton.text == "Draw a box"
    panel.ui.failureSecondButton.click()
    assert panel.running
    from Testing.runtime import process_events_until

    assert process_events_until(lambda: not panel.running, timeout=20)


def test_an_approval_is_withdrawn_for_a_reason_and_the_panel_shows_none_then(
    panel, slicer_runtime, scan, tmp_path, names
):
    load_dicom(scan)
    run(panel)
    assert panel.ui.approveButton.text == "Approve..."
    names.append("Meyer^Anna")
    approve(panel)
    assert panel.ui.approveButton.text == "Withdraw approval..."
    names.append("  ")
    approve(panel)  # no reason, no withdrawal
    assert panel.ui.approvalLabel.text.startswith("Approved by")
    names.append("slice 3: a vessel | overlooked")
    approve(panel)
    assert panel.ui.approveButton.text == "Approve..." and "was withdrawn by" in panel.ui.approvalLabel.text
    assert "slice 3; a vessel / overlooked" in panel.ui.approvalLabel.text
    data = export(panel, slicer_runtime, tmp_path / "rt.dcm")
    assert data.ApprovalStatus == "UNAPPROVED" and "ReviewerName" not in data
    found = trail()
    assert not found.problem
    assert [one["what"] for one in found.records] == ["run", "approval", "withdrawal", "export"]
    gone = found.records[2]
    assert (gone["reviewer"], gone["reason"]) == ("Meyer^Anna", "slice 3: a vessel | overlooked")
    assert gone["mask_sha256"] == found.records[1]["mask_sha256"] and gone["ct"] == found.records[1]["ct"]
    names.append("Huber")
    approve(panel)
    assert panel.ui.approvalLabel.text.startswith("Approved by Huber")


def withdrawn_on_the_command_line(panel, scan, names, path):
    """A result's node that was approved in the panel and saved, and whose approval was then withdrawn outside."""
    import slicer

    load_dicom(scan)
    run(panel)
    names.append("Meyer^Anna")
    approve(panel)
    node = panel.ui.outputSelector.currentNode()
    assert slicer.util.saveNode(node, str(path))
    assert main(["approve", str(path), "--withdraw", "the wrong phase"]) == 0
    return node


def test_an_approval_withdrawn_on_the_command_line_is_none_in_slicer(
    panel, slicer_runtime, scan, names, tmp_path, capsys
):
    node = withdrawn_on_the_command_line(panel, scan, names, tmp_path / "gtv.seg.nrrd")
    assert "by Meyer^Anna" in capsys.readouterr().out
    data = export(panel, slicer_runtime, tmp_path / "rt.dcm")
    assert data.ApprovalStatus == "UNAPPROVED" and "ReviewerName" not in data
    panel.approval.follow(node, node.GetSegmentation().GetNthSegmentID(0), panel.ui.inputSelector.currentNode(), False)
    assert "was withdrawn by" in panel.ui.approvalLabel.text and "the wrong phase" in panel.ui.approvalLabel.text
    assert panel.ui.approveButton.text == "Approve..."


@pytest.mark.parametrize("beside", ["damaged", "a folder", "of another time", "of another person"])
def test_an_approval_stays_where_the_record_beside_its_file_withdraws_none_or_another(
    panel, scan, names, tmp_path, beside
):
    withdrawn_on_the_command_line(panel, scan, names, tmp_path / "gtv.seg.nrrd")
    (record,) = tmp_path.glob("gtv*approval*")
    if beside == "damaged":
        record.write_text("{")
    elif beside == "a folder":
        record.unlink()
        record.mkdir()
    else:
        other = {"at": "2026-01-02T03:04:05+00:00"} if "time" in beside else {"reviewer": "Huber"}
        record.write_text(json.dumps({**json.loads(record.read_text()), **other}))
    panel._update()
    assert panel.ui.approvalLabel.text.startswith("Approved by Meyer^Anna")


def test_an_approval_that_fails_unexpectedly_is_a_card(panel, scan, names, monkeypatch):
    from GTVAutoSegSlicer.scene.record.approval import Asked

    def fails(*_):
        raise MemoryError("no more")

    monkeypatch.setattr(Asked, "look", fails)
    load_dicom(scan)
    run(panel)
    names.append("Meyer^Anna")
    approve(panel)
    assert panel.ui.failureMessage.text.startswith("The approval failed (MemoryError: no more); report it")
    assert "Traceback" in panel.ui.failureDetails.plainText and panel.ui.approveButton.enabled


def test_a_segment_that_is_changed_while_its_approval_is_under_way_is_not_approved(panel, scan, names, monkeypatch):
    import threading

    from GTVAutoSegSlicer.scene.record.approval import Asked

    go, look = threading.Event(), Asked.look
    monkeypatch.setattr(Asked, "look", lambda self, wanted: (go.wait(20), look(self, wanted))[1])
    ct = load_dicom(scan)
    run(panel)
    names.append("Meyer^Anna")
    panel.ui.approveButton.click()
    assert panel.approval.busy and not panel.ui.approveButton.enabled
    node = panel.ui.outputSelector.currentNode()
    draw(node, node.GetSegmentation().GetNthSegmentID(0), np.roll(ball(SHAPE), 1, axis=1), ct)
    go.set()
    from Testing.runtime import process_events_until

    assert process_events_until(lambda: not panel.approval.busy, timeout=20)
    assert "'GTVp' was changed while it was being approved" in panel.ui.failureMessage.text
    assert panel.ui.approvalLabel.isHidden() and panel.ui.approveButton.enabled


def test_an_approval_under_way_goes_with_the_scene(panel, scan, names):
    import slicer

    load_dicom(scan)
    run(panel)
    names.append("Meyer^Anna")
    panel.ui.approveButton.click()
    slicer.mrmlScene.Clear(0)
    assert not panel.approval.busy and panel.ui.approvalLabel.isHidden()
    assert panel.ui.failureMessage.text == ""
