"""Which segments are exported and as what: the dialog that asks, and the file that comes of it."""

from __future__ import annotations

import numpy as np
from dicom_scenes import SHAPE, draw, load_dicom
from export_clicks import export, run, said_by
from slicer_samples import ball


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


def test_the_dialog_lists_a_segment_that_no_file_can_call_so(panel, scan, tmp_path):
    ct = load_dicom(scan)
    run(panel)
    segment_id, _ = draw_gtvn(panel, ct)
    panel.ui.outputSelector.currentNode().GetSegmentation().GetSegment(segment_id).SetName("left|right")
    assert dialog_for(panel, tmp_path).table.item(1, 0).text() == "left|right"


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
