"""From the segment in the scene to a structure set of the DICOM slices its CT was loaded from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, stack_positions, write_series
from dicom_scenes import INFO, SHAPE, draw, files_gone, load_dicom, not_from_dicom, put, read_back
from slicer_samples import add_ct, ball, linear_transform

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set
from GTVAutoSegLib.images.dicom.series import read_dicom_series

TURN = np.radians(20)
TURNED = np.array([[np.cos(TURN), 0, -np.sin(TURN)], [0, 1, 0], [np.sin(TURN), 0, np.cos(TURN)]])
SCANS = {
    "axial": {},
    "stored from the head down": {"positions": stack_positions(10, (0, 0, -2.5))},
    "feet first": {"orientation": (-1, 0, 0, 0, 1, 0), "positions": stack_positions(10, (0, 0, -2.5))},
    "coronal": {"orientation": (1, 0, 0, 0, 0, -1), "positions": stack_positions(10, (0, 2.5, 0))},
    "oblique": {"orientation": (*TURNED[:, 0], *TURNED[:, 1]), "positions": stack_positions(10, 2.5 * TURNED[:, 2])},
    "tilted gantry": {
        "orientation": (1, 0, 0, 0, np.cos(TURN), -np.sin(TURN)),
        "positions": stack_positions(10, (0, 0, 3.0)),
    },
}


def failure_of(export, *arguments) -> GTVAutoSegError:
    with pytest.raises(GTVAutoSegError) as caught:
        export(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", SCANS)
def test_the_contours_are_the_segment_on_the_slices_of_the_ct(logic, tmp_path, name):
    import slicer

    write_series(tmp_path / "ct", patient_array(SHAPE), **{"positions": None, **SCANS[name]})
    ct = load_dicom(tmp_path / "ct")
    scan = read_dicom_series(tmp_path / "ct")
    assert np.array_equal(slicer.util.arrayFromVolume(ct), scan.array)
    node, _ = put(ct)
    exported = logic.exportRTSTRUCT(node, tmp_path / "rt.dcm")
    (region,) = exported.regions
    assert (region.name, region.algorithm, region.slices) == ("GTVp", "AUTOMATIC", 3)
    assert np.array_equal(read_back(tmp_path / "rt.dcm", tmp_path / "ct"), ball(SHAPE))
    named = {
        image.ReferencedSOPInstanceUID
        for contour in pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence
        for image in contour.ContourImageSequence
    }
    used = np.flatnonzero(ball(SHAPE).any(axis=(1, 2)))
    assert named == {pydicom.dcmread(scan.dicom_files[index]).SOPInstanceUID for index in used}


@pytest.mark.parametrize("first_is", ["in the scene", "removed", "not from DICOM"])
def test_no_file_is_written_with_the_identity_of_another_ct(logic, scan, tmp_path, first_is):
    import slicer

    write_series(tmp_path / "other", patient_array(SHAPE), patient_id="OTHER")
    first, other = load_dicom(scan), load_dicom(tmp_path / "other")
    if first_is == "not from DICOM":
        not_from_dicom(first, scan)
    node, _ = put(first)
    if first_is == "removed":
        slicer.mrmlScene.RemoveNode(first)
    node.SetReferenceImageGeometryParameterFromVolumeNode(other)  # as Segment Editor may
    for ct in (other, None):
        failure = failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm", ct)
        assert failure.code == "segment"
        assert "the segment 'GTVp' was made on another CT than '2: Planning CT', expected its own" in str(failure)
    assert not (tmp_path / "rt.dcm").exists()


def test_a_result_of_a_saved_scene_is_exported_with_its_ct(logic, scan, tmp_path):
    import slicer

    put(load_dicom(scan))
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    add_ct("Open CT")  # the scene's CT gets another node id
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": False})
    (node,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm").regions[0].algorithm == "AUTOMATIC"


def test_of_two_models_segments_the_one_that_is_named_is_exported(logic, scan, tmp_path):
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    ct = load_dicom(scan)
    node, first = put(ct)
    second = put_segment(node, ct, ball(SHAPE)[:, ::-1], replace(INFO, name="PTV70")).segment_id
    failure = failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm")
    assert failure.code == "segment"
    assert "has 2 segments made by GTVAutoSeg (GTVp, PTV70)" in str(failure)
    assert "no segment 'third'" in str(failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm", ct, "third"))
    assert not (tmp_path / "rt.dcm").exists()
    for segment_id, roi, mask in ((first, "GTVp", ball(SHAPE)), (second, "PTV70", ball(SHAPE)[:, ::-1])):
        assert logic.exportRTSTRUCT(node, tmp_path / f"{roi}.dcm", segmentID=segment_id).regions[0].name == roi
        assert np.array_equal(read_back(tmp_path / f"{roi}.dcm", scan), mask)


def test_the_structure_set_names_series_model_and_meaning(logic, scan, tmp_path):
    node, _ = put(load_dicom(scan))
    logic.exportRTSTRUCT(node, str(tmp_path / "rt.dcm"))
    data = pydicom.dcmread(tmp_path / "rt.dcm")
    first = pydicom.dcmread(next(scan.iterdir()))
    assert read_structure_set(tmp_path / "rt.dcm").series == (first.SeriesInstanceUID,)
    assert data.FrameOfReferenceUID == first.FrameOfReferenceUID
    (region,) = data.StructureSetROISequence
    assert (region.ROIName, region.ROIGenerationAlgorithm) == ("GTVp", "AUTOMATIC")
    assert "m 1.0.0" in region.ROIGenerationDescription
    assert data.ROIContourSequence[0].ROIDisplayColor == [255, 128, 0]
    assert data.RTROIObservationsSequence[0].RTROIInterpretedType == "GTV"


def test_an_edited_segment_is_exported_as_it_is_now_and_as_semiautomatic(logic, scan, tmp_path):
    ct = load_dicom(scan)
    node, segment_id = put(ct)
    edited = ball(SHAPE)
    edited[6, 30:40, 20:30] = 1
    edited[3, 18:22, 48:52] = 0
    draw(node, segment_id, edited, ct)
    node.GetSegmentation().GetSegment(segment_id).SetName("GTVp checked")
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm").regions[0].algorithm == "SEMIAUTOMATIC"
    (region,) = pydicom.dcmread(tmp_path / "rt.dcm").StructureSetROISequence
    assert (region.ROIName, region.ROIGenerationAlgorithm) == ("GTVp checked", "SEMIAUTOMATIC")
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), edited)
    draw(node, segment_id, ball(SHAPE), ct)
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm").regions[0].algorithm == "AUTOMATIC"


def test_a_second_run_is_automatic_again_and_its_undo_semiautomatic(logic, scan, tmp_path):
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    ct = load_dicom(scan)
    node, segment_id = put(ct)
    draw(node, segment_id, np.roll(ball(SHAPE), 1, axis=1), ct)
    undo = put_segment(node, ct, np.roll(ball(SHAPE), 2, axis=2), INFO)
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm").regions[0].algorithm == "AUTOMATIC"
    undo.restore()
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm").regions[0].algorithm == "SEMIAUTOMATIC"
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), np.roll(ball(SHAPE), 1, axis=1))


def test_holes_and_parts_are_kept(logic, scan, tmp_path):
    mask = ball(SHAPE)
    mask[3, 19:22, 49:52] = 0
    mask[8, 40:50, 5:20] = 1
    node, _ = put(load_dicom(scan), mask)
    logic.exportRTSTRUCT(node, tmp_path / "rt.dcm")
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), mask)


def test_a_finer_segment_is_brought_to_the_slices_of_the_ct(logic, scan, tmp_path):
    import slicer

    ct = load_dicom(scan)
    node, segment_id = put(ct)
    # Voxels of a third of the CT's: the middle one of each 27 lies where the CT's does.
    fine = add_ct("Fine", (30, 192, 216), (1.25 / 3, 0.5, 1.0), origin=(10 + 1.25 / 3, 20.5, -31))
    mask = ball(SHAPE).repeat(3, 0).repeat(3, 1).repeat(3, 2)
    mask[12, 120:124, 60:66] = 1  # lies on no slice of the CT
    mask[13, 90:93, 60:66] = 1
    draw(node, segment_id, mask, fine)
    slicer.mrmlScene.RemoveNode(fine)
    expected = ball(SHAPE)
    expected[4, 30, 20:22] = 1
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm", ct).regions[0].algorithm == "SEMIAUTOMATIC"
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), expected)


def test_a_transform_above_both_does_not_move_the_contours(logic, scan, tmp_path):
    ct = load_dicom(scan)
    ct.SetAndObserveTransformNodeID(linear_transform().GetID())
    node, _ = put(ct)
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm").regions[0].algorithm == "AUTOMATIC"
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), ball(SHAPE))


def test_the_scene_holds_all_that_an_export_needs(logic, scan, tmp_path):
    import slicer

    before = slicer.mrmlScene.GetNumberOfNodes()
    node, _ = put(load_dicom(scan))
    made = slicer.mrmlScene.GetNumberOfNodes()
    logic.exportRTSTRUCT(node, tmp_path / "first.dcm")
    assert slicer.mrmlScene.GetNumberOfNodes() == made > before
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert logic.exportRTSTRUCT(node, tmp_path / "rt.dcm").regions[0].algorithm == "AUTOMATIC"
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), ball(SHAPE))


def not_in_the_database(ct, folder):
    import slicer

    slicer.dicomDatabase.reset()


def database_closed(ct, folder):
    import slicer

    slicer.dicomDatabase.isOpen = False


def file_damaged(ct, folder):
    path = sorted(folder.iterdir())[2]
    path.write_bytes(path.read_bytes()[:300])


def other_slice_in_its_place(ct, folder):
    first, second, *_ = sorted(folder.iterdir())
    second.write_bytes(first.read_bytes())


def no_slice_any_more(ct, folder):
    next(folder.iterdir()).write_bytes(b"not DICOM")


def without_place(ct, folder):
    path = next(folder.iterdir())
    data = pydicom.dcmread(path)
    del data.ImagePositionPatient
    data.save_as(path)


def shifted_by_one_slice(ct, folder):
    ct.SetOrigin(ct.GetOrigin()[0], ct.GetOrigin()[1], ct.GetOrigin()[2] + 3)


def hardened_transform(ct, folder):
    ct.SetAndObserveTransformNodeID(linear_transform().GetID())
    ct.HardenTransform()


def slices_of_another_ct(ct, folder):
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(ct.GetAttribute("DICOM.instanceUIDs").split()[:-1]))


@pytest.mark.parametrize(
    ("happens", "sentence"),
    [
        (not_from_dicom, "'2: Planning CT' was not loaded from DICOM"),
        (not_in_the_database, "10 of the 10 DICOM slices of '2: Planning CT' are no longer"),
        (database_closed, "is not open; open the DICOM module"),
        (files_gone, "4 of the 10 DICOM slices"),
        (file_damaged, "is a damaged DICOM file"),
        (other_slice_in_its_place, "is no longer the slice"),
        (no_slice_any_more, "is no longer the slice"),
        (without_place, "has no ImagePositionPatient"),
        (shifted_by_one_slice, "'2: Planning CT' does not lie where its DICOM slices"),
        (hardened_transform, "'2: Planning CT' does not lie where its DICOM slices"),
        (slices_of_another_ct, "has 10 slices of 72 x 64, but was loaded from 9 of 72 x 64"),
    ],
)
def test_without_the_slices_of_the_ct_nothing_is_written(logic, scan, tmp_path, monkeypatch, happens, sentence):
    import slicer

    monkeypatch.setattr(slicer.dicomDatabase, "isOpen", True)
    ct = load_dicom(scan)
    happens(ct, scan)
    node, _ = put(ct)
    failure = failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm")
    assert failure.code == "no-dicom"
    assert sentence in str(failure)
    assert sorted(tmp_path.iterdir()) == [scan]


def test_an_empty_segment_is_not_exported(logic, scan, tmp_path):
    ct = load_dicom(scan)
    node, segment_id = put(ct)
    draw(node, segment_id, np.zeros(SHAPE, np.uint8), ct)
    failure = failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm")
    assert (failure.code, "'GTVp' is empty" in str(failure)) == ("segment", True)


def test_a_segment_beyond_the_ct_is_not_cut_off_silently(logic, scan, tmp_path):
    import slicer

    ct = load_dicom(scan)
    node, segment_id = put(ct)
    larger = add_ct("Larger", (14, 64, 72), (1.25, 1.5, 3.0), origin=(10, 20, -30))
    mask = np.zeros((14, 64, 72), np.uint8)
    mask[8:12, 20:24, 20:25] = 1  # the CT ends after slice 9
    draw(node, segment_id, mask, larger)
    failure = failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm", ct)
    assert (failure.code, "'GTVp' has 40 voxels outside the CT" in str(failure)) == ("segment", True)
    mask[10:] = 0
    draw(node, segment_id, mask, larger)
    logic.exportRTSTRUCT(node, tmp_path / "rt.dcm", ct)
    assert np.array_equal(read_back(tmp_path / "rt.dcm", scan), mask[:10])
    slicer.mrmlScene.RemoveNode(larger)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("Tumour as of the second look", "expected at most 16"), ("GTV | p", "rename it"), ("", "has no name")],
)
def test_a_name_no_planning_system_takes_is_said(logic, scan, tmp_path, name, sentence):
    node, segment_id = put(load_dicom(scan))
    node.GetSegmentation().GetSegment(segment_id).SetName(name)
    failure = failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm")
    assert (failure.code, sentence in str(failure)) == ("segment", True)
    assert not (tmp_path / "rt.dcm").exists()


def test_a_segmentation_moved_away_from_its_ct_is_not_exported(logic, scan, tmp_path):
    node, _ = put(load_dicom(scan))
    node.SetAndObserveTransformNodeID(linear_transform().GetID())
    assert "lie under different transforms" in str(failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm"))


def test_only_a_segment_of_ours_is_exported(logic, scan, tmp_path):
    import slicer

    ct = load_dicom(scan)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    draw(node, node.GetSegmentation().AddEmptySegment("GTVp", "GTVp"), ball(SHAPE), ct)
    assert "no segment made by GTVAutoSeg" in str(failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm", ct))
    assert "no segment made by GTVAutoSeg" in str(failure_of(logic.exportRTSTRUCT, None, tmp_path / "rt.dcm", ct))


def test_a_segmentation_whose_ct_left_the_scene_asks_for_it(logic, scan, tmp_path):
    import slicer

    ct = load_dicom(scan)
    node, _ = put(ct)
    slicer.mrmlScene.RemoveNode(ct)
    assert "is not in the scene" in str(failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm"))


def test_a_place_that_cannot_be_written_to_is_said(logic, scan, tmp_path):
    node, _ = put(load_dicom(scan))
    for path in (scan, tmp_path / "nowhere" / "rt.dcm", next(scan.iterdir())):
        failure = failure_of(logic.exportRTSTRUCT, node, path)
        assert (failure.code, str(path) in str(failure)) == ("export", True)
    assert read_dicom_series(scan).array.shape == SHAPE


def test_contours_that_do_not_read_back_as_the_segment_are_not_put_in_place(logic, scan, tmp_path, monkeypatch):
    from GTVAutoSegLib.report.export import carry_out as export

    def one_slice_off(structures, *arguments):
        return make([replace(one, mask=np.roll(one.mask, 1, axis=0)) for one in structures], *arguments)

    make = export.make_rtstruct
    monkeypatch.setattr(export, "make_rtstruct", one_slice_off)
    node, _ = put(load_dicom(scan))
    (tmp_path / "rt.dcm").write_bytes(b"an older file")
    failure = failure_of(logic.exportRTSTRUCT, node, tmp_path / "rt.dcm")
    assert failure.code == "export"
    assert "DSC 0." in str(failure) and "nothing was written" in str(failure)
    assert (tmp_path / "rt.dcm").read_bytes() == b"an older file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "rt.dcm"]
