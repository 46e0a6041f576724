"""A person steers an outline, without the panel: box, range, probability, slices that are theirs."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import make_bundle
from slicer_samples import add_ct, ball, oblique, use_fake_worker, voxels

from GTVAutoSegLib.errors import GTVAutoSegError, InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "finds-all", bias=20.0)


@pytest.fixture
def segment(logic, model, monkeypatch):
    """Function that runs the fake worker, which outlines a ball."""
    use_fake_worker(monkeypatch, "ball")
    return lambda ct, **options: logic.segment(ct, model, **options)


def draw(outcome, ct, mask):
    import slicer

    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, outcome.segmentation, outcome.segment_id, ct)


def found(outcome, ct):
    return voxels(outcome.segmentation, outcome.segment_id, ct)


def mine(outcome, ct):
    from GTVAutoSegSlicer.scene.steering.steps import mine_of_segment, segment_box

    mask = segment_box(outcome.segmentation, outcome.segment_id, ct)
    return mine_of_segment(outcome.segmentation, outcome.segment_id, ct, mask)


def corrected(mask, index=3):
    """The mask with another outline on one slice."""
    changed = mask.copy()
    changed[index] = np.roll(mask[index], 4, axis=1)
    return changed


def test_a_run_on_some_slices_replaces_those_only(segment):
    ct = add_ct()
    first = segment(ct)
    draw(first, ct, np.roll(ball(), 1, axis=2))
    from GTVAutoSegSlicer.scene.steering.steps import change_segment, segment_box

    box = segment_box(first.segmentation, first.segment_id, ct)
    mask = box.whole()
    change_segment(first.segmentation, first.segment_id, ct, box, mine=(), tags={})
    second = segment(ct, output=first.segmentation, slices=(3, 4))
    assert (second.segmentation, second.segment_id) == (first.segmentation, first.segment_id)
    expected = mask.copy()
    expected[3] = ball()[3]
    assert np.array_equal(found(second, ct), expected)
    assert second.change.changed == (3,)
    assert second.undo.restore().value == "done"
    assert np.array_equal(found(second, ct), mask)


def test_slices_a_person_changed_stay_whatever_runs_on_them(segment):
    ct = add_ct()
    first = segment(ct)
    draw(first, ct, corrected(ball()))
    assert mine(first, ct) == (3,)
    second = segment(ct, output=first.segmentation, slices=(2, 5))
    assert second.segment_id == first.segment_id
    assert np.array_equal(found(second, ct), corrected(ball()))
    assert mine(second, ct) == (3,)


def test_a_slice_that_was_emptied_by_hand_stays_empty(segment):
    ct = add_ct()
    first = segment(ct)
    emptied = ball()
    emptied[4] = 0
    draw(first, ct, emptied)
    assert mine(first, ct) == (4,)
    second = segment(ct, output=first.segmentation, slices=(2, 5))
    assert np.array_equal(found(second, ct), emptied)


def test_a_slice_can_be_declared_mine_and_given_back(segment):
    from GTVAutoSegSlicer.scene.steering.steps import declare, segment_box

    ct = add_ct()
    first = segment(ct)
    draw(first, ct, corrected(ball()))
    place = first.segmentation, first.segment_id, ct
    mask = segment_box(*place)
    step = declare(*place, mask, (2, 3))
    assert mine(first, ct) == (2, 3)
    declare(*place, mask, (2,))
    assert mine(first, ct) == (2,)
    second = segment(ct, output=first.segmentation, slices=(2, 5))
    assert np.array_equal(found(second, ct), ball())  # slice 3, given back, was replaced
    second.undo.restore()
    assert mine(first, ct) == (2,)
    assert step.restore().value == "done"
    assert mine(first, ct) == (3,)


def test_what_is_mine_outlives_saving_and_loading(segment, tmp_path):
    import slicer
    from GTVAutoSegSlicer.scene.steering.evidence import Evidence
    from GTVAutoSegSlicer.scene.steering.steps import mine_of_segment, segment_box

    ct = add_ct()
    first = segment(ct)
    draw(first, ct, corrected(ball()))
    assert slicer.util.saveNode(first.segmentation, str(tmp_path / "x.seg.nrrd"))
    loaded = slicer.util.loadSegmentation(str(tmp_path / "x.seg.nrrd"))
    mask = segment_box(loaded, first.segment_id, ct)
    assert mine_of_segment(loaded, first.segment_id, ct, mask) == (3,)
    evidence = Evidence.of(loaded.GetSegmentation().GetSegment(first.segment_id))
    assert np.array_equal(evidence.probability.mask(), ball())
    assert evidence.covered == tuple(range(10))
    assert evidence.slice_probability == pytest.approx([0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1])


def test_all_of_a_segment_that_no_run_made_is_mine(logic):
    import slicer
    from GTVAutoSegSlicer.scene.steering.steps import mine_of_segment, segment_box

    ct = add_ct()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    segment_id = node.GetSegmentation().AddEmptySegment("Bladder", "Bladder")
    slicer.util.updateSegmentBinaryLabelmapFromArray(ball(), node, segment_id, ct)
    assert mine_of_segment(node, segment_id, ct, segment_box(node, segment_id, ct)) == (2, 3, 4)


def test_slices_count_along_the_axis_closest_to_head_feet(segment):
    ct = add_ct(shape=(64, 64, 10), direction=np.array([[0, 0, -1.0], [0, -1.0, 0], [1.0, 0, 0]]), spacing=(3, 1, 1))
    from GTVAutoSegSlicer.scene.files import volume_of
    from GTVAutoSegSlicer.scene.steering.mine import fingerprints

    from GTVAutoSegLib.images.masks.stored import Box

    mask = np.zeros((64, 64, 10), np.uint8)
    mask[20:30, 20:30, 4:6] = 1
    assert list(fingerprints(Box.of(mask), volume_of(ct))) == [4, 5]


def test_the_probability_gives_the_mask_at_another_threshold_but_for_my_slices(segment):
    from GTVAutoSegSlicer.scene.steering.threshold import ThresholdStep

    ct = add_ct()
    first = segment(ct)
    changed = corrected(ball())
    draw(first, ct, changed)
    place = first.segmentation, first.segment_id, ct
    step = ThresholdStep(*place)
    assert step.show(None) == tuple(changed.sum(axis=(1, 2)).tolist())
    area = step.show(0.3)
    assert area == tuple(found(first, ct).sum(axis=(1, 2)).tolist())
    undo, change = step.finish(0.3)
    wider = found(first, ct)
    assert np.array_equal(wider[3], changed[3])
    assert wider[2].sum() > ball()[2].sum() and wider[4].sum() > ball()[4].sum()
    assert change.changed == (2, 4)
    undo.restore()
    assert np.array_equal(found(first, ct), changed)


def test_an_outline_beyond_the_probability_stays_where_it_does_not_speak(segment):
    """As after a run on some slices of a segment that was completed."""
    from GTVAutoSegSlicer.scene.steering.steps import change_segment, segment_box
    from GTVAutoSegSlicer.scene.steering.threshold import ThresholdStep

    from GTVAutoSegLib.images.masks.stored import Box
    from GTVAutoSegLib.system.tags import PROBABILITY_SLICES_TAG

    ct = add_ct()
    first = segment(ct)
    place = first.segmentation, first.segment_id, ct
    mask = segment_box(*place).whole()
    mask[8, 5:50, 5:50] = 1
    change_segment(*place, Box.of(mask), mine=(), tags={PROBABILITY_SLICES_TAG: "2,3"})
    ThresholdStep(*place).finish(0.3)
    assert np.array_equal(found(first, ct)[4:], mask[4:])
    assert found(first, ct)[2].sum() > mask[2].sum()


def test_the_probability_of_a_run_on_some_slices_joins_the_earlier_one(segment):
    from GTVAutoSegSlicer.scene.steering.evidence import Evidence

    ct = add_ct()
    first = segment(ct)
    second = segment(ct, output=first.segmentation, slices=(3, 4))
    evidence = Evidence.of(second.segmentation.GetSegmentation().GetSegment(second.segment_id))
    assert np.array_equal(evidence.probability.mask(), ball())
    assert (evidence.covered, evidence.looked_at) == (tuple(range(10)), (3, 4))


@pytest.mark.parametrize("case", ["axial", "oblique"])
def test_a_box_is_passed_as_its_extent_along_the_axes_of_the_ct(logic, tmp_path, case):
    import slicer
    import vtk
    from GTVAutoSegSlicer.scene.files import volume_of
    from GTVAutoSegSlicer.scene.steering.box import new_box, region_of
    from slicer_samples import linear_transform, voxel_in_world

    from GTVAutoSegLib.images.region import Region

    ct = add_ct(direction=oblique() if case == "oblique" else np.diag([-1.0, -1, 1]))
    ct.SetAndObserveTransformNodeID(linear_transform().GetID())
    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASDirectionMatrix(matrix)
    to_world = vtk.vtkMatrix4x4()
    ct.GetParentTransformNode().GetMatrixTransformToWorld(to_world)
    turned = slicer.util.arrayFromVTKMatrix(to_world)[:3, :3] @ slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]
    roi = new_box(ct)
    roi.SetSizeWorld(vtk.vtkVector3d(10.0, 8.0, 9.0))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turned, voxel_in_world(ct, (4, 20, 30))
    roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(pose))
    region = region_of(roi, ct)
    box = region.index_box(volume_of(ct))
    assert (box.lower, box.upper) == ((3, 16, 25), (6, 25, 36))
    region.write(tmp_path / "box.mrk.json")
    read = Region.read(tmp_path / "box.mrk.json").index_box(volume_of(ct))
    assert (read.lower, read.upper) == (box.lower, box.upper)
    storage, loaded = slicer.vtkMRMLMarkupsROIJsonStorageNode(), new_box(ct)
    storage.SetFileName(str(tmp_path / "box.mrk.json"))
    assert storage.ReadData(loaded)  # it is a file that Slicer itself reads
    loaded.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    assert region_of(loaded, ct).index_box(volume_of(ct)) == box


def test_a_box_that_is_not_drawn_or_misses_the_ct_is_one_sentence(logic, model):
    import vtk
    from GTVAutoSegSlicer.scene.steering.box import new_box

    ct = add_ct()
    roi = new_box(ct)
    with pytest.raises(InputError, match="has no size yet; draw it around the tumour"):
        logic.segment(ct, model, region=roi)
    roi.SetSizeWorld(vtk.vtkVector3d(10.0, 10.0, 10.0))
    roi.SetCenterWorld(vtk.vtkVector3d(900.0, 0.0, 0.0))
    with pytest.raises(InputError, match="holds no voxel of 'Planning CT'"):
        logic.segment(ct, model, region=roi)
    with pytest.raises(InputError, match="expected a Markups ROI node or a Region"):
        logic.segment(ct, model, region=ct)


def test_a_segment_on_another_grid_is_refused_and_stays(logic):
    import slicer

    ct, other = add_ct(), add_ct("Other", spacing=(1.5, 1.5, 2.0))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(other)
    segment_id = node.GetSegmentation().AddEmptySegment("Tumour", "Tumour")
    slicer.util.updateSegmentBinaryLabelmapFromArray(ball(), node, segment_id, other)
    with pytest.raises(GTVAutoSegError, match="'Tumour' lies on another grid than 'Planning CT'"):
        logic.complete(node, segment_id, ct)
    assert np.array_equal(voxels(node, segment_id, other), ball())


def test_an_outline_with_slices_of_a_person_is_not_the_models_alone(segment):
    from GTVAutoSegSlicer.scene.ownership import is_automatic
    from GTVAutoSegSlicer.scene.steering.steps import change_segment, segment_box

    ct = add_ct()
    first = segment(ct)
    place = first.segmentation, first.segment_id, ct
    assert is_automatic(*place)
    change_segment(*place, segment_box(*place), mine=(3,), tags={})
    assert not is_automatic(*place)
