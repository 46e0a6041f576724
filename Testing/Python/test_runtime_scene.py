"""MRML in the test runtime: what a planning module does with volumes and segmentations leaves no VTK error."""

from __future__ import annotations

import numpy as np
import pytest

TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^86049000^Neoplasm, Primary~^^~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^"
)


def oblique_matrix():
    turn = np.radians(20)
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = rotation @ np.diag([0.9, 0.9, 2.5])
    matrix[:3, 3] = [-30, 40, -70]
    return matrix


def ball(radius):
    z, y, x = np.indices((20, 24, 28))
    return ((x - 14) ** 2 + (y - 12) ** 2 + (z - 10) ** 2 < radius**2).astype(np.uint8)


@pytest.fixture
def ct(slicer_runtime):
    import slicer

    array = np.where(ball(9), 40, -1000).astype(np.int16)
    volume = slicer.util.addVolumeFromArray(array, ijkToRAS=oblique_matrix(), name="CT")
    volume.CreateDefaultDisplayNodes()
    return volume


@pytest.fixture
def segmentation(ct):
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "structures")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    for name, radius in (("GTV", 5), ("CTV", 8)):
        node.GetSegmentation().AddEmptySegment(name, name, [1, 0, 0])
        slicer.util.updateSegmentBinaryLabelmapFromArray(ball(radius), node, name, ct)
    return node


def test_overlapping_segments_keep_every_voxel(ct, segmentation):
    import slicer

    assert segmentation.GetSegmentation().GetNumberOfLayers() == 2
    for name, radius in (("GTV", 5), ("CTV", 8)):
        array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, ct)
        assert np.array_equal(array, ball(radius))


def test_a_bundle_brings_volume_and_segments_back(ct, segmentation, tmp_path):
    import slicer

    segment = segmentation.GetSegmentation().GetSegment("GTV")
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    loaded_ct = slicer.util.getFirstNodeByName("CT")
    loaded = slicer.util.getFirstNodeByName("structures")
    geometry = slicer.util.vtkMatrixFromArray(np.eye(4))
    loaded_ct.GetIJKToRASMatrix(geometry)
    assert np.allclose(slicer.util.arrayFromVTKMatrix(geometry), oblique_matrix(), atol=1e-4)
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(loaded, "GTV", loaded_ct), ball(5))
    assert loaded.GetSegmentation().GetSegment("GTV").GetTerminology() == TERMINOLOGY


def subject_hierarchy():
    """Not to be kept over the loading of a scene: the items of an outlived node are reported missing."""
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def parent_name(node):
    hierarchy = subject_hierarchy()
    return hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)))


def move_to_new_study(node):
    hierarchy = subject_hierarchy()
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)


def test_a_data_node_gets_an_item_of_its_plugin_in_the_subject_hierarchy(ct, segmentation):
    for node, owner in ((ct, "Volumes"), (segmentation, "Segmentations")):
        item = subject_hierarchy().GetItemByDataNode(node)
        assert subject_hierarchy().GetItemOwnerPluginName(item) == owner


def test_the_subject_hierarchy_is_loaded_over_the_one_of_the_scene(ct, segmentation, tmp_path):
    import slicer

    move_to_new_study(ct)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert parent_name(slicer.util.getFirstNodeByName("CT")) == "Study"
    assert subject_hierarchy().GetItemByDataNode(slicer.util.getFirstNodeByName("structures"))


def test_a_terminology_entry_is_found_in_its_context(slicer_runtime):
    import slicer

    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(TERMINOLOGY, entry)
    assert entry.GetTypeObject().GetCodeMeaning() == "Neoplasm, Primary"
    assert entry.GetRegionObject().GetCodeValue() == "39607008"


def test_the_closed_surface_lies_where_the_voxels_are(ct, segmentation):
    import vtk

    assert segmentation.CreateClosedSurfaceRepresentation()
    surface = vtk.vtkPolyData()
    segmentation.GetClosedSurfaceRepresentation("GTV", surface)
    bounds = np.array(surface.GetBounds())
    centre = (oblique_matrix() @ [14, 12, 10, 1])[:3]
    assert np.allclose((bounds[0::2] + bounds[1::2]) / 2, centre, atol=0.5)


