"""A run without the panel: real scene, real child process, tiny model."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from slicer_samples import (
    ROOT,
    add_ct,
    ball,
    linear_transform,
    oblique,
    process_lives,
    temporary_folders,
    use_fake_worker,
    voxels,
)

from GTVAutoSegLib.errors import DiskError, GTVAutoSegError, InputError, ModelError, RunError


@pytest.fixture(scope="module")
def finds_all(tmp_path_factory):
    """A model that finds tumour wherever it looks."""
    return make_bundle(tmp_path_factory.mktemp("Ünï 空 x") / "finds-all", bias=20.0)


@pytest.fixture
def fake(logic, monkeypatch):
    """Function that sets how the fake worker behaves."""
    return lambda behaviour: use_fake_worker(monkeypatch, behaviour)


def segmentation_count():
    import slicer

    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def test_a_run_gives_the_mask_of_the_command_line_voxel_for_voxel(logic, finds_all, tmp_path):
    import SimpleITK as sitk
    import slicer
    from GTVAutoSegSlicer.scene.files import volume_of, write_ct
    from GTVAutoSegSlicer.scene.segmentation import tag

    from GTVAutoSegLib.commands.cli import main

    ct = add_ct(direction=oblique(), spacing=(0.9, 0.9, 2.5))
    ct.SetAndObserveTransformNodeID(linear_transform().GetID())
    before = slicer.util.arrayFromVolume(ct).copy()
    events = []
    outcome = logic.segment(ct, finds_all, "cpu", slices=(2, 7), on_event=events.append)

    write_ct(volume_of(ct), tmp_path / "ct.nrrd")
    command = ["segment", str(tmp_path / "ct.nrrd"), "--model", str(finds_all), "--device", "cpu", "--slices", "2:7"]
    assert main([*command, "--output", str(tmp_path / "mask.nrrd")]) == 0
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "mask.nrrd")))
    assert np.flatnonzero(expected.any(axis=(1, 2))).tolist() == [2, 3, 4, 5, 6]
    assert np.array_equal(voxels(outcome.segmentation, outcome.segment_id, ct), expected)
    assert outcome.segmentation.GetTransformNodeID() == ct.GetTransformNodeID()
    segment = outcome.segmentation.GetSegmentation().GetSegment(outcome.segment_id)
    assert (tag(segment, "GTVAutoSeg.Device"), tag(segment, "GTVAutoSeg.Precision")) == ("cpu", "fp32")
    stages = [event["stage"] for event in events if event["event"] == "stage"]
    assert stages == ["loading", "reading", "classifying", "segmenting", "writing"]
    done = [event["done"] for event in events if event["event"] == "progress" and event["stage"] == "segmenting"]
    assert done == sorted(done) and done[-1] == 5
    assert ct.GetStorageNode() is None
    assert np.array_equal(slicer.util.arrayFromVolume(ct), before)
    assert temporary_folders() == []


def test_a_second_run_into_the_same_node_replaces_the_first_and_can_be_undone(logic, finds_all, fake):
    fake("ball")
    ct = add_ct()
    first = logic.segment(ct, finds_all)
    second = logic.segment(ct, finds_all, output=first.segmentation)
    assert (second.segmentation, second.segment_id) == (first.segmentation, first.segment_id)
    assert first.segmentation.GetSegmentation().GetNumberOfSegments() == 1
    second.undo.restore()
    assert np.array_equal(voxels(first.segmentation, first.segment_id, ct), ball())


def test_a_result_is_kept_although_the_voxels_of_its_ct_could_not_be_looked_at(logic, finds_all, fake, monkeypatch):
    from GTVAutoSegSlicer.run import request

    def fails(*_):
        raise MemoryError

    fake("ball")
    monkeypatch.setattr(request, "voxels_sha256", fails)
    ct = add_ct()
    outcome = logic.segment(ct, finds_all)
    assert np.array_equal(voxels(outcome.segmentation, outcome.segment_id, ct), ball())
    assert ct.GetAttribute("GTVAutoSeg.CTVoxels") is None


def test_nothing_found_leaves_the_scene_alone_and_says_why(logic, finds_all, fake):
    fake("empty")
    outcome = logic.segment(add_ct(), finds_all)
    assert (outcome.segmentation, outcome.segment_id, outcome.failure) == (None, "", None)
    assert "no slice reaches the threshold" in outcome.report.reason
    assert segmentation_count() == 0


def test_a_ct_hardened_during_the_run_gets_its_result_where_it_now_is(logic, finds_all, fake):
    fake("ball")
    ct = add_ct()
    ct.SetAndObserveTransformNodeID(linear_transform().GetID())
    outcomes = []
    run = logic.segment(ct, finds_all, on_finished=outcomes.append)
    ct.HardenTransform()
    run.wait()
    assert outcomes[0].segmentation.GetTransformNodeID() is None
    assert np.array_equal(voxels(outcomes[0].segmentation, outcomes[0].segment_id, ct), ball())


def test_a_ct_cropped_during_the_run_gets_no_result(logic, finds_all, fake):
    import slicer

    fake("ball")
    ct = add_ct()
    outcomes = []
    run = logic.segment(ct, finds_all, on_finished=outcomes.append)
    slicer.util.updateVolumeFromArray(ct, slicer.util.arrayFromVolume(ct)[2:].copy())
    run.wait()
    assert "the CT was changed during the run" in str(outcomes[0].failure)
    assert segmentation_count() == 0


def test_a_ct_edited_in_place_during_the_run_gets_no_result(logic, finds_all, fake):
    import slicer

    fake("ball")
    ct = add_ct()
    outcomes = []
    run = logic.segment(ct, finds_all, on_finished=outcomes.append)
    slicer.util.arrayFromVolume(ct)[5, 30, 30] += 1
    slicer.util.arrayFromVolumeModified(ct)
    run.wait()
    assert "the CT was changed during the run" in str(outcomes[0].failure)
    assert segmentation_count() == 0


@pytest.mark.parametrize("behaviour", ["slow", "deaf"])
def test_a_cancel_takes_effect_within_two_seconds_and_leaves_nothing(logic, finds_all, fake, behaviour):
    fake(behaviour)
    events, outcomes = [], []
    run = logic.segment(add_ct(), finds_all, on_event=events.append, on_finished=outcomes.append)
    process = run._job.child.process
    while not events:
        run.poll()
    started = time.monotonic()
    run.cancel()
    run.wait()
    assert time.monotonic() - started < 2
    assert [outcome.failure.code for outcome in outcomes] == ["cancelled"]
    assert process.poll() == (None if behaviour == "slow" else -9)
    assert temporary_folders() == []
    assert segmentation_count() == 0


@pytest.mark.parametrize("what", ["the scene is closed", "the CT is deleted", "the output is deleted", "slicer quits"])
def test_a_run_ends_when_its_ground_is_taken_away(logic, finds_all, fake, what):
    import slicer

    from Testing.runtime import process_events_until

    fake("slow")
    ct = add_ct()
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Out")
    outcomes = []
    run = logic.segment(ct, finds_all, "cpu", output=output, on_finished=outcomes.append)
    pid = run._job.child.process.pid
    if what == "the scene is closed":
        slicer.mrmlScene.Clear(0)
    elif what == "slicer quits":
        slicer.app.emit_signal("aboutToQuit()")
    else:
        slicer.mrmlScene.RemoveNode(ct if "CT" in what else output)
    assert process_events_until(lambda: outcomes, timeout=5)
    assert outcomes[0].failure.code == "cancelled"
    assert len(outcomes) == 1
    assert not process_lives(pid)
    assert temporary_folders() == []


def test_the_child_ends_itself_when_slicer_dies(logic, finds_all):
    events = []
    run = logic.segment(add_ct(), finds_all, "cpu", on_event=events.append, on_finished=lambda outcome: None)
    while not events:
        run.poll()
    run._job.child.process.stdin.close()  # what the operating system does when Slicer is gone
    assert run._job.wait(20)
    assert run._job.child.process.wait(20) == 0
    run.wait()


@pytest.mark.parametrize(
    ("behaviour", "code", "in_details"),
    [
        ("fail:memory", "memory", "the traceback"),
        ("crash", "killed", "exit abnormally"),
        ("silent", "internal", "exit code 0"),
        ("noisy", "internal", "line 1999"),
    ],
)
def test_how_a_child_ended_is_told_with_its_last_lines(logic, finds_all, fake, behaviour, code, in_details):
    fake(behaviour)
    with pytest.raises(GTVAutoSegError) as caught:
        logic.segment(add_ct(), finds_all)
    assert caught.value.code == code
    assert in_details in caught.value.details
    assert temporary_folders() == []


def test_lines_that_are_no_events_are_all_handed_out(logic, finds_all, fake):
    fake("noisy")
    lines, outcomes = [], []
    run = logic.segment(add_ct(), finds_all, on_finished=outcomes.append, on_line=lines.append)
    run.wait()
    assert [line for line in lines if line.startswith("line")] == [f"line {number}" for number in range(2000)]
    assert lines[-1] == "ValueError: the last line"
    assert len(outcomes) == 1


def test_a_python_that_is_not_there_is_one_sentence(logic, finds_all, monkeypatch):
    from GTVAutoSegSlicer.run import python_slicer

    monkeypatch.setattr(python_slicer, "worker_command", lambda *arguments: ["/no/such/PythonSlicer", *arguments])
    with pytest.raises(RunError, match="/no/such/PythonSlicer could not be started"):
        logic.segment(add_ct(), finds_all)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RunError, match="PythonSlicer was not found"):
        logic.segment(add_ct(), finds_all)
    assert temporary_folders() == []


def test_a_temporary_folder_that_cannot_be_written_to_is_one_sentence(logic, finds_all, monkeypatch, tmp_path):
    import slicer

    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "gone"))
    with pytest.raises(DiskError, match="no folder for the run can be made in .*gone"):
        logic.segment(add_ct(), finds_all)


def test_a_model_that_does_not_exist_is_named(logic):
    with pytest.raises(ModelError, match="model 'nonsense' does not exist"):
        logic.segment(add_ct(), "nonsense")


def test_slices_are_a_range_or_a_pair(logic, finds_all):
    ct = add_ct()
    for slices in (range(2, 7), (2, 7), [np.int64(2), 7]):
        outcome = logic.segment(ct, finds_all, "cpu", slices=slices)
        looked_at = [index for index, value in enumerate(outcome.report.slice_probability) if value is not None]
        assert looked_at == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("slices", [(7, 2), (3, 3), (-1, 4), range(0, 4, 2), range(0), (1, 2, 3), (0.5, 4), 4])
def test_slices_that_are_none_are_refused_before_anything_starts(logic, finds_all, slices):
    with pytest.raises(InputError, match="expected a range or a pair with 0 <= first < stop"):
        logic.segment(add_ct(), finds_all, slices=slices)
    assert temporary_folders() == []


def test_slices_beyond_the_ct_are_refused_by_the_run(logic, finds_all):
    with pytest.raises(GTVAutoSegError, match="slices 5:50 are not in this volume, expected some of 0:10") as caught:
        logic.segment(add_ct(), finds_all, "cpu", slices=(5, 50))
    assert caught.value.code == "input"


def test_volumes_that_are_no_ct_are_refused_before_anything_starts(logic, finds_all):
    import slicer

    with pytest.raises(InputError, match="no CT is selected"):
        logic.segment(None, finds_all)
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(InputError, match="'Empty' holds no image"):
        logic.segment(empty, finds_all)
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    with pytest.raises(InputError, match="'Labels' is a LabelMapVolume"):
        logic.segment(labels, finds_all)
    mr = add_ct("T1")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(mr), "DICOM.Modality", "MR")
    with pytest.raises(InputError, match="'T1' is a MR image, expected a CT"):
        logic.segment(mr, finds_all)
    assert temporary_folders() == []


def test_a_deformable_transform_is_refused(logic, finds_all):
    import slicer

    ct = add_ct()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Breathing")
    ct.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(GTVAutoSegError, match="deformable transform 'Breathing'") as caught:
        logic.segment(ct, finds_all)
    assert caught.value.code == "transform"


def test_a_mask_that_was_changed_on_its_way_is_not_believed(logic, finds_all, tmp_path):
    import SimpleITK as sitk
    from GTVAutoSegSlicer.scene.files import read_mask, volume_of, write_ct

    ct = add_ct()
    written = volume_of(ct)
    write_ct(written, tmp_path / "ct.nrrd")
    image = sitk.GetImageFromArray(ball())
    image.CopyInformation(sitk.ReadImage(str(tmp_path / "ct.nrrd")))
    sitk.WriteImage(image, str(tmp_path / "mask.nrrd"))
    with pytest.raises(RunError, match="is not what the run reported"):
        read_mask(tmp_path / "mask.nrrd", written, "0" * 64)
    image.SetOrigin((0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "mask.nrrd"))
    with pytest.raises(RunError, match="lies on another grid"):
        read_mask(tmp_path / "mask.nrrd", written, "0" * 64)
    (tmp_path / "mask.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(RunError, match="cannot be read"):
        read_mask(tmp_path / "mask.nrrd", written, "0" * 64)


def test_slicers_process_never_imports_torch(finds_all, tmp_path):
    """In a process of its own: this one has torch already, for making the model."""
    script = tmp_path / "slicer_process.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
        from Testing.runtime import boot, load_module
        boot()
        from slicer_samples import MODULE, add_ct
        module = load_module(MODULE)
        module.widget.enter()
        outcome = module.widget.logic.segment(add_ct(), {str(finds_all)!r}, "cpu")
        assert outcome.segmentation is not None
        loaded = [name for name in sys.modules if name.partition(".")[0] in ("torch", "safetensors")]
        print("torch modules:", loaded)
        module.widget.cleanup()
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert "torch modules: []" in done.stdout, done.stderr
