"""Finding the CTs of a batch: folders, DICOM trees, tables; what is skipped and why."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_samples import patient_array, slice_dataset, stack_positions, write_series, write_structure_set
from pydicom.uid import UID, SecondaryCaptureImageStorage

from GTVAutoSegLib.batch.find import find_cohort
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.tree import scan
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.write import check_outputs
from GTVAutoSegLib.system.files import check_writable
from GTVAutoSegLib.system.names import short_hash

SERIES = "1.2.826.0.1.3680043.8.498.77"
CT = patient_array((6, 20, 24))


def write_volume(path, array=CT):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


def reasons(cohort):
    return {skipped.what: skipped.reason for skipped in cohort.skipped}


def test_volumes_are_called_after_their_path_and_a_data_set_s_after_its_folder(tmp_path):
    write_volume(tmp_path / "ct one.nii.gz")
    write_volume(tmp_path / "ward" / "b.NRRD")
    write_volume(tmp_path / "P7" / "data.nii.gz")
    cohort = find_cohort(tmp_path)
    assert [(case.name, case.source) for case in cohort.cases] == [
        ("P7", "P7/data.nii.gz"),
        ("ct_one", "ct one.nii.gz"),
        ("ward_b", "ward/b.NRRD"),
    ]


def test_labels_segmentations_and_stacks_of_few_slices_are_skipped_with_their_reason(tmp_path):
    write_volume(tmp_path / "P1" / "data.nii.gz")
    write_volume(tmp_path / "P1" / "label.nii.gz", (CT > 0).astype(np.int16))
    write_volume(tmp_path / "mask.nrrd", (CT > 0).astype(np.uint8))
    write_volume(tmp_path / "gtv.seg.nrrd")
    write_volume(tmp_path / "scout.mha", CT[:2])
    (tmp_path / "notes.txt").write_text("hello")
    cohort = find_cohort(tmp_path)
    assert [case.name for case in cohort.cases] == ["P1"]
    assert reasons(cohort) == {
        "P1/label.nii.gz": "the label of a data set",
        "mask.nrrd": "8-bit voxels: a label map or a preview, not HU",
        "gtv.seg.nrrd": "a segmentation",
        "scout.mha": "too few slices for a CT, expected at least 5",
        "1 file": "neither DICOM nor a volume",
    }


def test_a_volume_that_cannot_be_read_is_left_to_fail_by_name(tmp_path):
    (tmp_path / "empty.nii.gz").touch()
    assert [case.name for case in find_cohort(tmp_path).cases] == ["empty"]


@pytest.fixture
def archive(tmp_path):
    """What a planning system exports: nested folders named after the patient, and more than the CT."""
    root = tmp_path / "in"
    deep = root / "Müller^Hans" / "2024" / "study"
    write_series(deep / "ct", CT, series=SERIES)
    write_series(deep / "ct" / "scout", CT[:1], series=SERIES + ".1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(deep / "pet", CT, series=SERIES + ".2", modality="PT")
    capture = slice_dataset(CT[0], (0, 0, 0), series=SERIES + ".3")
    capture.SOPClassUID = capture.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    capture.save_as(deep / "screen.dcm", enforce_file_format=True)
    write_series(deep / "few", CT[:3], series=SERIES + ".4")
    write_structure_set(deep / "RS.dcm")
    dose = slice_dataset(CT[0], (0, 0, 0), series=SERIES + ".5", Modality="RTDOSE")
    dose.SOPClassUID = dose.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.481.2")
    dose.save_as(deep / "dose.dcm", enforce_file_format=True)
    return root


def test_of_a_study_only_the_ct_is_taken_and_the_rest_named_with_its_reason(archive):
    cohort = find_cohort(archive)
    (case,) = cohort.cases
    assert case.is_dicom and len(case.files) == 6
    expected = {
        f"series_{short_hash(SERIES + '.1')}, 1 image": "scout (localizer)",
        f"series_{short_hash(SERIES + '.2')}, 6 images": "PT, not CT",
        f"series_{short_hash(SERIES + '.3')}, 1 image": "secondary capture",
        f"series_{short_hash(SERIES + '.4')}, 3 images": "too few slices for a CT, expected at least 5",
    }
    assert {skipped.what: skipped.reason for skipped in cohort.skipped if "series" in skipped.what} == expected
    others = {skipped.reason for skipped in cohort.skipped if skipped.what == "1 file"}
    assert others == {"RTDOSE, not an image", "RTSTRUCT, not an image"}
    assert not any("ller" in skipped.what + skipped.reason for skipped in cohort.skipped)


def test_names_tell_nothing_of_the_patient_unless_asked_for(archive):
    (case,) = find_cohort(archive).cases
    assert case.name == case.source == f"case_{short_hash(SERIES)}"
    (named,) = find_cohort(archive, by_patient=True).cases
    assert (named.name, named.source) == (f"P1_{short_hash(SERIES)}", case.source)


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_a_patient_id_in_latin_1_and_utf_8_is_the_same_name(tmp_path, charset):
    write_series(tmp_path, CT, series=SERIES, SpecificCharacterSet=charset, PatientID="Müller/Jörg: 7")
    (case,) = find_cohort(tmp_path, by_patient=True).cases
    assert case.name == f"Müller_Jörg_7_{short_hash(SERIES)}"


def test_two_series_in_one_folder_are_two_cases_and_a_copy_of_an_export_is_none(tmp_path):
    write_series(tmp_path / "mixed", CT, series=SERIES)
    for path in write_series(tmp_path / "other", CT, series=SERIES + ".1"):
        path.rename(tmp_path / "mixed" / f"b{path.name}")
    shutil.copytree(tmp_path / "mixed", tmp_path / "copy")
    cohort = find_cohort(tmp_path)
    assert sorted(len(case.files) for case in cohort.cases) == [6, 6]
    assert len({case.name for case in cohort.cases}) == 2


def test_empty_and_damaged_files_beside_a_ct_are_said_and_noted(tmp_path):
    paths = write_series(tmp_path, CT, series=SERIES)
    (tmp_path / "zero.dcm").touch()
    (tmp_path / "cut.dcm").write_bytes(paths[0].read_bytes()[:400])
    cohort = find_cohort(tmp_path)
    assert {skipped.reason for skipped in cohort.skipped} == {"empty, 0 bytes", "damaged DICOM"}
    assert [note.partition(";")[0] for note in cohort.cases[0].notes] == [
        "1 file beside the CT left aside (empty, 0 bytes)",
        "1 file beside the CT left aside (damaged DICOM)",
    ]


def test_a_localizer_in_the_ct_s_own_series_is_left_out_of_it(tmp_path):
    write_series(tmp_path, CT, series=SERIES)
    scout = slice_dataset(CT[0], (0, 0, 0), series=SERIES, number=99, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    scout.save_as(tmp_path / "scout.dcm", enforce_file_format=True)
    cohort = find_cohort(tmp_path)
    assert len(cohort.cases[0].files) == 6 and len(cohort.skipped) == 1


def test_slices_without_series_uid_are_kept_together_by_folder(tmp_path):
    for name in ("a", "b"):
        write_series(tmp_path / name, CT, positions=stack_positions(6), SeriesInstanceUID="")
        for index, path in enumerate(sorted((tmp_path / name).iterdir())):
            path.rename(path.with_name(f"{name}{index}.dcm"))
    assert [len(case.files) for case in find_cohort(tmp_path).cases] == [6, 6]


def test_the_output_and_hidden_files_are_not_looked_at(tmp_path):
    write_volume(tmp_path / "a.nrrd")
    write_volume(tmp_path / "out" / "a" / "a.nii.gz")
    (tmp_path / "._a.nrrd").write_bytes(b"\0" * 100)
    assert [case.name for case in find_cohort(tmp_path, tmp_path / "out").cases] == ["a"]


def test_links_to_folders_are_followed_each_folder_once(tmp_path):
    write_series(tmp_path / "elsewhere" / "ct", CT, series=SERIES)
    write_volume(tmp_path / "in" / "z" / "ct.nrrd")
    (tmp_path / "in" / "a").symlink_to(tmp_path / "in" / "z")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "patient").symlink_to(tmp_path / "elsewhere")
    assert sorted(case.source for case in find_cohort(tmp_path / "in").cases) == [
        f"case_{short_hash(SERIES)}",
        "z/ct.nrrd",
    ]
    assert len(scan(tmp_path / "in").series[SERIES].slices) == 6
    assert np.array_equal(read_volume(tmp_path / "in" / "patient").array, CT)


def test_a_table_names_volumes_and_folders_relative_to_itself(tmp_path):
    write_volume(tmp_path / "x" / "ct.nrrd")
    write_series(tmp_path / "dicom", CT, series=SERIES)
    write_series(tmp_path / "two" / "a", CT, series=SERIES + ".1")
    write_series(tmp_path / "two" / "b", CT, series=SERIES + ".2")
    table = tmp_path / "cases.csv"
    table.write_text(
        "Name;Path;remark\nA/1;x/ct.nrrd;\n\nB;dicom;good\nB;dicom;again\nC;gone.nrrd\nD;two\n", encoding="utf-8-sig"
    )
    cohort = find_cohort(table)
    assert [(case.name, len(case.files), case.source) for case in cohort.cases] == [("A_1", 1, "A_1"), ("B", 6, "B")]
    assert dict(cohort.failed) == {
        "C": "row 6 names a path that does not exist; expected a volume or a folder",
        "D": "row 7 names a folder with 2 CTs; expected one",
    }


def test_slices_that_wrongly_share_an_instance_uid_are_not_taken_for_copies(tmp_path):
    files = write_series(tmp_path / "ct", CT)
    for file in files[-2:]:
        data = pydicom.dcmread(file)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        data.save_as(file)
    (case,) = find_cohort(tmp_path).cases
    assert len(case.files) == 6
    (series,) = scan(tmp_path).series.values()
    assert len(series.slices) == 6
    with pytest.raises(InputError, match="without a SOP instance UID of their own"):
        check_outputs([tmp_path / "gtv.dcm"], read_volume(tmp_path / "ct"))


def test_names_in_latin_1_on_disk_are_read_and_shown_without_them(tmp_path):
    write_series(tmp_path / "ascii" / "dicom", CT)
    write_volume(tmp_path / "ascii" / "ct.nii.gz")
    folder = (tmp_path / "ascii").rename(tmp_path / os.fsdecode("Jörg".encode("latin-1")))
    path = folder / "ct.nii.gz"
    cohort = find_cohort(tmp_path)
    assert [case.source for case in cohort.cases if not case.is_dicom] == ["J\ufffdrg/ct.nii.gz"]
    assert all(case.name.isascii() for case in cohort.cases)
    for source in (path, folder / "dicom"):
        assert np.array_equal(read_volume(source).array, CT)
    with pytest.raises(InputError, match="not UTF-8"):
        check_writable(folder / "gtv.nrrd")


def test_a_name_longer_than_a_disk_allows_is_one_sentence(capsys, tmp_path):
    (tmp_path / "cases.csv").write_text(f"name,path\na,{'x' * 300}\n")
    ((name, text),) = find_cohort(tmp_path / "cases.csv").failed
    assert name == "a" and "row 2 names a path that cannot be looked at" in text
    assert main(["batch", str(tmp_path / ("x" * 300)), str(tmp_path / "out"), "--model", "sts-gtv"]) == 2
    assert "has a longer name than the disk allows; choose a shorter one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"case,file\na,b\n", "has the columns case, file; expected name and path"),
        (b"name,path\na,\n", "has no path in line 2"),
        (b"name,path\n\xe4,b\n", "cannot be read as UTF-8"),
        (b"", "has the columns none"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=words):
        find_cohort(tmp_path / "t.csv")


def test_an_input_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither a folder nor a .csv table"):
        find_cohort(tmp_path / "gone")
