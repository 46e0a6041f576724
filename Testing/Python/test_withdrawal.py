"""An approval that is taken back: in record, report and structure set, with its reason, and never erased."""

from __future__ import annotations

import json
from zipfile import ZipFile

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from batches import rows, run
from test_batch_corrections import batch, bundle, cut, mask_of, regions, save  # noqa: F401  fixtures

from GTVAutoSegLib.batch import approving
from GTVAutoSegLib.batch.approving import approval_of
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.report.record.audit import read_trail

WHO = ("--reviewer", "Meyer^Anna")
WHY = ("--withdraw", "slice 3: a vessel was taken for tumour")


def structure_set(folder):
    return pydicom.dcmread(folder / f"{folder.name}.dcm")


def kinds(path):
    trail = read_trail(path)
    assert not trail.problem
    return [record["what"] for record in trail.records]


def kill_at(patched, step, call=1):
    """End the command when it comes to a step, at its first call or a later one."""
    real, calls = getattr(approving, step), []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments)

    patched.setattr(approving, step, killed)


@pytest.fixture
def approved(batch, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setenv("GTVAUTOSEG_USER", "huber")
    folder, volume, command = batch
    assert main(["approve", str(folder), *WHO]) == 0
    capsys.readouterr()
    return folder, volume, command


def test_a_withdrawn_case_is_unapproved_everywhere_and_says_who_and_why(capsys, approved):
    folder, volume, command = approved
    former = (folder / f"{folder.name}.dcm").read_bytes()
    assert main(["approve", str(folder), *WHY]) == 0
    said = capsys.readouterr().out
    assert "by Meyer^Anna" in said and "was withdrawn by huber on 20" in said and WHY[1] in said
    data = structure_set(folder)
    assert data.ApprovalStatus == "UNAPPROVED" and "ReviewerName" not in data and "ReviewDate" not in data
    assert data.SOPInstanceUID != pydicom.dcmread(pydicom.filebase.DicomBytesIO(former)).SOPInstanceUID
    assert not data.RTROIObservationsSequence[0].ROIInterpreter
    assert "has to be checked" in data.StructureSetROISequence[0].ROIDescription
    np.testing.assert_array_equal(regions(folder / f"{folder.name}.dcm", volume)[0]["GTVp"], mask_of(folder))
    assert ZipFile(folder / "outdated.zip").read(f"{folder.name}.dcm") == former
    report = (folder / "report.html").read_text()
    assert "Approved by" not in report and "was withdrawn by huber" in report and "Checked and corrected by" in report
    record = json.loads((folder / "result.json").read_text())
    assert record["approval"] is None and record["withdrawn"]["withdrawn"]["reason"] == WHY[1]
    assert record["withdrawn"]["reviewer"] == "Meyer^Anna" and record["pending"] == {}
    _, out, err = run(capsys, *command)
    assert (not err and "1 finished" in out + err) or "0 to do" in out or structure_set(folder) == data
    row = rows(folder.parent)[folder.name]
    assert (row["approved_by"], row["status"]) == ("", "check") and "was withdrawn by huber" in row["warnings"]
    trail = folder.parent / "audit.jsonl"
    assert kinds(trail) == ["run", "approval", "withdrawal"]
    told = read_trail(trail).records[-1]
    assert (told["who"], told["reviewer"], told["reason"]) == ("huber", "Meyer^Anna", WHY[1])


def test_a_withdrawal_given_twice_is_one_and_keeps_its_reason(capsys, approved):
    folder, _, _ = approved
    main(["approve", str(folder), *WHY])
    before = structure_set(folder).SOPInstanceUID
    capsys.readouterr()
    assert main(["approve", str(folder), "--withdraw", "another reason"]) == 0
    assert WHY[1] in capsys.readouterr().out and structure_set(folder).SOPInstanceUID == before
    assert json.loads((folder / "result.json").read_text())["withdrawn"]["withdrawn"]["reason"] == WHY[1]
    assert kinds(folder.parent / "audit.jsonl") == ["run", "approval", "withdrawal"]
    assert not (folder / "outdated-2.zip").exists()


def test_what_was_withdrawn_can_be_approved_anew(capsys, approved):
    folder, _, _ = approved
    main(["approve", str(folder), *WHY])
    assert main(["approve", str(folder), *WHO]) == 0
    assert structure_set(folder).ApprovalStatus == "APPROVED"
    assert json.loads((folder / "result.json").read_text())["withdrawn"] is None
    report = (folder / "report.html").read_text()
    assert "Approved by Meyer^Anna" in report and "withdrawn" not in report
    assert kinds(folder.parent / "audit.jsonl") == ["run", "approval", "withdrawal", "approval"]


def test_a_mask_of_a_withdrawn_case_is_exported_unapproved_with_a_warning_and_not_collected(capsys, approved, tmp_path):
    folder, _, _ = approved
    mask = folder / f"{folder.name}.seg.nrrd"
    main(["approve", str(folder), *WHY])
    assert main(["rtstruct", str(tmp_path / "in"), str(mask), "--output", str(tmp_path / "rs.dcm")]) == 0
    assert "was withdrawn by huber" in capsys.readouterr().err
    assert pydicom.dcmread(tmp_path / "rs.dcm").ApprovalStatus == "UNAPPROVED"
    assert main(["collect", str(tmp_path / "in"), str(mask), str(tmp_path / "set")]) == 2
    assert "was withdrawn by huber" in capsys.readouterr().err and not (tmp_path / "set").exists()


def test_a_masks_file_keeps_its_approval_as_withdrawn_also_when_the_voxels_come_back(capsys, tmp_path):
    mask = tmp_path / "m.nrrd"
    image = sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8))
    sitk.WriteImage(image, str(mask))
    assert main(["approve", str(mask), *WHO]) == 0
    assert main(["approve", str(mask), *WHY]) == 0
    approval, said = approval_of(mask)
    assert approval is None and WHY[1] in said
    image[0, 0, 0] = 0
    sitk.WriteImage(image, str(mask))
    assert "was withdrawn" in approval_of(mask)[1]
    kept = json.loads((tmp_path / "m.nrrd.approval.json").read_text())
    assert kept["reviewer"] == "Meyer^Anna" and kept["withdrawn"]["reason"] == WHY[1]
    assert main(["approve", str(mask), *WHO]) == 0 and approval_of(mask)[0] is not None
    assert kinds(tmp_path / "audit.jsonl") == ["approval", "withdrawal", "approval"]


