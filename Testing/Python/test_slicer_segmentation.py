"""The segmentation node: where it lies, what it says, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from slicer_samples import MODULE, add_ct, ball, linear_transform, oblique, voxel_in_world, voxels

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.segment_info import SegmentInfo

INFO = SegmentInfo(name="GTVp", tags={"GTVAutoSeg.Model": "m", "GTVAutoSeg.Version": "1.0.0"})


@pytest.fixture
def put(load_module):
    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer.scene.segmentation import put_segment

    return put_segment


def add_segment(node, ct, mask, name="Bladder"):
    import slicer

    segment_id = node.GetSegmentation().AddEmptySegment(name, name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, ct)
    return segment_id


def centre_of(mask, ct):
    return np.mean([voxel_in_world(ct, index) for index in np.argwhere(mask)], axis=0)


def world_centre(node, segment_id):
    """Mean position of the segment's voxels in the world, from its own labelmap and the transform above the node."""
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    if node.GetParentTransformNode() is not None:
        to_world = vtk.vtkMatrix4x4()
        node.GetParentTransformNode().GetMatrixTransformToWorld(to_world)
    else:
        to_world = vtk.vtkMatrix4x4()
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    to_ras = slicer.util.arrayFromVTKMatrix(to_world) @ slicer.util.arrayFromVTKMatrix(matrix)
    x0, x1, y0, y1, z0, z1 = image.GetExtent()
    array = vtk_to_numpy(image.GetPointData().GetScalars())
    indices = np.argwhere(array.reshape(z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1) > 0) + np.array([z0, y0, x0])
    return (to_ras @ np.c_[indices[:, ::-1], np.ones(len(indices))].T).T[:, :3].mean(axis=0)


@pytest.mark.parametrize("case", ["axial", "oblique", "anisotropic"])
def test_a_mask_lies_on_the_voxels_of_its_ct(put, case):
    direction, spacing = (oblique(), (0.9, 0.9, 2.5)) if case == "oblique" else (np.diag([-1.0, -1, 1]), (1, 1, 3.0))
    ct = add_ct(direction=direction, spacing=spacing if case != "anisotropic" else (0.7, 1.3, 5.0))
    undo = put(None, ct, ball(), INFO)
    assert np.array_equal(voxels(undo.node, undo.segment_id, ct), ball())
    assert world_centre(undo.node, undo.segment_id) == pytest.approx(centre_of(ball(), ct), abs=1e-6)


def test_under_a_linear_transform_the_segment_is_where_the_ct_is_seen(put):
    ct = add_ct()
    ct.SetAndObserveTransformNodeID(linear_transform().GetID())
    undo = put(None, ct, ball(), INFO)
    assert world_centre(undo.node, undo.segment_id) == pytest.approx(centre_of(ball(), ct), abs=1e-6)
    assert undo.node.GetTransformNodeID() == ct.GetTransformNodeID()


def test_hardening_the_transform_moves_the_result_with_the_ct(put):
    ct = add_ct()
    transform = linear_transform()
    ct.SetAndObserveTransformNodeID(transform.GetID())
    ct.HardenTransform()
    undo = put(None, ct, ball(), INFO)
    assert ct.GetTransformNodeID() is None
    assert world_centre(undo.node, undo.segment_id) == pytest.approx(centre_of(ball(), ct), abs=1e-6)
    assert np.array_equal(voxels(undo.node, undo.segment_id, ct), ball())


