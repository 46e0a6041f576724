"""Exporting by a click: the file that is asked for, the card that says why not."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from dicom_samples import patient_array, write_series
from dicom_scenes import SHAPE, draw, files_gone, load_dicom, not_from_dicom, read_back
from export_clicks import click, export, run, said_by
from slicer_samples import ball


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
