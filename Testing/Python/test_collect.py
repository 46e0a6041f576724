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
from datasets import save, write_case
from dicom_samples import patient_array, stack_positions, write_series

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.evaluation.commission.run import check_region
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
    for _ in range(2):  # the same again is neither a new outline nor one that was never kept aside
        record = json.loads((tmp_path / "set" / "cases.json").read_text())[case.name]
        # The image file does not tell whose CT it is, but the case had told.
        assert record["earlier"] == 1 and record["patient"].startswith("patient_")
        assert collect(copy, newer, tmp_path / "set", "--accept") == 0


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
    outline(mask, tmp_path / "in" / "P1", 7)  # which the batch's record does not know
    assert collect(tmp_path / "in" / "P1", mask, tmp_path / "later", "--accept") == 0
    (record,) = read_collected(tmp_path / "later").values()
    assert record.provenance.model is None and record.provenance.edited is None


def test_what_a_person_changed_of_a_models_outline_is_known_without_a_batch(tmp_path, capsys):
    write_series(tmp_path / "ct", patient_array((8, 32, 32)), PatientID="P1")
    bundle, mask = make_bundle(tmp_path / "model", bias=50.0), tmp_path / "gtv.seg.nrrd"
    assert main(["segment", str(tmp_path / "ct"), "--model", str(bundle), "--output", str(mask)]) == 0
    assert collect(tmp_path / "ct", mask, tmp_path / "as it was", "--accept") == 0, capsys.readouterr().err
    image = sitk.ReadImage(str(mask))
    image[:, :, 2:4] = 0
    sitk.WriteImage(image, str(mask))
    assert collect(tmp_path / "ct", mask, tmp_path / "set", "--accept") == 0
    (before,), (after,) = (read_collected(tmp_path / name).values() for name in ("as it was", "set"))
    assert before.provenance.edited.slices == 0 and after.provenance.edited.slices == 2
    assert after.provenance.edited.volume_after_ml < after.provenance.edited.volume_before_ml


def test_a_patient_without_tumour_is_taken_once_somebody_has_approved_that(study, tmp_path, capsys):
    ct, _ = study
    empty = outline(tmp_path / "empty.nii.gz", ct, 0)
    assert collect(ct, empty, tmp_path / "set", "--accept") == 2
    said = capsys.readouterr().err
    assert "is empty" in said and "approve it" in said and not (tmp_path / "set").exists()
    assert main(["approve", str(empty), "--reviewer", "Dr. Roe"]) == 0
    assert collect(ct, empty, tmp_path / "set") == 0, capsys.readouterr().err
    (case,) = find_cases(tmp_path / "set")
    assert not read_label(case, read_volume(case.image)).any()


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


def test_another_ct_of_the_same_series_is_a_case_of_its_own_though_the_outline_is_the_same(tmp_path):
    for number in range(2):  # as two phases that a scanner puts into one series
        folder = tmp_path / f"ct{number}"
        write_series(folder, patient_array(seed=number), PatientID="A")
        for file in folder.iterdir():
            slice_ = pydicom.dcmread(file)
            slice_.SeriesInstanceUID = "1.2.3"
            slice_.save_as(file)
        for _ in range(2):
            mask = outline(tmp_path / f"m{number}.nrrd", folder, 4)
            assert collect(folder, mask, tmp_path / "set", "--accept") == 0
    there = [read_volume(case.image).array for case in find_cases(tmp_path / "set")]
    assert len(there) == 2
    for number in range(2):
        assert sum(np.array_equal(read_volume(tmp_path / f"ct{number}").array, one) for one in there) == 1
    assert len({case.patient for case in read_collected(tmp_path / "set").values()}) == 1


def test_the_same_voxels_at_another_place_keep_the_former_case_aside(tmp_path):
    write_series(tmp_path / "ct", patient_array(), PatientID="A")
    assert collect(tmp_path / "ct", outline(tmp_path / "m.nrrd", tmp_path / "ct", 4), tmp_path / "set", "--accept") == 0
    for file in (tmp_path / "ct").iterdir():
        slice_ = pydicom.dcmread(file)
        slice_.ImagePositionPatient = [float(slice_.ImagePositionPatient[0]) + 5, *slice_.ImagePositionPatient[1:]]
        slice_.save_as(file)
    assert collect(tmp_path / "ct", outline(tmp_path / "m.nrrd", tmp_path / "ct", 4), tmp_path / "set", "--accept") == 0
    assert len(find_cases(tmp_path / "set")) == len(list((tmp_path / "set" / ".earlier").iterdir())) == 1


def test_a_mask_that_names_no_region_leaves_no_file_name_in_the_data_set(study, tmp_path):
    ct, _ = study
    named = outline(tmp_path / "Doe_Jane_1950.nii.gz", ct, 4)
    assert collect(ct, named, tmp_path / "set", "--accept") == 0
    assert [one.provenance.region for one in read_collected(tmp_path / "set").values()] == [""]
    assert not any(b"Doe" in path.read_bytes() for path in (tmp_path / "set").rglob("*") if path.is_file())
    check_region(tmp_path / "set", find_cases(tmp_path / "set"), "GTV", "")


def test_a_damaged_list_of_patients_is_said_before_anything_is_written(study, tmp_path, capsys):
    ct, mask = study
    assert collect(ct, mask, tmp_path / "set", "--accept") == 0
    before = read_collected(tmp_path / "set")
    for damaged in ("{", "[]", '{"case": 5}'):
        (tmp_path / "set" / "patients.json").write_text(damaged)
        capsys.readouterr()
        assert collect(ct, outline(tmp_path / "newer.nrrd", ct, 6), tmp_path / "set", "--accept") == 2
        assert "patients.json" in capsys.readouterr().err and read_collected(tmp_path / "set") == before


def test_a_ct_whose_hu_are_uncertain_is_refused(study, tmp_path, capsys):
    ct, mask = study
    for file in ct.iterdir():
        slice_ = pydicom.dcmread(file)
        del slice_.RescaleIntercept
        slice_.save_as(file)
    assert collect(ct, mask, tmp_path / "set", "--accept") == 2
    assert "expected HU that are certain, so export the series again" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_tilted_gantry_keeps_its_geometry(tmp_path):
    write_series(tmp_path / "ct", patient_array(), stack_positions(5, step=(0.0, 1.0, 3.0)))
    mask = outline(tmp_path / "gtv.nrrd", tmp_path / "ct", 4)
    assert collect(tmp_path / "ct", mask, tmp_path / "set", "--accept") == 0
    (case,) = find_cases(tmp_path / "set")
    image = read_volume(case.image)
    assert image.sheared and image.same_grid(read_volume(tmp_path / "ct"))
    assert read_label(case, image).sum() == read_volume(mask).array.sum()


def test_whose_other_cases_are_stays_in_the_list_of_patients(study, tmp_path):
    write_case(tmp_path / "set" / "other", 1)
    (tmp_path / "set" / "patients.json").write_text(json.dumps({"other": "B"}))
    assert collect(*study, tmp_path / "set", "--accept") == 0
    listed = json.loads((tmp_path / "set" / "patients.json").read_text())
    assert listed.pop("other") == "B" and len(listed) == 1
