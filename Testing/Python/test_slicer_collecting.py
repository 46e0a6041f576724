"""An approved outline and its CT become a case of the training set, in the real child process."""

from __future__ import annotations

import json
import os
import shutil
import signal

import numpy as np
import pytest
from dicom_scenes import SHAPE, draw, load_dicom, put
from slicer_samples import MODULE, add_ct, ball, python_of, temporary_folders

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.report.record.audit import check
from GTVAutoSegLib.system.leftovers import sweep
from GTVAutoSegLib.training.data.collected.case import read_collected
from GTVAutoSegLib.training.data.dataset import find_cases, read_label


@pytest.fixture
def bench(load_module, slicer_runtime, user, scan, tmp_path):
    """The panel with the real worker, an outline by a model on a CT from DICOM, and where cases go."""
    slicer_runtime.app.testing = True
    panel = load_module(MODULE).widget.panel
    from GTVAutoSegSlicer.training.places import choose_dataset

    choose_dataset(str(tmp_path / "cases"))
    panel.enter()
    ct = load_dicom(scan)
    node, segment_id = put(ct)
    panel.ui.outputSelector.setCurrentNode(node)
    return panel, ct, node, segment_id


def corrected():
    mask = ball(SHAPE)
    mask[:, 20:, :] = 0
    return mask


def approve(node, segment_id, ct, name="Dr. Roe"):
    from GTVAutoSegSlicer.scene.record.approval import approve_segment

    approve_segment(node, segment_id, ct, name)


def add(panel, until):
    panel.ui.collectButton.click()
    until(lambda: not panel.running)


def shown(panel):
    return panel.ui.failureMessage.text if panel.card.failure else panel.ui.resultLabel.text


def test_an_approved_correction_becomes_a_case_with_model_edit_and_reviewer(bench, until, tmp_path):
    from GTVAutoSegSlicer.scene.record.audit import trail_node

    panel, ct, node, segment_id = bench
    draw(node, segment_id, corrected(), ct)
    approve(node, segment_id, ct)
    add(panel, until)
    assert panel.card.failure is None, panel.card.failure.details
    (case,) = find_cases(tmp_path / "cases")
    image = read_volume(case.image)
    assert np.array_equal(image.array, read_volume(tmp_path / "ct").array)
    assert np.array_equal(read_label(case, image), corrected())
    (record,) = read_collected(tmp_path / "cases").values()
    assert (record.provenance.model.id, record.provenance.approved_by) == ("m", "Dr. Roe")
    assert record.provenance.edited.slices == 3 and record.provenance.edited.added_path_length_mm > 20
    assert record.patient.startswith("patient_")
    assert panel.ui.resultLabel.text.startswith(f"'{case.name}' was added to the training set.\nEdited on 3 slices: ")
    assert check(trail_node().GetText()).records[-1]["what"] == "collect"
    assert temporary_folders() == []


def test_a_script_collects_a_result_that_was_loaded_beside_its_ct(bench, tmp_path):
    import slicer
    from GTVAutoSegSlicer.run.ct_voxels import make_known

    panel = bench[0]
    ct = add_ct()
    make_known(ct)  # as a run does
    node, _ = put(ct)
    slicer.util.saveNode(ct, str(tmp_path / "loaded.nrrd"))
    slicer.util.saveNode(node, str(tmp_path / "gtv.seg.nrrd"))
    slicer.mrmlScene.Clear(0)
    ct = slicer.util.loadVolume(str(tmp_path / "loaded.nrrd"))
    node = slicer.util.loadSegmentation(str(tmp_path / "gtv.seg.nrrd"))
    panel.logic.collect(node, node.GetSegmentation().GetNthSegmentID(0), tmp_path / "cases", ct, accept=True)
    (case,) = find_cases(tmp_path / "cases")
    assert np.array_equal(read_volume(case.image).array, slicer.util.arrayFromVolume(ct))


def test_the_case_is_the_one_of_the_command_line_and_is_taken_once(bench, until, tmp_path):
    from GTVAutoSegLib.commands.cli import main
    from GTVAutoSegLib.images.write import write_mask

    panel, ct, node, segment_id = bench
    write_mask(corrected(), read_volume(tmp_path / "ct"), tmp_path / "mask.nrrd")
    assert (
        main(["collect", str(tmp_path / "ct"), str(tmp_path / "mask.nrrd"), str(tmp_path / "cases"), "--accept"]) == 0
    )
    (before,) = read_collected(tmp_path / "cases").items()
    approve(node, segment_id, ct)
    add(panel, until)
    assert "has the new outline now" in shown(panel)
    (after,) = read_collected(tmp_path / "cases").items()
    assert (after[0], after[1].patient, after[1].earlier) == (before[0], before[1].patient, 1)
    add(panel, until)
    assert "is in the training set already, with the same outline" in shown(panel)


