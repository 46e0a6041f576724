"""Whose slices they are, and which files are slices: patients, copies, versions, preambles, damage, permissions."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, stack_positions, write_series
from rtstruct_samples import square, write_rtstruct

from GTVAutoSegLib.batch.find import find_cohort
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.headers import Patient
from GTVAutoSegLib.images.dicom.tree import scan
from GTVAutoSegLib.images.read import read_volume

ARRAY = patient_array()


def change(path, **tags):
    data = pydicom.dcmread(path)
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(path)


def strip(path, implicit=True, little=True):
    """Leave a file without preamble and file meta information."""
    data = pydicom.dcmread(path)
    with path.open("wb") as file:
        options = {"implicit_vr": implicit, "little_endian": little, "force_encoding": not little}
        pydicom.dcmwrite(file, pydicom.Dataset(data), enforce_file_format=False, **options)


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        ({"PatientID": "P2"}, "PatientID"),
        ({"PatientID": ""}, "PatientID"),
        ({"PatientName": "Phantom^Two"}, "PatientName"),
        ({"PatientBirthDate": "19500101"}, "PatientBirthDate"),
        ({"FrameOfReferenceUID": "1.2.3"}, "frame of reference"),
        ({"Modality": "MR"}, "modality"),
    ],
)
def test_slices_of_two_patients_or_places_are_not_stacked(tmp_path, tags, named):
    files = write_series(tmp_path, ARRAY, PatientBirthDate="19400101")
    change(files[4], **tags)
    with pytest.raises(InputError, match=f"028_4.dcm has another {named} than 000_0.dcm of the same series"):
        read_volume(tmp_path)


def test_a_patient_is_told_from_another_by_what_both_have():
    eva = Patient("7", "Meier^Eva^^", "19500101")
    assert eva.unlike(Patient("7", "MEIER^EVA", "19500101")) == eva.unlike(Patient("", "Meier Eva")) == ""
    assert eva.unlike(Patient("8", "Meier^Eva")) == "PatientID"
    assert eva.unlike(Patient("7", "Meier^Uwe")) == "PatientName"
    assert eva.unlike(Patient("7", "", "19500102")) == "PatientBirthDate"


def test_two_patients_whose_slices_share_all_uids_give_no_chimera(tmp_path, capsys):
    for name, count in (("P1", 5), ("P2", 8)):
        array = patient_array((count, 20, 24), seed=count)
        files = write_series(tmp_path / "in" / name, array, series="1.2.3", PatientID=name)
        write_rtstruct(tmp_path / "in" / name / "rs.dcm", files, {"GTV": [square(-5, -10, 5, 4, -27)]})
    assert main(["import", str(tmp_path / "in"), str(tmp_path / "out"), "--roi", "GTV"]) == 2
    assert "PatientID" in capsys.readouterr().err
    assert not any((tmp_path / "out").glob("case_*"))


def test_copies_are_read_once_and_said_everywhere(tmp_path):
    write_series(tmp_path / "a", ARRAY)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").iterdir():
        change(path, InstitutionName="as an archive adds on the way")
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, ARRAY)
    assert len(volume.notes) == 1 and volume.notes[0].startswith("left aside: 5 copies such as ")
    (series,) = scan(tmp_path).series.values()
    assert (len(series.slices), len(series.copies)) == (5, 5)
    cohort = find_cohort(tmp_path)
    assert [len(case.files) for case in cohort.cases] == [5]
    assert [(one.reason, one.files, one.lost) for one in cohort.skipped] == [("copies", 5, False)]


def test_two_versions_of_one_slice_are_named_not_chosen_from(tmp_path):
    files = write_series(tmp_path / "a", ARRAY)
    (tmp_path / "b").mkdir()
    other = shutil.copy(files[2], tmp_path / "b" / "other.dcm")
    change(other, PixelData=bytes(ARRAY[0].size * 2))
    with pytest.raises(InputError, match=r"other.dcm has the SOPInstanceUID of .*014_2.dcm and other content"):
        read_volume(tmp_path)


@pytest.mark.parametrize("encoding", [{}, {"implicit": False}, {"implicit": False, "little": False}])
def test_slices_without_preamble_are_slices_like_the_others(tmp_path, encoding):
    for path in write_series(tmp_path, ARRAY)[3:]:
        if not encoding.get("little", True):
            data = pydicom.dcmread(path)
            change(path, PixelData=np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes())
        strip(path, **encoding)
    np.testing.assert_array_equal(read_volume(tmp_path).array, ARRAY)
    assert [len(case.files) for case in find_cohort(tmp_path).cases] == [5]


def test_a_structure_set_without_preamble_is_read(tmp_path):
    files = write_series(tmp_path / "in", ARRAY)
    strip(write_rtstruct(tmp_path / "in" / "rs.dcm", files, {"GTV": [square(-5, -10, 5, 4, -27)]}))
    assert main(["import", str(tmp_path / "in"), str(tmp_path / "out"), "--roi", "GTV"]) == 0


def test_other_files_are_not_taken_for_slices_without_preamble(tmp_path):
    write_series(tmp_path, ARRAY)
    (tmp_path / "table").write_bytes(b"\x08\x00\x16\x00" + bytes(range(200)))
    (tmp_path / "text").write_bytes(b"\x08\x00\x05\x00CS\x04\x00 no DICOM at all" * 20)
    assert len(scan(tmp_path).others) + len(scan(tmp_path).problems) == 2
    assert [len(series.slices) for series in scan(tmp_path).series.values()] == [5]


def test_a_slice_without_modality_is_what_its_class_says(tmp_path):
    write_series(tmp_path, patient_array((6, 20, 24)), Modality=None)
    assert read_volume(tmp_path).modality == "CT"
    assert len(find_cohort(tmp_path).cases) == 1


@pytest.mark.parametrize("length", [134, 140, 145, 153, 171, 300, 420, 700, 800, 900])
def test_a_file_cut_anywhere_is_named_and_the_others_are_done(tmp_path, length, capsys):
    files = write_series(tmp_path / "in" / "good", patient_array((6, 20, 24)))
    write_rtstruct(tmp_path / "in" / "rs.dcm", files, {"GTV": [square(-5, -10, 5, 4, -27)]})
    cut = tmp_path / "in" / "bad" / "cut.dcm"
    cut.parent.mkdir()
    cut.write_bytes(files[0].read_bytes()[:length])

    cohort = find_cohort(tmp_path / "in")
    assert len(cohort.cases) == 1
    assert cohort.lost
    assert [one.path for one in cohort.skipped if one.lost] == [str(cut)]
    with pytest.raises(InputError, match=r"cut\.dcm is a damaged DICOM file"):
        read_volume(tmp_path / "in")
    assert main(["import", str(tmp_path / "in"), str(tmp_path / "out"), "--roi", "GTV"]) == 1
    assert "cut.dcm is a damaged DICOM file" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("case_*"))) == 1


@pytest.mark.parametrize("folder", [False, True])
def test_what_may_not_be_read_is_named_and_not_called_damaged(shared_folder, unreadable, folder, capsys):
    files = write_series(shared_folder / "in" / "P1", patient_array((6, 20, 24)))
    write_rtstruct(shared_folder / "in" / "rs.dcm", files, {"GTV": [square(-5, -10, 5, 4, -27)]})
    locked = write_series(shared_folder / "in" / "P2", ARRAY, series="1.2.9", PatientID="P2")[0]
    (shared_folder / "out").mkdir(mode=0o777)
    (shared_folder / "out").chmod(0o777)
    path = locked.parent if folder else locked
    unreadable(path)
    with pytest.raises(InputError, match=rf"{path} cannot be read \(Permission denied\)"):
        read_volume(shared_folder / "in")
    assert [one.path for one in find_cohort(shared_folder / "in").skipped if one.lost] == [str(path)]
    assert main(["import", str(shared_folder / "in"), str(shared_folder / "out"), "--roi", "GTV"]) == 1
    assert "damaged" not in (error := capsys.readouterr().err) and str(path) in error


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    write_series(tmp_path, ARRAY)
    (tmp_path / "slice.dcm").symlink_to(tmp_path / "gone.dcm")
    with pytest.raises(InputError, match=r"slice\.dcm cannot be read \(No such file or directory\)"):
        read_volume(tmp_path)


def test_a_batch_says_by_its_exit_code_that_something_could_not_be_read(tmp_path, capsys):
    from bundles import make_bundle

    write_series(tmp_path / "in" / "good", patient_array((6, 20, 24)), stack_positions(6))
    (tmp_path / "in" / "link.dcm").symlink_to(tmp_path / "gone.dcm")
    assert (
        main(["batch", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(make_bundle(tmp_path / "m"))]) == 1
    )
    assert str(tmp_path / "in" / "link.dcm") in capsys.readouterr().err


def test_an_image_that_lost_its_place_beside_a_ct_is_said_by_segment_and_batch(tmp_path):
    files = write_series(tmp_path, patient_array((7, 20, 24)))
    change(files[6], ImagePositionPatient=[], SeriesInstanceUID="")
    (note,) = read_volume(tmp_path).notes
    assert "left aside: 1 image without a place in space, such as 042_6.dcm; slices may be missing" in note
    (case,) = find_cohort(tmp_path).cases
    assert "no place in space" in case.notes[0]


def test_a_patient_without_a_structure_set_is_not_left_out_in_silence(tmp_path, capsys):
    files = write_series(tmp_path / "in" / "P1", ARRAY)
    write_rtstruct(tmp_path / "in" / "rs.dcm", files, {"GTV": [square(-5, -10, 5, 4, -27)]})
    write_series(tmp_path / "in" / "P2", ARRAY, PatientID="P2")
    (tmp_path / "in" / "empty.dcm").touch()
    assert main(["import", str(tmp_path / "in"), str(tmp_path / "out"), "--roi", "GTV"]) == 1
    error = capsys.readouterr().err
    assert "failed: P2: " in error and "has no structure set" in error
    assert "1 empty file (0 bytes) such as" in error


def test_a_list_of_a_tree_that_cannot_all_be_read_says_so_by_its_exit_code(tmp_path, capsys):
    write_series(tmp_path, ARRAY)
    (tmp_path / "cut.dcm").write_bytes(bytes(128) + b"DICM\2\0")
    assert main(["import", str(tmp_path), "--list"]) == 1
    assert "cut.dcm is a damaged DICOM file" in capsys.readouterr().err


@pytest.mark.parametrize("tail", [b"\xfc\xff\xfc\xff\x10\0\0\0" + bytes(116), bytes(40), b""])
def test_padding_behind_the_pixels_is_no_fault(tmp_path, tail):
    for path in write_series(tmp_path, ARRAY):
        path.write_bytes(path.read_bytes() + tail)
    np.testing.assert_array_equal(read_volume(tmp_path).array, ARRAY)


def test_bytes_put_in_among_the_pixels_are_found_by_those_they_push_out(tmp_path):
    files = write_series(tmp_path, ARRAY)
    content = files[2].read_bytes()
    files[2].write_bytes(content[:-500] + b"\x07\x07\x07" + content[-500:])
    with pytest.raises(InputError, match=r"014_2\.dcm has bytes behind its pixels that are no DICOM"):
        read_volume(tmp_path)
