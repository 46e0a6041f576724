"""A person's approval: on a batch's case and on a mask's file, in the report and the structure set, until it lapses."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from batches import rows, run
from test_batch_corrections import batch, bundle, cut, mask_of, regions, save  # noqa: F401  fixtures

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.report.record.approval import approval_of_file
from GTVAutoSegLib.report.record.audit import read_trail

WHO = ("--reviewer", "Meyer^Anna")


def structure_set(folder):
    return pydicom.dcmread(folder / f"{folder.name}.dcm")


def test_nothing_is_approved_until_a_person_does_so_by_name(capsys, batch):  # noqa: F811
    folder, volume, command = batch
    before = structure_set(folder)
    assert before.ApprovalStatus == "UNAPPROVED" and "approval" in (folder / "result.json").read_text()
    assert main(["approve", str(folder), *WHO]) == 0
    assert "lapses when a voxel changes" in capsys.readouterr().out
    after = structure_set(folder)
    assert (after.ApprovalStatus, after.ReviewerName) == ("APPROVED", "Meyer^Anna")
    approval = json.loads((folder / "result.json").read_text())["approval"]
    assert after.ReviewDate == approval["at"][:10].replace("-", "")
    assert after.ReviewTime == approval["at"][11:19].replace(":", "")
    assert after.SOPInstanceUID != before.SOPInstanceUID
    np.testing.assert_array_equal(regions(folder / f"{folder.name}.dcm", volume)[0]["GTVp"], mask_of(folder))
    report = (folder / "report.html").read_text()
    assert "Approved by Meyer^Anna on" in report and "Checked and corrected by" not in report
    _, _, err = run(capsys, *command)
    assert not err and structure_set(folder).ApprovalStatus == "APPROVED"
    row = rows(folder.parent)[folder.name]
    assert (row["approved_by"], row["approved_at"], row["status"]) == ("Meyer^Anna", approval["at"], "done")
    kinds = [record["what"] for record in read_trail(folder.parent / "audit.jsonl").records]
    assert kinds == ["run", "approval"]


def test_an_approval_lapses_when_a_voxel_changes_and_says_so(capsys, batch):  # noqa: F811
    folder, _, command = batch
    main(["approve", str(folder), *WHO])
    save(folder, cut(mask_of(folder)))
    assert main(["approve", str(folder), *WHO]) == 2  # not what the report shows
    assert "was changed or taken away since" in capsys.readouterr().err
    _, _, err = run(capsys, *command)
    assert "by Meyer^Anna" in err and "has lapsed" in err
    assert structure_set(folder).ApprovalStatus == "UNAPPROVED" and "ReviewerName" not in structure_set(folder)
    assert "Approved by" not in (folder / "report.html").read_text()
    assert rows(folder.parent)[folder.name]["approved_by"] == ""
    trail = read_trail(folder.parent / "audit.jsonl")
    assert not trail.problem and [record["what"] for record in trail.records][-2:] == ["edit", "lapse"]
    assert main(["approve", str(folder), *WHO]) == 0
    assert structure_set(folder).ApprovalStatus == "APPROVED"
    assert structure_set(folder).StructureSetROISequence[0].ROIGenerationAlgorithm == "SEMIAUTOMATIC"


def test_an_approval_is_no_warning_in_the_table_be_the_outline_corrected_or_not(capsys, batch):  # noqa: F811
    folder, _, command = batch
    for mask in (mask_of(folder), cut(mask_of(folder))):
        save(folder, mask)
        run(capsys, *command)
        assert main(["approve", str(folder), *WHO]) == 0
        run(capsys, *command)
        row = rows(folder.parent)[folder.name]
        assert row["approved_by"] == "Meyer^Anna" and "approved by" not in row["warnings"]
        assert "approved by Meyer^Anna" in (folder.parent / "summary.html").read_text()


def test_an_approved_structure_set_is_packed_and_not_changed_when_a_correction_follows(capsys, batch):  # noqa: F811
    from zipfile import ZipFile

    folder, _, command = batch
    main(["approve", str(folder), *WHO])
    approved = (folder / f"{folder.name}.dcm").read_bytes()
    save(folder, cut(mask_of(folder)))
    run(capsys, *command)
    assert ZipFile(folder / "outdated.zip").read(f"{folder.name}.dcm") == approved


def test_an_approved_mask_saved_anew_without_a_change_stays_approved(capsys, batch):  # noqa: F811
    folder, _, command = batch
    main(["approve", str(folder), *WHO])
    save(folder, mask_of(folder), {"Segment0_Color": "0 1 0"})
    _, _, err = run(capsys, *command)
    assert "lapsed" not in err and structure_set(folder).ApprovalStatus == "APPROVED"
    assert rows(folder.parent)[folder.name]["approved_by"] == "Meyer^Anna"


def test_a_masks_file_is_approved_exported_so_and_lapses(capsys, batch, tmp_path):  # noqa: F811
    folder, volume, _ = batch
    image = sitk.GetImageFromArray(cut(mask_of(folder)))
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    path = tmp_path / "drawn" / "gtvn.nii.gz"
    path.parent.mkdir()
    sitk.WriteImage(image, str(path))
    words = ["rtstruct", str(tmp_path / "in"), str(path), "--name", "GTVn", "--output"]
    assert main(["approve", str(path), *WHO]) == 0
    assert main([*words, str(tmp_path / "one.dcm")]) == 0
    assert pydicom.dcmread(tmp_path / "one.dcm").ApprovalStatus == "APPROVED"
    assert "APPROVED by Meyer^Anna" in capsys.readouterr().out
    image[0, 0, 0] = 1
    sitk.WriteImage(image, str(path))
    assert main([*words, str(tmp_path / "two.dcm")]) == 0
    captured = capsys.readouterr()
    assert "the approval of gtvn.nii.gz by Meyer^Anna" in captured.err and "has lapsed" in captured.err
    assert pydicom.dcmread(tmp_path / "two.dcm").ApprovalStatus == "UNAPPROVED"
    trail = read_trail(path.parent / "audit.jsonl")
    assert not trail.problem and [record["what"] for record in trail.records] == ["approval", "export", "export"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\\b", "a=b"])
def test_a_reviewer_that_is_no_name_is_refused_and_nothing_is_written(batch, capsys, name):  # noqa: F811
    folder, _, _ = batch
    before = (folder / "result.json").read_bytes()
    assert main(["approve", str(folder), "--reviewer", name]) == 2
    assert "name" in capsys.readouterr().err
    assert (folder / "result.json").read_bytes() == before


def test_what_cannot_be_approved_is_said_in_a_sentence(capsys, batch, tmp_path):  # noqa: F811
    folder, _, _ = batch
    for target, said in ((tmp_path, "holds no result.json"), (tmp_path / "gone.nrrd", "does not exist")):
        assert main(["approve", str(folder), str(target), *WHO]) == 2
        assert said in capsys.readouterr().err
    assert structure_set(folder).ApprovalStatus == "UNAPPROVED"  # all or none


def test_no_approval_is_given_that_the_trail_cannot_tell_of(capsys, batch, tmp_path):  # noqa: F811
    folder, _, _ = batch
    mask = tmp_path / "own" / "gtv.seg.nrrd"
    mask.parent.mkdir()
    mask.write_bytes((folder / f"{folder.name}.seg.nrrd").read_bytes())
    (mask.parent / "audit.jsonl").touch(0o444)
    before = (folder / "result.json").read_bytes()
    assert main(["approve", str(folder), str(mask), *WHO]) == 2
    assert "an approval is not given without its record" in capsys.readouterr().err
    assert len(list(mask.parent.iterdir())) == 2 and (folder / "result.json").read_bytes() == before


def test_a_structure_set_given_as_a_mask_is_told_where_it_is_read(capsys, batch, tmp_path):  # noqa: F811
    folder, _, _ = batch
    assert main(["approve", str(folder / f"{folder.name}.dcm"), *WHO]) == 2
    assert "structure sets are read by 'gtvautoseg import'" in capsys.readouterr().err


def test_records_nested_too_deeply_are_no_approval_and_no_result(capsys, tmp_path):
    mask = tmp_path / "m.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((2, 3, 4), np.uint8)), str(mask))
    (tmp_path / "m.nrrd.approval.json").write_text("[" * 100_000)
    approval, said = approval_of_file(mask)
    assert approval is None and "nested too deeply" in said
    (tmp_path / "result.json").write_text("[" * 100_000)
    assert main(["approve", str(tmp_path), *WHO]) == 2
    assert "holds no result.json" in capsys.readouterr().err
