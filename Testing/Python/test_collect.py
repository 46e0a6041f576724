"""Corrected cases become a data set: once, without names, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from datasets import save
from dicom_samples import patient_array, write_series

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.system.leftovers import sweep
from GTVAutoSegLib.training.data.collected.case import read_collected
from GTVAutoSegLib.training.data.dataset import find_cases, read_label, read_patients


@pytest.fixture(autouse=True)
def own_key(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "user"))
    return tmp_path / "user" / "GTVAutoSeg" / "pseudonyms.key"


@pytest.fixture
def study(tmp_path):
    """A CT of a named patient, and an outline on it."""
    write_series(tmp_path / "ct", patient_array(), PatientID="MRN4711", PatientName="Doe^Jane")
    return tmp_path / "ct", outline(tmp_path / "gtv.nrrd", tmp_path / "ct", 4)


def outline(path, ct, side):
    volume = read_volume(ct)
    mask = np.zeros(volume.array.shape, np.uint8)
    mask[1:4, 5 : 5 + side, 6 : 6 + side] = 1
    write_mask(mask, volume, path)
    return path


def collect(*arguments) -> int:
    return main(["collect", *map(str, arguments)])


def test_an_outline_that_nobody_has_approved_is_refused_and_taken_when_that_is_said(study, tmp_path, capsys):
    ct, mask = study
    assert collect(ct, mask, tmp_path / "set") == 2
    assert "nobody has approved" in capsys.readouterr().err and not (tmp_path / "set").exists()
    assert collect(ct, mask, tmp_path / "set", "--accept") == 0
    assert read_collected(tmp_path / "set").popitem()[1].provenance.approved_by == ""


def test_an_approved_outline_becomes_a_case_that_names_no_patient(study, tmp_path, own_key):
    ct, mask = study
    assert main(["approve", str(mask), "--reviewer", "Dr. Roe"]) == 0
    assert collect(ct, mask, tmp_path / "set") == 0
    (case,) = find_cases(tmp_path / "set")
    image = read_volume(case.image)
    assert np.array_equal(image.array, read_volume(ct).array)
    assert np.array_equal(read_label(case, image), read_volume(mask).array > 0)
    (record,) = read_collected(tmp_path / "set").values()
    assert record.provenance.approved_by == "Dr. Roe" and record.provenance.approved_at
    uids = {str(pydicom.dcmread(file).SeriesInstanceUID) for file in ct.iterdir()}
    for path in (tmp_path / "set").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for word in ("MRN4711", "Doe", "Jane", *uids):
            assert word not in path.name and word.encode() not in content
    assert own_key.stat().st_mode & 0o077 == 0 and not own_key.is_relative_to(tmp_path / "set")


def test_an_approval_that_has_lapsed_is_none(study, tmp_path, capsys):
    ct, mask = study
    main(["approve", str(mask), "--reviewer", "Dr. Roe"])
    outline(mask, ct, 5)
    assert collect(ct, mask, tmp_path / "set") == 2
    assert "has lapsed" in capsys.readouterr().err


def test_the_same_ct_is_there_once_and_a_newer_outline_keeps_the_older_one_aside(study, tmp_path, capsys):
    ct, mask = study
    for _ in range(2):
        assert collect(ct, mask, tmp_path / "set", "--accept") == 0
    assert "was there already, with the same outline" in capsys.readouterr().out
    newer = outline(tmp_path / "newer.nrrd", ct, 6)
    copy = tmp_path / "ct.nii.gz"  # the same CT from another file
    volume = read_volume(ct)
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing), image.SetOrigin(volume.origin), image.SetDirection(volume.direction)
    sitk.WriteImage(image, str(copy))
    assert collect(copy, newer, tmp_path / "set", "--accept") == 0
    assert "replaces an earlier outline" in capsys.readouterr().out
    (case,) = find_cases(tmp_path / "set")
    assert np.array_equal(read_label(case, read_volume(case.image)), read_volume(newer).array > 0)
    kept = tmp_path / "set" / ".earlier" / f"{case.name}-1"
    assert np.array_equal(read_volume(kept / "label.nii.gz").array, read_volume(mask).array)
    assert json.loads((tmp_path / "set" / "cases.json").read_text())[case.name]["earlier"] == 1


def test_two_cts_of_one_patient_have_one_pseudonym_and_another_user_another(tmp_path, monkeypatch):
    for number, patient in enumerate(("A", "A", "B")):
        write_series(tmp_path / f"ct{number}", patient_array(seed=number), PatientID=patient)
        mask = outline(tmp_path / f"m{number}.nrrd", tmp_path / f"ct{number}", 3)
        assert collect(tmp_path / f"ct{number}", mask, tmp_path / "set", "--accept") == 0
    patients = read_patients(tmp_path / "set", [case.name for case in find_cases(tmp_path / "set")])
    assert sorted(list(patients.values()).count(one) for one in set(patients.values())) == [1, 2]
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "other"))
    assert collect(tmp_path / "ct2", tmp_path / "m2.nrrd", tmp_path / "set2", "--accept") == 0
    (other,) = (case.patient for case in read_collected(tmp_path / "set2").values())
    assert other not in patients.values()


def test_what_a_model_proposed_and_a_person_changed_is_known_of_a_case_of_a_batch(tmp_path, capsys):
    write_series(tmp_path / "in" / "P1", patient_array((8, 32, 32)), PatientID="P1")
    bundle = make_bundle(tmp_path / "model", bias=50.0)
    batch = ["batch", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(bundle), "--resume"]
    assert main(batch) == 0, capsys.readouterr()
    (mask,) = (tmp_path / "out").glob("*/*.seg.nrrd")
    outline(mask, tmp_path / "in" / "P1", 6)
    assert main(batch) == 0
    assert main(["approve", str(mask.parent), "--reviewer", "Dr. Roe"]) == 0
    assert collect(tmp_path / "in" / "P1", mask, tmp_path / "set") == 0, capsys.readouterr().err
    (record,) = read_collected(tmp_path / "set").values()
    assert record.provenance.model.id == "model" and record.provenance.approved_by == "Dr. Roe"
    assert record.provenance.edited.added_path_length_mm > 0 and record.provenance.edited.slices == 8


def test_a_mask_on_another_grid_an_empty_one_and_a_strange_folder_are_refused(study, tmp_path, capsys):
    ct, mask = study
    save(np.ones((5, 20, 24), np.uint8), tmp_path / "moved.nii.gz")
    assert collect(ct, tmp_path / "moved.nii.gz", tmp_path / "set", "--accept") == 2
    assert "grid" in capsys.readouterr().err
    outline(tmp_path / "empty.nrrd", ct, 0)
    assert collect(ct, tmp_path / "empty.nrrd", tmp_path / "set", "--accept") == 2
    assert "is empty" in capsys.readouterr().err
    assert collect(ct, mask, tmp_path, "--accept") == 2
    assert "is no part of a data set" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


KILLED = """
import os, sys
from GTVAutoSegLib.commands.cli import main
steps = int(sys.argv[1])
def trace(event, arguments):
    global steps
    if event in ("os.rename", "os.mkdir", "os.remove", "open", "shutil.rmtree"):
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), 9)
import GTVAutoSegLib.training.data.collected.collect, GTVAutoSegLib.batch.approving
import numpy, SimpleITK
from GTVAutoSegLib.training.data.collected import collect as module
real = module.make_folder
def started(folder):
    sys.addaudithook(trace)
    real(folder)
module.make_folder = started
sys.exit(main(["collect", *sys.argv[2:]]))
"""


@pytest.mark.parametrize("step", [4, 20, 33, 44])
def test_killed_at_any_step_the_data_set_has_the_old_or_the_new_case_and_the_next_one_mends_it(study, tmp_path, step):
    ct, mask = study
    assert collect(ct, mask, tmp_path / "set", "--accept") == 0
    newer = outline(tmp_path / "newer.nrrd", ct, 6)
    arguments = [ct, newer, tmp_path / "set", "--accept"]
    command = [sys.executable, "-c", KILLED, str(step), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode in (0, -9), done.stderr
    sweep.cache_clear()
    assert collect(*arguments) == 0
    (case,) = find_cases(tmp_path / "set")
    assert np.array_equal(read_label(case, read_volume(case.image)), read_volume(newer).array > 0)
    older = [read_volume(path).array for path in (tmp_path / "set" / ".earlier").glob("*/label.nii.gz")]
    assert len(older) == 1 and np.array_equal(older[0], read_volume(mask).array)
    assert json.loads((tmp_path / "set" / "cases.json").read_text()).keys() == {case.name}
    assert not list((tmp_path / "set").glob(".*.part"))
