"""A CT that is not from DICOM is known again by its voxels: saved and loaded with a scene, or alone."""

from __future__ import annotations

import gc

import numpy as np
import pydicom
import pytest
import vtk
from dicom_samples import patient_array, write_series
from slicer_samples import add_ct, ball, use_fake_worker


@pytest.fixture
def pair(panel, until, tmp_path):
    """A function that saves a CT and the result on it in files of their own, and loads both into an empty scene."""
    import slicer

    def reload(suffix, change=lambda ct: None):
        ct = add_ct()
        panel.ui.segmentButton.click()
        until(lambda: not panel.running)
        change(ct)
        assert slicer.util.saveNode(ct, str(tmp_path / f"ct{suffix}"))
        assert slicer.util.saveNode(panel.ui.outputSelector.currentNode(), str(tmp_path / "gtv.seg.nrrd"))
        slicer.mrmlScene.Clear(0)
        ct = slicer.util.loadVolume(str(tmp_path / f"ct{suffix}"))
        node = slicer.util.loadSegmentation(str(tmp_path / "gtv.seg.nrrd"))
        panel.ui.inputSelector.setCurrentNode(ct)
        panel.ui.outputSelector.setCurrentNode(node)
        until(lambda: panel.shown.ct_voxels.knows(ct))
        return ct, node

    return reload


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_a_result_loaded_beside_its_ct_is_recognised_and_replaced_by_the_next_run(panel, until, pair, suffix):
    import slicer

    _, node = pair(suffix)
    assert panel.ui.outputSelector.currentNode() is node
    panel.ui.segmentButton.click()
    until(lambda: not panel.running)
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == [node]
    assert node.GetSegmentation().GetNumberOfSegments() == 1  # not kept beside it, as another CT's or an edited one is


def test_a_result_loaded_beside_another_ct_is_not_taken_for_its_own(panel, pair):
    import slicer

    def denser(ct):
        slicer.util.arrayFromVolume(ct)[5, 30:40, 30:40] += 50
        slicer.util.arrayFromVolumeModified(ct)

    pair(".nrrd", denser)
    assert panel.ui.outputSelector.currentNode() is None


def test_a_script_that_runs_into_a_loaded_result_replaces_it(logic, shelf, monkeypatch, tmp_path):
    import slicer

    use_fake_worker(monkeypatch, "ball")
    ct = add_ct()
    first = logic.segment(ct, shelf / "test-model")
    slicer.util.saveNode(ct, str(tmp_path / "ct.nii.gz"))
    slicer.util.saveNode(first.segmentation, str(tmp_path / "gtv.seg.nrrd"))
    slicer.mrmlScene.Clear(0)
    ct = slicer.util.loadVolume(str(tmp_path / "ct.nii.gz"))
    node = slicer.util.loadSegmentation(str(tmp_path / "gtv.seg.nrrd"))
    second = logic.segment(ct, shelf / "test-model", output=node)
    assert second.undo.kept == "" and second.undo.before is not None


def test_a_saved_scene_knows_its_ct_and_one_from_before_by_its_mark(logic, tmp_path):
    import slicer
    from GTVAutoSegSlicer.scene.ct_identity import remember
    from GTVAutoSegSlicer.scene.ownership import is_made_on
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    from GTVAutoSegLib.images.segment_info import SegmentInfo

    ct = add_ct()
    marked = put_segment(None, ct, ball(), SegmentInfo("GTVp"))  # as a step that has not read the voxels
    assert is_made_on(marked.node, marked.segment_id, ct)
    remember(ct, "0123456789abcdef")
    known = put_segment(None, ct, ball(), SegmentInfo("GTVp"))
    for step in (marked, known):
        assert is_made_on(step.node, step.segment_id, ct)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    ct = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        assert is_made_on(node, node.GetSegmentation().GetNthSegmentID(0), ct)


def test_a_look_that_fails_is_not_repeated_until_something_else_is_chosen(panel, until, pair, monkeypatch):
    import slicer
    from GTVAutoSegSlicer.run import ct_voxels

    ct, node = pair(".nrrd")
    ct.RemoveAttribute("GTVAutoSeg.CTVoxels")
    looks = []

    def fails(*given):
        looks.append(given)
        raise MemoryError

    monkeypatch.setattr(ct_voxels, "voxels_sha256", fails)
    panel.shown.changed()
    until(lambda: panel.shown.ct_voxels._background is None)
    for _ in range(5):
        slicer.app.processEvents()
    assert len(looks) == 1 and panel.ui.outputSelector.currentNode() is node