def test_the_segment_editor_logic_undoes_a_step(ct, segmentation):
    import slicer

    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    editor = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    logic.SetSegmentEditorNode(editor)
    logic.SetSegmentationNode(segmentation)
    logic.SetMaximumNumberOfUndoStates(10)
    logic.SaveStateForUndo()
    slicer.util.updateSegmentBinaryLabelmapFromArray(np.zeros_like(ball(5)), segmentation, "GTV", ct)
    logic.Undo()
    assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "GTV", ct), ball(5))
    assert logic.CanRedo()


def test_segments_go_to_a_labelmap_and_back(ct, segmentation):
    import slicer

    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    logic = slicer.modules.segmentations.logic()
    assert logic.ExportSegmentsToLabelmapNode(segmentation, ["GTV"], labels, ct)
    assert np.array_equal(slicer.util.arrayFromVolume(labels) > 0, ball(5) > 0)
    imported = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "imported")
    assert logic.ImportLabelmapToSegmentationNode(labels, imported)
    assert imported.GetSegmentation().GetNumberOfSegments() == 1


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", "mha"])
def test_a_volume_file_comes_back_with_its_geometry(ct, tmp_path, suffix):
    import slicer

    path = str(tmp_path / f"ct.{suffix}")
    assert slicer.util.saveNode(ct, path)
    loaded = slicer.util.loadVolume(path)
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    loaded.GetIJKToRASMatrix(matrix)
    assert np.allclose(slicer.util.arrayFromVTKMatrix(matrix), oblique_matrix(), atol=1e-4)
    assert np.array_equal(slicer.util.arrayFromVolume(loaded), slicer.util.arrayFromVolume(ct))


def test_a_segmentation_file_comes_back_with_its_names(ct, segmentation, tmp_path):
    import slicer

    path = str(tmp_path / "structures.seg.nrrd")
    assert slicer.util.saveNode(segmentation, path)
    loaded = slicer.util.loadSegmentation(path)
    assert list(loaded.GetSegmentation().GetSegmentIDs()) == ["GTV", "CTV"]


def test_a_hardened_transform_moves_the_volume(ct):
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shift = np.eye(4)
    shift[:3, 3] = [1, 2, 3]
    slicer.util.updateTransformMatrixFromArray(transform, shift)
    ct.SetAndObserveTransformNodeID(transform.GetID())
    ct.HardenTransform()
    assert np.allclose(ct.GetOrigin(), [-29, 42, -67])


def test_the_segment_editor_takes_what_it_is_handed(ct, segmentation):
    import slicer

    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    with pytest.raises(RuntimeError, match="segmentation nodes first"):
        editor.setSourceVolumeNode(ct)
    editor.setSegmentationNode(segmentation)
    editor.setSourceVolumeNode(ct)
    editor.setCurrentSegmentID("CTV")
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (segmentation, ct)


def test_the_views_show_the_volume_and_jump(ct):
    import slicer

    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    logic = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    assert logic.GetSliceCompositeNode().GetBackgroundVolumeID() == ct.GetID()
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, 1.0, 2.0, 3.0)
    assert logic.GetSliceOffset() == pytest.approx(3.0)


def test_a_selector_chooses_another_node_while_its_own_is_still_in_the_scene(ct):
    """As qMRMLSceneModel does, which listens to NodeAboutToBeRemovedEvent."""
    import slicer

    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Other")
    selector, seen = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    selector.setCurrentNode(ct)
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: seen.append((node, ct.GetScene() is not None)))
    slicer.mrmlScene.RemoveNode(ct)
    assert seen == [(other, True)]
    assert selector.currentNode() is other
    selector.setMRMLScene(None)  # a selector whose signal is connected stays, and holds what it shows