def test_the_node_is_named_after_the_ct_and_lies_beside_it_in_the_study(put):
    import slicer

    ct = add_ct("Thorax 3 mm")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study = hierarchy.CreateStudyItem(patient, "Study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(ct), study)
    node = put(None, ct, ball(), INFO).node
    assert node.GetName() == "Thorax 3 mm GTV"
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


def test_the_segment_carries_name_colour_terminology_and_origin(put):
    import slicer
    from GTVAutoSegSlicer.scene.ownership import reference_volume, tag

    ct = add_ct()
    undo = put(None, ct, ball(), INFO)
    segment = undo.node.GetSegmentation().GetSegment(undo.segment_id)
    assert segment.GetName() == "GTVp"
    assert segment.GetColor() == pytest.approx(INFO.color)
    assert tag(segment, "GTVAutoSeg.Version") == "1.0.0"
    assert reference_volume(undo.node) is ct
    entry = slicer.vtkSlicerTerminologyEntry()
    logic = slicer.modules.terminologies.logic()
    assert logic.DeserializeTerminologyEntry(tag(segment, "TerminologyEntry"), entry)
    assert entry.GetCategoryObject().GetCodeValue() == "130041"
    assert entry.GetTypeObject().GetCodeMeaning() == "GTV Primary"


def test_running_again_replaces_our_segment_only(put):
    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    theirs = np.zeros_like(ball())
    theirs[:, 10:30, 40:60] = 1  # overlaps ours
    bladder = add_segment(first.node, ct, theirs)
    smaller = ball() * (np.arange(72) < 50).astype(np.uint8)
    second = put(first.node, ct, smaller, INFO)
    assert second.segment_id == first.segment_id
    assert np.array_equal(voxels(first.node, bladder, ct), theirs)
    assert np.array_equal(voxels(first.node, second.segment_id, ct), smaller)
    assert first.node.GetSegmentation().GetNumberOfSegments() == 2


def test_a_segment_the_user_drew_is_never_taken_for_ours(put):
    ct = add_ct()
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    drawn = np.roll(ball(), 5, axis=2)
    theirs = add_segment(node, ct, drawn, name="GTVp")
    undo = put(node, ct, ball(), INFO)
    assert undo.segment_id != theirs
    assert np.array_equal(voxels(node, theirs, ct), drawn)
    names = [node.GetSegmentation().GetSegment(i).GetName() for i in node.GetSegmentation().GetSegmentIDs()]
    assert names == ["GTVp", "GTVp_auto"]


def test_one_undo_brings_the_old_segment_back(put):
    ct = add_ct()
    first = put(None, ct, ball(), INFO)
    theirs = add_segment(first.node, ct, np.roll(ball(), 3, axis=1))
    second = put(first.node, ct, np.roll(ball(), 7, axis=2), SegmentInfo(name="GTVp", tags={"GTVAutoSeg.Version": "2"}))
    second.restore()
    from GTVAutoSegSlicer.scene.segmentation import tag

    assert np.array_equal(voxels(first.node, first.segment_id, ct), ball())
    assert tag(first.node.GetSegmentation().GetSegment(first.segment_id), "GTVAutoSeg.Version") == "1.0.0"
    assert np.array_equal(voxels(first.node, theirs, ct), np.roll(ball(), 3, axis=1))


def test_undoing_the_first_run_leaves_no_node(put):
    import slicer

    ct = add_ct()
    undo = put(None, ct, ball(), INFO)
    undo.restore()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_undo_keeps_a_node_the_user_has_added_to(put):
    ct = add_ct()
    undo = put(None, ct, ball(), INFO)
    theirs = add_segment(undo.node, ct, ball())
    undo.restore()
    assert list(undo.node.GetSegmentation().GetSegmentIDs()) == [theirs]


def test_undo_after_the_scene_was_closed_does_nothing(put):
    import slicer

    undo = put(None, add_ct(), ball(), INFO)
    slicer.mrmlScene.Clear(0)
    undo.restore()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_an_output_under_another_transform_is_refused(put):
    from GTVAutoSegSlicer.scene.segmentation import check_output

    ct = add_ct()
    node = put(None, ct, ball(), INFO).node
    node.SetAndObserveTransformNodeID(linear_transform("Elsewhere").GetID())
    with pytest.raises(InputError, match="lie under different transforms"):
        check_output(node, ct)


def test_an_output_of_surfaces_is_refused(put):
    import slicer
    import vtk
    from GTVAutoSegSlicer.scene.segmentation import check_output

    ct = add_ct()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "RTSTRUCT")
    node.SetSourceRepresentationToClosedSurface()
    sphere = vtk.vtkSphereSource()
    sphere.Update()
    node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "PTV")
    with pytest.raises(InputError, match="stored as 'Closed surface'"):
        check_output(node, ct)


def test_a_segmentation_that_knew_no_ct_belongs_to_it_from_then_on(put):
    import slicer
    from GTVAutoSegSlicer.scene.ownership import reference_volume

    ct, node = add_ct(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Loaded")
    node.CreateDefaultDisplayNodes()
    bladder = add_segment(node, ct, ball()[:, ::-1])
    node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), None)
    assert reference_volume(node) is None
    undo = put(node, ct, ball(), INFO)
    assert reference_volume(node) is ct
    assert np.array_equal(voxels(node, undo.segment_id, ct), ball())
    assert np.array_equal(voxels(node, bladder, ct), ball()[:, ::-1])


def test_an_output_whose_surfaces_were_all_deleted_takes_the_mask(put):
    import slicer

    ct, node = add_ct(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Contours")
    node.GetSegmentation().SetSourceRepresentationName(
        slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    )
    undo = put(node, ct, ball(), INFO)
    assert np.array_equal(voxels(node, undo.segment_id, ct), ball())


def test_a_failure_while_building_leaves_no_node(put, monkeypatch):
    import GTVAutoSegSlicer.scene.segmentation as segmentation
    import slicer

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(segmentation.SegmentState, "put", fails)
    with pytest.raises(MemoryError):
        put(None, add_ct(), ball(), INFO)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