def test_a_lapsed_approval_can_be_withdrawn_and_does_not_come_back_with_the_voxels(tmp_path):
    mask = tmp_path / "m.nrrd"
    image = sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8))
    sitk.WriteImage(image, str(mask))
    main(["approve", str(mask), *WHO])
    image[0, 0, 0] = 0
    sitk.WriteImage(image, str(mask))
    assert main(["approve", str(mask), *WHY]) == 0
    image[0, 0, 0] = 1
    sitk.WriteImage(image, str(mask))
    assert approval_of(mask)[0] is None


def test_withdrawing_a_case_withdraws_that_of_its_masks_file_too(approved):
    folder, _, _ = approved
    mask = folder / f"{folder.name}.seg.nrrd"
    main(["approve", str(mask), *WHO])
    assert main(["approve", str(folder), *WHY]) == 0
    assert approval_of(mask)[0] is None


def test_a_correction_not_yet_followed_is_no_hindrance_and_stays(capsys, approved):
    folder, _, command = approved
    content = save(folder, cut(mask_of(folder)))
    assert main(["approve", str(folder), *WHY]) == 0
    assert structure_set(folder).ApprovalStatus == "UNAPPROVED"
    assert (folder / f"{folder.name}.seg.nrrd").read_bytes() == content
    _, out, _ = run(capsys, *command)
    assert "edited on 2 slices" in out and structure_set(folder).ApprovalStatus == "UNAPPROVED"


