"""An export beside Slicer's window: what stops it, what happens meanwhile, and what the worker then writes."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from dicom_scenes import SHAPE, draw, load_dicom, read_back
from export_clicks import click, run, said_by
from slicer_samples import ROOT, ball

EXPORT = ROOT / "GTVAutoSeg" / "GTVAutoSegSlicer" / "run" / "export.py"


def test_slicers_process_exports_without_pytorch():
    names = ", ".join(re.findall(r"^from (GTVAutoSegLib[.\w]+) import", EXPORT.read_text(), re.MULTILINE))
    assert "carry_out" in names
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def export_that(panel, slicer_runtime, monkeypatch, path, behaviour):
    """Begin an export whose worker behaves in a way, and return once it has told so."""
    from Testing.runtime import process_events_until

    monkeypatch.setenv("FAKE_EXPORT", behaviour)
    slicer_runtime.dialogs.files.append(str(path))
    panel.ui.exportButton.click()
    assert panel.running and panel.ui.segmentButton.text == "Cancel" and not panel.ui.exportButton.enabled
    assert panel.ui.segmentButton.toolTip == "End the export; no file is written."
    if behaviour == "slow":
        assert process_events_until(lambda: "classifying" in panel.log.text.rpartition("export")[2], timeout=20)


def cancelled(panel, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.app, "doubleClickInterval", -1)
    panel.ui.segmentButton.click()


def ct_removed(panel, monkeypatch):
    import slicer

    slicer.mrmlScene.RemoveNode(panel.ui.inputSelector.currentNode())


def segmentation_removed(panel, monkeypatch):
    import slicer

    slicer.mrmlScene.RemoveNode(panel.ui.outputSelector.currentNode())


def scene_closed(panel, monkeypatch):
    import slicer

    slicer.mrmlScene.Clear(0)


def slicer_closed(panel, monkeypatch):
    import slicer

    slicer.app.emit_signal("aboutToQuit()")


def module_closed(panel, monkeypatch):
    panel.cleanup()


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (cancelled, "The export was cancelled; nothing was written."),
        (ct_removed, "so the export was stopped; nothing was written."),
        (segmentation_removed, "so the export was stopped; nothing was written."),
        (scene_closed, ""),  # whatever was said goes with the scene
        (slicer_closed, "The export was cancelled; nothing was written."),
        (module_closed, ""),
    ],
)
def test_an_export_that_is_stopped_leaves_everything_as_it_was(
    panel, slicer_runtime, scan, tmp_path, monkeypatch, until, happens, said, there
):
    from slicer_samples import temporary_folders

    load_dicom(scan)
    run(panel)
    if there:
        (tmp_path / "rt.dcm").write_bytes(b"an older file")
    before = sorted(path.name for path in tmp_path.iterdir())
    export_that(panel, slicer_runtime, monkeypatch, tmp_path / "rt.dcm", "slow")
    happens(panel, monkeypatch)
    until(lambda: not panel.running)
    assert said in said_by(panel)
    assert panel.ui.failureMessage.text == "" and panel.ui.sendButton.isHidden()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert temporary_folders() == []


def test_a_worker_that_dies_during_an_export_is_a_card_that_offers_to_export_again(
    panel, slicer_runtime, scan, tmp_path, monkeypatch, until
):
    load_dicom(scan)
    run(panel)
    for behaviour in ("crash", "silent", "fail:memory"):
        export_that(panel, slicer_runtime, monkeypatch, tmp_path / "rt.dcm", behaviour)
        until(lambda: not panel.running)
        assert panel.ui.failureActionButton.text == "Export again..."
        assert not (tmp_path / "rt.dcm").exists()
    monkeypatch.delenv("FAKE_EXPORT")
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    click(panel, panel.ui.failureActionButton)
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), ball(SHAPE))


def test_a_cancel_that_comes_too_late_says_that_the_file_is_there(panel, slicer_runtime, scan, tmp_path, monkeypatch):
    load_dicom(scan)
    run(panel)
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    panel.ui.exportButton.click()
    panel.runs.run._job.wait(20)  # done, and nobody has looked yet
    panel.runs.abort()
    assert f"was exported: {tmp_path / 'rt.dcm'}" in said_by(panel)
    export_that(panel, slicer_runtime, monkeypatch, tmp_path / "other.dcm", "slow")
    (tmp_path / "other.dcm").write_bytes((tmp_path / "rt.dcm").read_bytes())  # the worker's last act
    panel.runs.abort()
    assert f"done before it could be stopped: {tmp_path / 'other.dcm'} is there" in said_by(panel)


def test_a_segment_that_is_drawn_on_during_its_export_leaves_as_it_was_and_a_remark_says_so(
    panel, slicer_runtime, scan, tmp_path
):
    ct = load_dicom(scan)
    run(panel)
    node = panel.ui.outputSelector.currentNode()
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    panel.ui.exportButton.click()
    draw(node, node.GetSegmentation().GetNthSegmentID(0), np.roll(ball(SHAPE), 3, axis=2), ct)
    from Testing.runtime import process_events_until

    assert process_events_until(lambda: not panel.running, timeout=20)
    assert "'GTVp' was changed during the export; the file has it as it was before." in said_by(panel)
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), ball(SHAPE))


def test_beside_an_export_nothing_else_is_started(panel, slicer_runtime, scan, tmp_path, monkeypatch, until):
    load_dicom(scan)
    run(panel)
    export_that(panel, slicer_runtime, monkeypatch, tmp_path / "rt.dcm", "slow")
    before = panel.runs.run
    panel.runs.segment()
    panel.runs.export(tmp_path / "second.dcm", None)
    assert panel.runs.run is before
    assert not panel.ui.undoButton.enabled and not panel.ui.approveButton.enabled
    panel.runs.abort()
    assert panel.ui.exportButton.enabled


def test_the_worker_writes_what_the_call_that_waits_writes(logic, scan, tmp_path, until):
    import pydicom
    from dicom_scenes import put

    node, _ = put(load_dicom(scan))
    outcomes = []
    waited = logic.exportRTSTRUCT(node, tmp_path / "waited.dcm")
    logic.exportRTSTRUCT(node, tmp_path / "worker.dcm", on_finished=outcomes.append)
    until(lambda: outcomes)
    assert outcomes[0].report.regions == waited.regions
    one, other = (pydicom.dcmread(tmp_path / f"{name}.dcm") for name in ("waited", "worker"))
    assert one.ROIContourSequence == other.ROIContourSequence
    assert one.StructureSetROISequence == other.StructureSetROISequence
