"""From DICOM folders to a data set: matching, naming and masks."""

from __future__ import annotations

import gzip
import json
import shutil

import numpy as np
import pytest
from dicom_samples import patient_array, slice_dataset, stack_positions, write_series
from imports import NODE, TUMOUR, case_of, patient, run
from rtstruct_samples import square, write_rtstruct

from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set, roi_mask
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.training.data.dataset import find_cases, read_label, read_patients


def test_patients_in_any_nesting_become_cases_with_their_own_ct(tmp_path, capsys):
    uids = [patient(tmp_path / "dicom" / "a", "P1"), patient(tmp_path / "dicom" / "b" / "c", "P2", seed=1)]
    (tmp_path / "dicom" / "notes.txt").write_text("not DICOM")

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "gtvp") == 0

    output = capsys.readouterr().out
    cases = find_cases(tmp_path / "set")
    assert [case.name for case in cases] == sorted(map(case_of, uids))
    for name, folder, uid in (("P1", "a", uids[0]), ("P2", "b/c", uids[1])):
        case = next(case for case in cases if case.name == case_of(uid))
        image, expected = read_volume(case.image), read_volume(tmp_path / "dicom" / folder / name / "ct")
        assert image.same_grid(expected)
        assert image.array.dtype == np.int16
        assert np.array_equal(image.array, expected.array)
        rois = read_structure_set(tmp_path / "dicom" / folder / name / "rt" / "rs.dcm").rois
        mask = roi_mask(rois, expected)[0]
        assert mask.any()
        assert np.array_equal(read_label(case, image), mask)
        assert f"{name} -> {case.image.parent}  GTVp: " in output


def test_two_patients_in_one_folder_are_kept_apart(tmp_path):
    uids = []
    for seed, name in enumerate(("P1", "P2")):
        uids.append(patient(tmp_path / "from", name, seed=seed))
        for file in (tmp_path / "from" / name).rglob("*.dcm"):
            (tmp_path / "dicom").mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / "dicom" / f"{name}_{file.name}")

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0

    for seed, uid in enumerate(uids):
        image = read_volume(tmp_path / "set" / case_of(uid) / "data.nii.gz")
        assert np.array_equal(image.array, patient_array(seed=seed))


def test_an_export_that_lies_there_twice_is_read_once(tmp_path):
    uid = patient(tmp_path / "dicom", "P1")
    shutil.copytree(tmp_path / "dicom" / "P1", tmp_path / "dicom" / "copy of P1")

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0
    assert [case.name for case in find_cases(tmp_path / "set")] == [case_of(uid)]


@pytest.mark.parametrize("references", [{"name_series": False}, {"name_instances": False}])
def test_the_ct_is_found_by_series_or_by_the_images_of_the_contours(tmp_path, references):
    wanted = write_series(tmp_path / "dicom" / "planning", patient_array(seed=1))
    write_series(tmp_path / "dicom" / "diagnostic", patient_array(seed=2))
    write_rtstruct(tmp_path / "dicom" / "rs.dcm", wanted, {"GTVp": TUMOUR}, **references)

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0

    case = find_cases(tmp_path / "set")[0]
    assert np.array_equal(read_volume(case.image).array, patient_array(seed=1))


def test_matching_rois_are_joined(tmp_path):
    patient(tmp_path / "dicom", "P1", {"GTVp": TUMOUR, "GTVn": NODE, "PTV_GTVp": [square(-9, -18, 9, 8, -24)]})

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "gtv[pn]", "--name-by", "patient") == 0

    rois = read_structure_set(tmp_path / "dicom" / "P1" / "rt" / "rs.dcm").rois
    image = read_volume(tmp_path / "set" / "P1" / "data.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "set" / "P1" / "label.nii.gz").array, roi_mask(rois[:2], image)[0])


def test_each_roi_gets_a_data_set_of_its_own(tmp_path):
    patient(tmp_path / "dicom", "P1", {"GTV p": TUMOUR, "GTVn": NODE})

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "gtv.*", "--each", "--name-by", "patient") == 0

    image = read_volume(tmp_path / "set" / "GTVn" / "P1" / "data.nii.gz")
    rois = read_structure_set(tmp_path / "dicom" / "P1" / "rt" / "rs.dcm").rois
    for folder, roi in (("GTV_p", rois[0]), ("GTVn", rois[1])):
        label = read_volume(tmp_path / "set" / folder / "P1" / "label.nii.gz")
        assert np.array_equal(label.array, roi_mask([roi], image)[0])


