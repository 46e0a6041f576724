"""Importing DICOM folders: patients and folders that cannot be, and what is never mixed or left half done."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_samples import patient_array
from imports import NODE, TUMOUR, case_of, patient, run
from rtstruct_samples import square, write_rtstruct

from GTVAutoSegLib.errors import DiskError
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.lock import locked
from GTVAutoSegLib.training.data import dataset
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.imports.cases import write_case


def test_a_bad_patient_is_reported_and_the_others_go_on(tmp_path, capsys):
    good = patient(tmp_path / "dicom", "P1")
    patient(tmp_path / "dicom", "P2", seed=1)
    files = sorted((tmp_path / "dicom" / "P2" / "ct").glob("*_2.dcm"))
    files[0].unlink()
    patient(tmp_path / "dicom", "P3", seed=2)
    shutil.rmtree(tmp_path / "dicom" / "P3" / "ct")
    patient(tmp_path / "dicom", "P4", {"Lung_L": TUMOUR, "Heart": NODE}, seed=3)
    patient(tmp_path / "dicom", "P5", {"GTVp": [square(0, 0, 5, 5, 500)]}, seed=4)
    truncated = tmp_path / "dicom" / "P6.dcm"
    truncated.write_bytes((tmp_path / "dicom" / "P1" / "rt" / "rs.dcm").read_bytes()[:-150])

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 1

    assert [path.name for path in (tmp_path / "set").glob("[!.]*")] == [case_of(good)]
    output = capsys.readouterr()
    assert output.out.splitlines()[-1] == f"1 case in {tmp_path / 'set'}, 5 failed"
    assert "failed: P2: " in output.err and "lacks slices" in output.err
    assert "of which no image is below" in output.err
    assert "matches 'GTVp'; expected one of those there: 'Lung_L', 'Heart'" in output.err
    assert "failed: P5: " in output.err and "outside the CT" in output.err
    assert "P6.dcm is a damaged" in output.err


def test_when_nothing_can_be_imported_the_exit_code_says_so(tmp_path, capsys):
    patient(tmp_path / "dicom", "P1", {"Lung_L": TUMOUR})

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 2
    assert "0 cases" in capsys.readouterr().out


def test_a_folder_that_is_something_else_gets_no_cases(tmp_path, capsys):
    patient(tmp_path / "in", "P1")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    assert run(tmp_path / "in", tmp_path / "run", "--roi", "GTV.*") == 2
    assert "run.json, which is no part of a data set" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_a_roi_that_was_never_drawn_is_no_normal_patient_unless_one_says_so(tmp_path, capsys):
    patient(tmp_path / "dicom", "P1")
    patient(tmp_path / "dicom", "P2", {"GTVp": []}, seed=1)

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp", "--name-by", "patient") == 1
    assert "names 'GTVp' and has no contours of it" in capsys.readouterr().err

    arguments = [tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp", "--name-by", "patient", "--allow-empty"]
    assert run(*arguments) == 0

    assert not read_volume(tmp_path / "set" / "P2" / "label.nii.gz").array.any()
    assert "2 cases" in (out := capsys.readouterr().out)
    assert "1 of them with an empty label (normal patients)" in out


def test_several_structure_sets_of_a_ct_are_not_chosen_from(tmp_path, capsys):
    patient(tmp_path / "dicom", "P1")
    ct = sorted((tmp_path / "dicom" / "P1" / "ct").iterdir())
    write_rtstruct(tmp_path / "dicom" / "P1" / "rt" / "revised.dcm", ct, {"GTVp": NODE}, StructureSetLabel="REVISED")

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 2

    error = capsys.readouterr().err
    assert "2 structure sets of the same CT have a matching ROI" in error
    assert "revised.dcm ('REVISED', 20240103)" in error


def test_a_case_name_that_two_cts_would_share_is_refused(tmp_path, capsys):
    patient(tmp_path / "dicom" / "first", "P1")
    patient(tmp_path / "dicom" / "second", "P1", seed=1)

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp", "--name-by", "patient") == 2
    assert "the case name P1 belongs to several CTs" in capsys.readouterr().err
    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0
    assert len(find_cases(tmp_path / "set")) == 2


def test_a_second_import_keeps_what_is_there_and_refuses_to_mix(tmp_path, capsys):
    uid = patient(tmp_path / "dicom", "P1", {"GTVp": TUMOUR, "GTVn": NODE})
    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0
    label = tmp_path / "set" / case_of(uid) / "label.nii.gz"
    before = label.stat().st_mtime_ns

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0
    assert "is there already" in capsys.readouterr().out
    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVn") == 2
    assert "comes from another CT, structure set or ROI" in capsys.readouterr().err
    assert label.stat().st_mtime_ns == before


def test_listing_a_folder_without_dicom_files_is_an_error(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no image")
    assert run(tmp_path, "--list") == 2
    assert "holds no DICOM image and no RTSTRUCT; expected" in capsys.readouterr().err


def test_a_disk_that_fills_up_leaves_no_half_case(tmp_path, monkeypatch):
    written = []

    def full(array, volume, path):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        path.write_bytes(b"half")

    monkeypatch.setattr(dataset, "write_image", full)
    volume = Volume(patient_array(), source="ct")

    with pytest.raises(DiskError, match=r"P1 could not be written \(No space left on device\)"):
        write_case(tmp_path / "set" / "P1", volume.array, np.zeros(volume.array.shape, np.uint8), volume, {})
    assert list((tmp_path / "set").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dicom"], "import needs DATASET and --roi REGEX"),
        (["nowhere", "set", "--roi", "x"], "is not a folder"),
        (["dicom", "set", "--roi", "x"], "holds no RTSTRUCT"),
    ],
)
def test_wrong_usage_is_a_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("dicom").mkdir()

    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_where_no_patient_has_such_a_roi_no_folder_is_made(tmp_path, capsys):
    patient(tmp_path / "dicom", "P1")

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "heart") == 2
    assert "failed: P1: no ROI of " in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_broken_regular_expression_is_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run(tmp_path, tmp_path, "--roi", "gtv(")
    assert stop.value.code == 2
    assert "'gtv(' is no regular expression" in capsys.readouterr().err


def test_roi_names_that_would_share_a_folder_are_refused_not_mixed(tmp_path, capsys):
    patient(tmp_path / "dicom", "P1", {"GTV p": TUMOUR, "gtv/P": NODE})
    patient(tmp_path / "dicom", "P2", {"GTV p": TUMOUR}, seed=1)

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "gtv.*", "--each", "--name-by", "patient") == 1

    error = capsys.readouterr().err
    assert "the ROIs 'GTV p' and 'gtv/P' of one CT would share the folder gtv_P" in error
    assert [path.relative_to(tmp_path / "set").as_posix() for path in (tmp_path / "set").glob("*/*")] == ["GTV_p/P2"]


def test_a_second_import_into_the_same_folder_says_so(tmp_path, capsys):
    patient(tmp_path / "dicom", "P1")
    (tmp_path / "set").mkdir()
    with locked(tmp_path / "set"):
        assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "gtvp") == 2
    assert "another run is writing to" in capsys.readouterr().err
    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "gtvp") == 0