def test_an_outline_that_nobody_approved_counts_only_when_the_person_says_so(bench, until, slicer_runtime, tmp_path):
    panel = bench[0]
    slicer_runtime.app.testing = False  # there is somebody to ask
    slicer_runtime.dialogs.answers.append(False)
    panel.ui.collectButton.click()
    assert not panel.running and not (tmp_path / "cases").exists()
    assert slicer_runtime.dialogs.texts("question")[-1].startswith(
        "Nobody has approved 'GTVp'. Shall it count as it is?"
    )
    add(panel, until)
    (record,) = read_collected(tmp_path / "cases").values()
    assert record.provenance.approved_by == "" and record.provenance.edited.slices == 0


def no_approval(panel, node, segment_id, ct):
    return "nobody has approved 'GTVp'; approve it first"


def lapsed(panel, node, segment_id, ct):
    approve(node, segment_id, ct)
    draw(node, segment_id, corrected(), ct)
    return "has lapsed"


def empty(panel, node, segment_id, ct):
    draw(node, segment_id, np.zeros(SHAPE, np.uint8), ct)
    return "the segment 'GTVp' is empty on the CT, expected an outline to learn from; draw one first"


def of_another_ct(panel, node, segment_id, ct):
    approve(node, segment_id, ct)
    ct.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    return "was made on another CT than"


def no_segment(panel, node, segment_id, ct):
    node.GetSegmentation().RemoveSegment(segment_id)
    return "there is no segment"


@pytest.mark.parametrize("why", [no_approval, lapsed, empty, of_another_ct, no_segment])
def test_what_nobody_answers_for_is_refused_in_a_sentence(bench, tmp_path, why):
    panel, ct, node, segment_id = bench
    sentence = why(panel, node, segment_id, ct)
    accept = why is empty
    with pytest.raises(GTVAutoSegError, match=sentence):
        panel.logic.collect(node, segment_id, tmp_path / "cases", ct, accept=accept)
    assert not (tmp_path / "cases").exists() and temporary_folders() == []


def test_a_folder_of_something_else_is_a_card_that_leads_to_the_folder(bench, until, tmp_path):
    panel, ct, node, segment_id = bench
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "thesis.docx").touch()
    approve(node, segment_id, ct)
    add(panel, until)
    assert panel.ui.failureTitle.text == "The case was not added to the training set"
    assert "holds thesis.docx, which is no part of a data set" in panel.ui.failureMessage.text
    panel.ui.failureSecondButton.click()
    assert not panel.ui.learningSection.collapsed


def test_a_child_that_is_killed_leaves_the_old_case_or_the_new_one_and_the_next_click_mends_it(bench, until, tmp_path):
    panel, ct, node, segment_id = bench
    approve(node, segment_id, ct)
    add(panel, until)
    draw(node, segment_id, corrected(), ct)
    approve(node, segment_id, ct)
    panel.ui.collectButton.click()
    until(lambda: (tmp_path / "cases" / ".earlier").exists() or not panel.running)
    if panel.running:
        os.kill(python_of(panel.runs.run._job.child.process.pid), signal.SIGKILL)
    until(lambda: not panel.running)
    sweep.cache_clear()
    add(panel, until)
    assert panel.card.failure is None
    (case,) = find_cases(tmp_path / "cases")
    assert np.array_equal(read_label(case, read_volume(case.image)), corrected())
    assert json.loads((tmp_path / "cases" / "cases.json").read_text()).keys() == {case.name}


def test_the_section_says_what_the_training_set_holds(bench, until, tmp_path):
    panel, ct, node, segment_id = bench
    panel.ui.learningSection.collapsed = False
    assert panel.ui.trainingSetStatus.text.startswith("No case yet.")
    draw(node, segment_id, corrected(), ct)
    approve(node, segment_id, ct)
    add(panel, until)
    other = add_ct()
    node, segment_id = put(other)
    approve(node, segment_id, other)
    panel.logic.collect(node, segment_id, tmp_path / "cases", other)
    panel.learning.training_set.refresh()
    text = panel.ui.trainingSetStatus.text
    assert text.startswith("2 cases of 2 patients; edited on average ") and text.endswith("mL (2 known).")
    shutil.rmtree(tmp_path / "cases")
    panel.ui.trainingSetButton.directory = str(tmp_path / "other")
    assert panel.ui.trainingSetStatus.text.startswith("No case yet.")