def test_nothing_in_a_case_names_the_patient(tmp_path):
    uid = patient(tmp_path / "Meier^Eva", "Meier-Eva-1950", PatientName="Meier^Eva")

    assert run(tmp_path / "Meier^Eva", tmp_path / "set", "--roi", "GTVp") == 0

    folder = tmp_path / "set" / case_of(uid)
    record = (folder / "import.json").read_text()
    assert json.loads(record)["rois"] == [{"number": 7, "name": "GTVp", "contours": 2}]
    assert "Meier" not in record and uid not in record and str(tmp_path) not in record
    for name in ("data.nii.gz", "label.nii.gz"):
        assert b"Meier" not in gzip.decompress((folder / name).read_bytes())


def test_a_structure_set_without_matches_beside_one_with_does_no_harm(tmp_path):
    patient(tmp_path / "dicom", "P1")
    ct = sorted((tmp_path / "dicom" / "P1" / "ct").iterdir())
    write_rtstruct(tmp_path / "dicom" / "P1" / "rt" / "organs.dcm", ct, {"Lung_L": NODE})

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0


def test_list_shows_everything_and_writes_nothing(tmp_path, capsys):
    uid = patient(tmp_path / "dicom", "P1", {"GTVp": TUMOUR, "Lung_L": NODE})
    write_series(tmp_path / "dicom" / "pet", patient_array(), modality="PT", description="PET", PatientID="P1")
    patient(tmp_path / "dicom", "P2", seed=1)
    shutil.rmtree(tmp_path / "dicom" / "P2" / "ct")

    assert run(tmp_path / "dicom", "--list", "--roi", "gtv.*") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "patient P1"
    assert f"  CT 'Planning CT', 5 slices of 24 x 20, UID {uid}" in lines
    assert any(line.split() == ["GTVp", "2", "contours", "<-", "matches"] for line in lines)
    assert any(line.split() == ["Lung_L", "1", "contour"] for line in lines)
    assert any(line.startswith("  PT 'PET', 5 slices") for line in lines)
    assert "    no structure set" in lines
    assert "structure sets whose CT is not here" in lines
    assert lines[-1] == "2 series, 2 structure sets"
    assert [path.name for path in tmp_path.iterdir()] == ["dicom"]


def test_a_tilted_gantry_keeps_its_geometry(tmp_path):
    positions = stack_positions(5, step=(0.0, 1.0, 3.0))
    ct = write_series(tmp_path / "dicom", patient_array(), positions, PatientID="P1")
    write_rtstruct(tmp_path / "dicom" / "rs.dcm", ct, {"GTVp": TUMOUR})

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp", "--name-by", "patient") == 0

    case = find_cases(tmp_path / "set")[0]
    image = read_volume(case.image)
    assert image.sheared
    assert image.same_grid(read_volume(tmp_path / "dicom"))
    assert read_label(case, image).any()


def test_hu_that_are_no_whole_numbers_are_rounded_and_those_beyond_int16_clipped_and_said(tmp_path, capsys):
    array = patient_array()
    folder = tmp_path / "dicom"
    folder.mkdir()
    files = []
    for index, position in enumerate(stack_positions(5)):
        data = slice_dataset(array[index], position, series="1.2.3", number=index + 1, RescaleSlope=20.5)
        files.append(folder / f"{index}.dcm")
        data.save_as(files[-1], enforce_file_format=True)
    write_rtstruct(folder / "rs.dcm", files, {"GTVp": TUMOUR})

    assert run(folder, tmp_path / "set", "--roi", "GTVp") == 0

    exact = read_volume(folder).array
    stored = read_volume(find_cases(tmp_path / "set")[0].image).array
    assert stored.dtype == np.int16
    assert np.array_equal(stored, np.rint(exact).clip(-32768, 32767))
    assert "voxels beyond -32768 to 32767 HU clipped" in capsys.readouterr().err


def test_several_cts_of_a_patient_are_written_down_without_naming_it(tmp_path, capsys):
    first = sorted(case_of(patient(tmp_path / "dicom" / str(n), "Meier-1950", seed=n)) for n in range(2))
    patient(tmp_path / "dicom", "P2", seed=2)

    assert run(tmp_path / "dicom", tmp_path / "set", "--roi", "GTVp") == 0
    path = tmp_path / "set" / "patients.json"
    assert json.loads(path.read_text()) == {first[1]: first[0]}
    assert f"{path}: cases of one patient, which training keeps together" in capsys.readouterr().out

    # A third one, exported later together with one of the others.
    third = case_of(patient(tmp_path / "later", "Meier-1950", seed=3))
    shutil.copytree(tmp_path / "dicom" / "1", tmp_path / "later" / "again")
    assert run(tmp_path / "later", tmp_path / "set", "--roi", "GTVp") == 0
    patients = read_patients(tmp_path / "set", [case.name for case in find_cases(tmp_path / "set")])
    assert len(patients) == 4 and len({patients[name] for name in (*first, third)}) == 1
    assert len(set(patients.values())) == 2
    assert "Meier" not in path.read_text()