def test_while_a_ct_is_looked_at_the_window_turns_and_nothing_is_deselected(panel, until, pair, monkeypatch):
    import threading

    import slicer
    from GTVAutoSegSlicer.run import ct_voxels

    ct, node = pair(".nrrd")
    ct.RemoveAttribute("GTVAutoSeg.CTVoxels")
    looked, go, look = threading.Event(), threading.Event(), ct_voxels.voxels_sha256

    def slowly(*given):
        digest = look(*given)
        looked.set()
        go.wait(20)
        return digest

    monkeypatch.setattr(ct_voxels, "voxels_sha256", slowly)
    panel.shown.changed()
    for _ in range(5):
        slicer.app.processEvents()
    assert not panel.shown.ct_voxels.knows(ct)
    assert panel.ui.outputSelector.currentNode() is node
    assert looked.wait(20)
    slicer.util.arrayFromVolume(ct)[2] += 1  # another CT than the one that was looked at
    slicer.util.arrayFromVolumeModified(ct)
    go.set()
    until(lambda: panel.shown.ct_voxels.knows(ct))
    assert panel.ui.outputSelector.currentNode() is None


def test_a_ct_without_a_result_that_knows_its_own_by_voxels_is_not_looked_at(panel):
    ct = add_ct()
    panel.ui.inputSelector.setCurrentNode(ct)
    assert panel.shown.ct_voxels.knows(ct) and panel.shown.ct_voxels._background is None


def test_closing_the_scene_meanwhile_ends_it(panel, pair, monkeypatch):
    import slicer
    from GTVAutoSegSlicer.run import ct_voxels

    ct, _ = pair(".nrrd")
    ct.RemoveAttribute("GTVAutoSeg.CTVoxels")

    def look(_volume, wanted):
        while wanted():
            pass
        return ""

    monkeypatch.setattr(ct_voxels, "voxels_sha256", look)
    panel.shown.changed()
    freed = []
    ct.GetImageData().AddObserver("DeleteEvent", lambda *_: freed.append("CT"))
    del ct
    slicer.mrmlScene.Clear(0)
    gc.collect()
    assert panel.shown.ct_voxels._background is None
    assert freed == ["CT"]


def test_a_ct_from_dicom_is_known_by_its_slices_and_keeps_no_digest(logic):
    from GTVAutoSegSlicer.scene.ct_identity import identities, remember

    ct = add_ct()
    ct.SetAttribute("DICOM.instanceUIDs", "1.2.1 1.2.2")
    remember(ct, "0123456789abcdef")
    assert ct.GetAttribute("GTVAutoSeg.CTVoxels") is None
    (identity,) = identities(ct)
    assert identity.startswith("DICOM ")


def test_whose_a_ct_is_comes_from_a_file_that_still_is_one_of_its_slices(slicer_runtime, logic, tmp_path, monkeypatch):
    import slicer
    from GTVAutoSegSlicer.scene.ct_identity import dicom_origin

    first, second = (pydicom.dcmread(one) for one in write_series(tmp_path, patient_array((2, 20, 24)), PatientID="A"))
    ct = add_ct()
    ct.SetAttribute("DICOM.instanceUIDs", first.SOPInstanceUID)
    files = {first.SOPInstanceUID: first.filename}
    monkeypatch.setattr(slicer.dicomDatabase, "isOpen", True)
    monkeypatch.setattr(slicer.dicomDatabase, "fileForInstance", lambda instance: files.get(instance, ""))
    assert dicom_origin(ct).patient == "A"
    files[first.SOPInstanceUID] = second.filename  # another file has taken its place
    assert dicom_origin(ct).patient == dicom_origin(ct).series == ""


def test_of_a_ct_that_left_the_scene_meanwhile_nobody_is_told(logic, until, monkeypatch):
    import slicer
    from GTVAutoSegSlicer.run import ct_voxels

    monkeypatch.setattr(ct_voxels, "_is_wanted", lambda: True)
    told: list[str] = []
    look, ct = ct_voxels.CtVoxels(lambda: told.append("found")), add_ct()
    assert not look.knows(ct)
    slicer.mrmlScene.RemoveNode(ct)
    until(lambda: look._background is None)
    assert told == []


def test_the_voxels_are_those_of_the_library_whatever_the_type_and_the_parts(logic, monkeypatch):
    from GTVAutoSegSlicer.scene.files import volume_of

    from GTVAutoSegLib.training.data.imports import voxels

    volume = volume_of(add_ct())
    whole = voxels.voxels_sha256(volume)
    monkeypatch.setattr(voxels, "SLICES", 3)
    assert voxels.voxels_sha256(volume) == whole
    from dataclasses import replace

    assert voxels.voxels_sha256(replace(volume, array=volume.array.astype(np.float32))) == whole
    assert voxels.voxels_sha256(volume, lambda: False) == ""


def test_a_volume_that_cannot_be_looked_at_is_another_one_and_nobody_asks_for_ever(panel, until, pair):
    import slicer

    pair(".nrrd")
    colours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Colours")
    image = vtk.vtkImageData()
    image.SetDimensions(6, 5, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colours.SetAndObserveImageData(image)
    panel.ui.inputSelector.setCurrentNode(colours)
    until(lambda: panel.shown.ct_voxels.knows(colours))
    assert slicer.mrmlScene.IsNodePresent(colours) and panel.ui.outputSelector.currentNode() is None
