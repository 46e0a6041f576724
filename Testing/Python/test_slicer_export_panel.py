"""Exporting by a click: the file that is asked for, the card that says why not."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from dicom_samples import patient_array, write_series
from dicom_scenes import SHAPE, draw, files_gone, load_dicom, not_from_dicom, read_back
from slicer_samples import ROOT, ball

EXPORT = ROOT / "GTVAutoSeg" / "GTVAutoSegSlicer" / "run" / "export.py"


def run(panel):
    click(panel, panel.ui.segmentButton)


def said_by(panel):
    return panel.ui.exportStatus.text.replace("\u200b", "")  # where a long path may be broken


def export(panel):
    click(panel, panel.ui.exportButton)


def click(panel, button):
    from Testing.runtime import process_events_until

    button.click()
    assert process_events_until(lambda: not panel.running, timeout=20)


def test_a_click_asks_for_the_file_and_says_where_it_went(panel, slicer_runtime, scan, tmp_path):
    load_dicom(scan)
    assert not panel.ui.exportButton.enabled
    run(panel)
    assert panel.ui.exportButton.enabled
    assert panel.ui.exportStatus.isHidden()
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    export(panel)
    assert panel.ui.failureMessage.text == ""
    said = f"GTVp (as the model drew it) was exported: {tmp_path / 'rt.dcm'}\nThe file says UNAPPROVED."
    assert said_by(panel) == said
    assert panel.ui.exportStatus.toolTip == str(tmp_path / "rt.dcm")
    assert not panel.ui.exportStatus.isHidden()
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), ball(SHAPE))
    assert panel.log.text.splitlines()[-1] == "export: RTSTRUCT, AUTOMATIC, 3 slices, read back with DSC 1.0"
    panel.ui.exportButton.click()  # offers the same folder; nothing is chosen
    assert slicer_runtime.dialogs.shown[-1].details.startswith(str(tmp_path / "RTSTRUCT.dcm"))
    assert said_by(panel)
    panel.ui.undoButton.click()
    assert panel.ui.exportStatus.isHidden()
    assert not panel.ui.exportButton.enabled


@pytest.mark.parametrize(
    ("happens", "title", "action", "module"),
    [
        (not_from_dicom, "The CT's DICOM slices are not at hand", "Open DICOM", "DICOM"),
        (files_gone, "The CT's DICOM slices are not at hand", "Open DICOM", "DICOM"),
        (None, "The segment cannot be exported", "Open in Segment Editor", "SegmentEditor"),
    ],
)
def test_why_not_is_a_card_with_one_action(panel, slicer_runtime, scan, tmp_path, happens, title, action, module):
    import slicer

    ct = load_dicom(scan)
    if happens is not None:
        happens(ct, scan)
    run(panel)
    if happens is None:
        node = panel.ui.outputSelector.currentNode()
        draw(node, node.GetSegmentation().GetNthSegmentID(0), np.zeros(SHAPE, np.uint8), ct)
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    export(panel)
    assert (panel.ui.failureTitle.text, panel.ui.failureActionButton.text) == (title, action)
    assert panel.ui.exportStatus.isHidden()
    assert not (tmp_path / "rt.dcm").exists()
    panel.ui.copyDiagnosticsButton.click()
    assert "last failure: " in slicer.app.clipboard().text()
    assert "Planning CT" not in slicer.app.clipboard().text()
    panel.ui.failureActionButton.click()
    assert slicer.util.mainWindow().moduleSelector().history == [module]


def test_export_again_asks_for_another_file(panel, slicer_runtime, scan, tmp_path):
    load_dicom(scan)
    run(panel)
    slicer_runtime.dialogs.files.extend([str(tmp_path / "nowhere" / "rt.dcm"), str(tmp_path / "rt.dcm")])
    export(panel)
    assert panel.ui.failureTitle.text == "The structure set was not written"
    assert panel.ui.failureActionButton.text == "Export again..."
    click(panel, panel.ui.failureActionButton)
    assert panel.ui.failureCard.isHidden()
    assert (tmp_path / "rt.dcm").exists()


def second_patient(tmp_path):
    """A second CT on the same grid, as a second phase or a second patient has it."""
    write_series(tmp_path / "second", patient_array(SHAPE), patient_id="SECOND")
    return load_dicom(tmp_path / "second")


@pytest.mark.parametrize("when", ["during a further run", "after the run"])
def test_a_ct_that_moves_up_for_a_removed_one_is_not_exported_under_the_others_result(
    panel, until, scan, tmp_path, monkeypatch, when
):
    import slicer

    first, second = load_dicom(scan), second_patient(tmp_path)
    panel.ui.inputSelector.setCurrentNode(first)
    run(panel)
    if when == "during a further run":
        monkeypatch.setenv("FAKE_WORKER", "slow")
        panel.ui.segmentButton.click()
    slicer.mrmlScene.RemoveNode(first)
    until(lambda: not panel.running)
    assert panel.ui.inputSelector.currentNode() is second
    assert panel.ui.outputSelector.currentNode() is None
    assert not panel.ui.exportButton.enabled


def test_an_unforeseen_error_is_shown(panel, slicer_runtime, scan, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise KeyError("what nobody thought of")

    load_dicom(scan)
    run(panel)
    monkeypatch.setattr(panel.logic, "exportRTSTRUCT", fails)
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    export(panel)
    assert "KeyError: 'what nobody thought of'" in panel.ui.failureMessage.text
    assert "Traceback" in panel.ui.failureDetails.plainText


def test_without_a_main_window_nothing_is_asked(panel, slicer_runtime, scan, monkeypatch):
    import slicer

    load_dicom(scan)
    run(panel)
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    panel.export.ask()
    assert slicer_runtime.dialogs.shown == []


def test_slicers_process_exports_without_pytorch():
    names = ", ".join(re.findall(r"^from (GTVAutoSegLib[.\w]+) import", EXPORT.read_text(), re.MULTILINE))
    assert "carry_out" in names
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def dialog_for(panel, tmp_path):
    from GTVAutoSegSlicer.panel.review.export_dialog import ExportDialog
    from GTVAutoSegSlicer.scene.export.candidates import candidates

    return ExportDialog(panel.ui.exportButton, candidates(panel.ui.outputSelector.currentNode()), tmp_path)


def draw_gtvn(panel, ct):
    """A nodal volume that a person draws beside the result."""
    import slicer

    node = panel.ui.outputSelector.currentNode()
    segment_id = node.GetSegmentation().AddEmptySegment("", "GTVn", [0.9, 0.55, 0.2])
    mask = np.zeros(SHAPE, np.uint8)
    mask[6:8, 10:20, 12:22] = 1
    draw(node, segment_id, mask, ct)
    slicer.app.processEvents()
    return segment_id, mask


def test_the_dialog_lists_visible_segments_with_ours_checked_names_types_and_colours(panel, scan, tmp_path):
    import qt

    ct = load_dicom(scan)
    run(panel)
    segment_id, _ = draw_gtvn(panel, ct)
    dialog = dialog_for(panel, tmp_path)
    table = dialog.table
    assert [table.item(row, 0).text() for row in range(2)] == ["GTVp", "GTVn"]
    assert [table.item(row, 0).checkState() == qt.Qt.Checked for row in range(2)] == [True, False]
    assert [table.cellWidget(row, 2).currentText for row in range(2)] == ["GTV", "GTV"]
    assert table.cellWidget(0, 1).findText("GTVn") >= 0 and table.cellWidget(0, 2).findText("ORGAN") >= 0
    assert table.item(1, 3).background().color().red() == round(255 * 0.9)
    assert [choice.name for choice in dialog.choices()] == ["GTVp"]
    table.item(1, 0).setCheckState(qt.Qt.Checked)
    table.cellWidget(1, 1).setCurrentIndex(table.cellWidget(1, 1).findText("CTV"))
    table.cellWidget(1, 2).setCurrentIndex(table.cellWidget(1, 2).findText("ORGAN"))
    assert [(one.segment_id, one.name, one.kind) for one in dialog.choices()][1] == (segment_id, "CTV", "ORGAN")
    node = panel.ui.outputSelector.currentNode()
    node.GetDisplayNode().SetSegmentVisibility(segment_id, False)
    assert dialog_for(panel, tmp_path).table.rowCount == 1


def test_a_drawn_gtvn_leaves_with_the_result_in_the_hospitals_structure_set(
    panel, slicer_runtime, scan, tmp_path, monkeypatch
):
    import pydicom
    import qt
    from GTVAutoSegSlicer.panel.review.export_dialog import ExportDialog
    from structure_sets import write_rtstruct

    from GTVAutoSegLib.images.dicom.series import read_dicom_series
    from GTVAutoSegLib.images.segment_info import SegmentInfo

    ct, hospital = load_dicom(scan), tmp_path / "hospital.dcm"
    write_rtstruct(ball(SHAPE), read_dicom_series(scan), hospital, SegmentInfo("Heart"), contours="pixel")
    before = hospital.read_bytes()
    run(panel)
    _, mask = draw_gtvn(panel, ct)

    def choose(self):
        self.table.item(1, 0).setCheckState(qt.Qt.Checked)
        self.choose_base()
        assert str(hospital) in self.addToLabel.text
        return True

    monkeypatch.setattr(ExportDialog, "execute", choose)
    slicer_runtime.dialogs.files.extend([str(hospital), str(tmp_path / "rt.dcm")])
    export(panel)
    assert panel.ui.failureMessage.text == ""
    said = said_by(panel)
    assert "GTVn (drawn or loaded)" in said and "hospital.dcm were kept" in said
    assert hospital.read_bytes() == before
    data = pydicom.dcmread(tmp_path / "rt.dcm")
    assert [one.ROIName for one in data.StructureSetROISequence] == ["Heart", "GTVp", "GTVn"]
    assert [one.RTROIInterpretedType for one in data.RTROIObservationsSequence][1:] == ["GTV", "GTV"]
    assert data.RTROIObservationsSequence[2].RTROIIdentificationCodeSequence[0].CodeMeaning == "GTV Nodal"
    from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set, roi_mask

    rois = read_structure_set(tmp_path / "rt.dcm").rois
    np.testing.assert_array_equal(roi_mask([rois[2]], read_dicom_series(scan))[0], mask)


def test_an_edited_result_says_what_was_edited(panel, slicer_runtime, scan, tmp_path):
    ct = load_dicom(scan)
    run(panel)
    node = panel.ui.outputSelector.currentNode()
    edited = ball(SHAPE)
    edited[edited.any(axis=(1, 2)).argmax()] = 0
    draw(node, node.GetSegmentation().GetNthSegmentID(0), edited, ct)
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    export(panel)
    assert "edited on slice" in said_by(panel) and "DSC" in said_by(panel)


def test_send_hands_the_file_to_slicers_own_send(panel, slicer_runtime, scan, tmp_path, monkeypatch):
    import types

    load_dicom(scan)
    run(panel)
    assert panel.ui.sendButton.isHidden()
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    export(panel)
    assert not panel.ui.sendButton.isHidden()
    sent = []
    library = types.SimpleNamespace(DICOMSendDialog=lambda files, _parent: sent.extend(files))
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    panel.ui.sendButton.click()
    assert sent == [str(tmp_path / "rt.dcm")]
    monkeypatch.setitem(sys.modules, "DICOMLib", None)
    panel.ui.sendButton.click()
    assert "Slicer's DICOM send could not be opened" in panel.ui.failureMessage.text


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


def test_a_seg_holds_the_voxels(panel, slicer_runtime, scan, tmp_path):
    import pydicom

    load_dicom(scan)
    run(panel)
    slicer_runtime.dialogs.files.append(str(tmp_path / "gtv.seg.dcm"))
    export(panel)
    assert said_by(panel) == f"GTVp (as the model drew it) was exported: {tmp_path / 'gtv.seg.dcm'}"
    assert panel.log.text.splitlines()[-1] == "export: SEG, AUTOMATIC, 3 slices"
    data = pydicom.dcmread(tmp_path / "gtv.seg.dcm")
    assert data.Modality == "SEG" and int(data.pixel_array.sum()) == int(ball(SHAPE).sum())
    assert not panel.ui.sendButton.isHidden()


def contours(path):
    import pydicom

    return [one.ContourData for one in pydicom.dcmread(path).ROIContourSequence[0].ContourSequence]


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_contours_follow_the_probability_where_the_slice_still_is_what_the_model_gave(
    panel, slicer_runtime, scan, tmp_path, threshold
):
    from GTVAutoSegSlicer.scene.steering.evidence import Evidence

    from GTVAutoSegLib.images.dicom.series import read_dicom_series
    from GTVAutoSegLib.images.dicom.structures.writer import write_rtstruct
    from GTVAutoSegLib.images.masks.structure import Structure
    from GTVAutoSegLib.images.probability import following

    ct = load_dicom(scan)
    run(panel)
    node = panel.ui.outputSelector.currentNode()
    segment_id = node.GetSegmentation().GetNthSegmentID(0)
    probability = Evidence.of(node.GetSegmentation().GetSegment(segment_id)).probability
    if threshold is not None:
        node.GetSegmentation().GetSegment(segment_id).SetTag("GTVAutoSeg.MaskThreshold", str(threshold))
        draw(node, segment_id, probability.mask(threshold), ct)
    mask = probability.mask(threshold)
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    export(panel)
    structure = Structure(mask)
    expected = following(structure, probability, threshold)
    for name, one in (("followed", expected), ("without", structure)):
        write_rtstruct([one], read_dicom_series(scan), tmp_path / f"{name}.dcm")
    assert contours(tmp_path / "rt.dcm") == contours(tmp_path / "followed.dcm")
    assert contours(tmp_path / "rt.dcm") != contours(tmp_path / "without.dcm")
    edited = mask.copy()
    edited[3] = np.roll(mask[3], 4, axis=1)
    draw(node, segment_id, edited, ct)
    slicer_runtime.dialogs.files.append(str(tmp_path / "edited.dcm"))
    export(panel)
    assert np.array_equal(read_back(tmp_path / "edited.dcm", scan), edited)
    before, after = contours(tmp_path / "rt.dcm"), contours(tmp_path / "edited.dcm")
    assert [one == other for one, other in zip(before, after, strict=True)].count(False) == 1
