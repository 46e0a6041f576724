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

EXPORT = ROOT / "GTVAutoSeg" / "GTVAutoSegSlicer" / "scene" / "export" / "structure_set.py"


def run(panel):
    from Testing.runtime import process_events_until

    panel.ui.segmentButton.click()
    assert process_events_until(lambda: not panel.running, timeout=20)


def test_a_click_asks_for_the_file_and_says_where_it_went(panel, slicer_runtime, scan, tmp_path):
    load_dicom(scan)
    assert not panel.ui.exportButton.enabled
    run(panel)
    assert panel.ui.exportButton.enabled
    assert panel.ui.exportStatus.isHidden()
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    panel.ui.exportButton.click()
    assert panel.ui.failureMessage.text == ""
    said = f"GTVp (as the model drew it) was exported: {tmp_path / 'rt.dcm'}\nThe file says UNAPPROVED."
    assert panel.ui.exportStatus.text == said
    assert panel.ui.exportStatus.toolTip == str(tmp_path / "rt.dcm")
    assert not panel.ui.exportStatus.isHidden()
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), ball(SHAPE))
    assert panel.log.text.splitlines()[-1] == "export: RTSTRUCT, AUTOMATIC, 3 slices, read back with DSC 1.0"
    panel.ui.exportButton.click()  # offers the same folder; nothing is chosen
    assert slicer_runtime.dialogs.shown[-1].details.startswith(str(tmp_path / "RTSTRUCT.dcm"))
    assert panel.ui.exportStatus.text
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
    panel.ui.exportButton.click()
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
    panel.ui.exportButton.click()
    assert panel.ui.failureTitle.text == "The structure set was not written"
    assert panel.ui.failureActionButton.text == "Export again..."
    panel.ui.failureActionButton.click()
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
    panel.ui.exportButton.click()
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
    assert "rtstruct_writer" in names
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
    panel.ui.exportButton.click()
    assert panel.ui.failureMessage.text == ""
    said = panel.ui.exportStatus.text
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
    panel.ui.exportButton.click()
    assert "edited on slice" in panel.ui.exportStatus.text and "DSC" in panel.ui.exportStatus.text


def test_send_hands_the_file_to_slicers_own_send(panel, slicer_runtime, scan, tmp_path, monkeypatch):
    import types

    load_dicom(scan)
    run(panel)
    assert panel.ui.sendButton.isHidden()
    slicer_runtime.dialogs.files.append(str(tmp_path / "rt.dcm"))
    panel.ui.exportButton.click()
    assert not panel.ui.sendButton.isHidden()
    sent = []
    library = types.SimpleNamespace(DICOMSendDialog=lambda files, _parent: sent.extend(files))
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    panel.ui.sendButton.click()
    assert sent == [str(tmp_path / "rt.dcm")]
    monkeypatch.setitem(sys.modules, "DICOMLib", None)
    panel.ui.sendButton.click()
    assert "Slicer's DICOM send could not be opened" in panel.ui.failureMessage.text