def test_a_structure_set_that_a_person_changed_is_never_written_to(approved):
    folder, _, _ = approved
    path = folder / f"{folder.name}.dcm"
    data = pydicom.dcmread(path)
    data.StructureSetLabel = "MINE"
    data.save_as(path)
    content = path.read_bytes()
    assert main(["approve", str(folder), *WHY]) == 0 and path.read_bytes() == content


@pytest.mark.parametrize(("step", "call"), [("keep_approved", 1), ("review_set", 1), ("_settled", 1), ("_settled", 3)])
def test_a_withdrawal_that_is_killed_approves_nothing_and_is_finished_by_the_same_command(
    capsys, approved, monkeypatch, step, call
):
    folder, _, command = approved
    former = (folder / f"{folder.name}.dcm").read_bytes()
    for _ in range(2):
        with monkeypatch.context() as patched:
            kill_at(patched, step, call)
            code = main(["approve", str(folder), *WHY])
            assert code == 130 or step == "review_set"  # of one that is withdrawn already
    assert main(["approve", str(folder), *WHY]) == 0
    assert structure_set(folder).ApprovalStatus == "UNAPPROVED"
    assert ZipFile(folder / "outdated.zip").read(f"{folder.name}.dcm") == former
    assert not (folder / "outdated-2.zip").exists() and not list(folder.glob(".gtv*"))
    assert kinds(folder.parent / "audit.jsonl").count("withdrawal") >= 1
    capsys.readouterr()
    _, _, err = run(capsys, *command)
    assert not err and rows(folder.parent)[folder.name]["status"] == "check"


def test_an_approval_that_is_killed_midway_can_be_given_again(capsys, batch, monkeypatch):  # noqa: F811
    folder, _, command = batch

    with monkeypatch.context() as patched:
        kill_at(patched, "_settled", 3)
        assert main(["approve", str(folder), *WHO]) == 130
    assert json.loads((folder / "result.json").read_text())["approval"] is None
    assert approval_of(folder / f"{folder.name}.seg.nrrd")[0] is None
    capsys.readouterr()
    _, out, err = run(capsys, *command)
    assert "changed by a person" not in out + err
    assert "was broken off" in rows(folder.parent)[folder.name]["warnings"]
    assert main(["approve", str(folder), *WHO]) == 0 and structure_set(folder).ApprovalStatus == "APPROVED"


@pytest.mark.parametrize(
    ("reason", "said"),
    [("", "for a reason"), ("  ", "for a reason"), ("x" * 301, "at most 300"), ("a\x07b", "printable")],
)
def test_no_reason_and_one_that_fits_into_no_sentence_are_refused(capsys, approved, reason, said):
    folder, _, _ = approved
    before = (folder / "result.json").read_bytes()
    assert main(["approve", str(folder), "--withdraw", reason]) == 2
    assert said in capsys.readouterr().err and (folder / "result.json").read_bytes() == before


def test_what_cannot_be_withdrawn_is_said_in_a_sentence_and_nothing_is_done(capsys, approved, tmp_path):
    folder, _, _ = approved
    mask = folder / f"{folder.name}.seg.nrrd"
    other = tmp_path / "m.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8)), str(other))
    (tmp_path / "bad.nrrd").write_bytes(other.read_bytes())
    (tmp_path / "bad.nrrd.approval.json").write_text("[" * 100_000)
    for target, said in (
        (other, "nobody has approved"),
        (mask, "was approved with its case"),
        (tmp_path, "holds no result.json"),
        (tmp_path / "gone.nrrd", "does not exist"),
        (tmp_path / "bad.nrrd", "cannot be read"),
    ):
        assert main(["approve", str(folder), str(target), *WHY]) == 2
        assert said in capsys.readouterr().err
    assert structure_set(folder).ApprovalStatus == "APPROVED"  # all or none
    assert kinds(folder.parent / "audit.jsonl") == ["run", "approval"]
