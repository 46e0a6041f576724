"""Structure sets as planning systems really write them: types, numbers, frames of reference, other patients' CTs."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, write_series
from rtstruct_samples import square, write_rtstruct

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.read import read_volume

HEIGHTS = (-30, -27, -24, -21, -18)
FRAME, OTHER_FRAME = "1.2.826.0.1.3680043.8.498.2", "1.2.826.0.1.3680043.8.498.77"


def ring(height: float, centre=(0.0, -5.0), radius: float = 5.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x, y = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
    return np.column_stack([x, y, np.full(40, height)])


GTV = [ring(height) for height in HEIGHTS]


class Study:
    """A CT and its structure set, which is changed and then imported."""

    def __init__(self, folder: Path, rois=None, **options) -> None:
        self.folder = folder
        self.ct = write_series(folder / "in" / "ct", patient_array())
        self.path = write_rtstruct(folder / "in" / "rs.dcm", self.ct, {"GTV": GTV} if rois is None else rois, **options)
        self.data = pydicom.dcmread(self.path)

    def imported(self, *options, roi="gtv.*"):
        """Exit code, and the label of the only case or None."""
        self.data.save_as(self.path)
        code = main(["import", str(self.folder / "in"), str(self.folder / "out"), "--roi", roi, *options])
        cases = [path for path in (self.folder / "out").glob("*") if path.is_dir()]
        return code, read_volume(cases[0] / "label.nii.gz").array if cases else None

    def contours(self, roi=0):
        return self.data.ROIContourSequence[roi].ContourSequence


@pytest.fixture
def plain(tmp_path):
    """The label of the unchanged study."""
    return Study(tmp_path / "plain").imported()[1]


@pytest.mark.filterwarnings("ignore:.*VR CS")
@pytest.mark.parametrize(
    ("kind", "remark"),
    [
        ("CLOSED PLANAR", ""),
        ("closed_planar", ""),
        ("CLOSEDPLANAR", ""),
        ("INTERPOLATED_PLANAR", "5 contours interpolated"),
        ("OPEN_PLANAR", "5 contours called open, but ending where begun: taken as closed"),
        ("", "5 contours without a type, taken as closed"),
        (None, "5 contours without a type"),
    ],
)
def test_contours_that_are_closed_are_read_whatever_they_are_called(tmp_path, plain, kind, remark, capsys):
    study = Study(tmp_path)
    for item in study.contours():
        item.ContourGeometricType = kind
        if kind is None:
            del item.ContourGeometricType
    code, label = study.imported()
    assert code == 0
    assert np.array_equal(label, plain)
    error = capsys.readouterr().err
    assert remark in error and (remark or "warning" not in error)


@pytest.mark.parametrize("kind", ["OPEN_PLANAR", "OPEN_NONPLANAR", "POINT"])
def test_open_lines_and_points_alone_are_a_failure_not_a_normal_patient(tmp_path, kind, capsys):
    study = Study(tmp_path, {"GTV": [ring(height)[:20] for height in HEIGHTS]}, kind=kind)
    assert study.imported() == (2, None)
    assert "ROI 'GTV' with 5 contours and no voxel inside (points and open lines" in capsys.readouterr().err


def test_of_a_template_only_what_was_drawn_counts(tmp_path, plain, capsys):
    study = Study(tmp_path, {"GTV": GTV, "GTVn": []})
    code, label = study.imported()
    assert code == 0 and np.array_equal(label, plain)
    study = Study(tmp_path / "undrawn", {"GTV": []})
    del study.data.ROIContourSequence
    assert study.imported() == (2, None)
    assert "names 'GTV' and has no contours of it" in capsys.readouterr().err


def test_two_rois_of_one_number_are_not_told_apart_by_guess(tmp_path, capsys):
    study = Study(tmp_path, {"GTV": GTV, "BODY": [ring(height, radius=9) for height in HEIGHTS]})
    for sequence, name in (("StructureSetROISequence", "ROINumber"), ("ROIContourSequence", "ReferencedROINumber")):
        setattr(study.data[sequence].value[1], name, 7)
    assert study.imported() == (2, None)
    assert "leaves open which contours are those of ROI 'GTV' (2 ROIs have its number 7)" in capsys.readouterr().err


def test_contours_of_a_number_that_comes_twice_are_refused_and_those_without_a_name_said(tmp_path, capsys):
    study = Study(tmp_path, {"GTV": GTV, "BODY": GTV})
    study.data.ROIContourSequence[1].ReferencedROINumber = 7
    assert study.imported() == (2, None)
    assert "2 sets of contours have its number 7" in capsys.readouterr().err
    study.data.ROIContourSequence[1].ReferencedROINumber = 99
    assert study.imported()[0] == 0
    assert "has contours of 1 ROI that it does not name" in capsys.readouterr().err


def test_gaps_shifts_and_twins_are_said_in_numbers(tmp_path, plain, capsys):
    study = Study(tmp_path)
    del study.contours()[2]
    code, label = study.imported()
    assert code == 0 and not label[2].any()
    assert "1 slice inside it without contour (2, counted from 0), empty unless" in capsys.readouterr().err

    study = Study(tmp_path / "shifted", {"GTV": [np.add(points, (0, 0, 0.9)) for points in GTV]})
    assert np.array_equal(study.imported()[1], plain)
    assert "contours lie up to 0.9 mm beside the slice they were drawn on" in capsys.readouterr().err

    study = Study(tmp_path / "twice", {"GTV": [*GTV, *(points[::-1] for points in GTV)]})
    assert np.array_equal(study.imported()[1], plain)
    assert "5 contours drawn twice and taken once" in capsys.readouterr().err


def test_missing_slices_are_filled_on_wish(tmp_path, plain, capsys):
    study = Study(tmp_path)
    del study.contours()[2]
    code, label = study.imported("--fill-between")
    assert code == 0
    assert np.array_equal(label, plain)
    assert "1 slice between contours filled by interpolation" in capsys.readouterr().err


def test_a_wrong_number_of_points_is_said(tmp_path, capsys):
    study = Study(tmp_path)
    study.contours()[0].NumberOfContourPoints = 7
    assert study.imported()[0] == 0
    assert "1 contour with another number of points than NumberOfContourPoints says" in capsys.readouterr().err


def in_frames(study: Study, *frames: str) -> None:
    for item, frame in zip(study.data.StructureSetROISequence, frames):
        item.ReferencedFrameOfReferenceUID = frame
    first = study.data.ReferencedFrameOfReferenceSequence[0]
    study.data.ReferencedFrameOfReferenceSequence = []
    for frame in dict.fromkeys(frames):
        item = copy.deepcopy(first)
        item.FrameOfReferenceUID = frame
        study.data.ReferencedFrameOfReferenceSequence.append(item)


def test_rois_of_another_frame_of_reference_are_left_out_and_said(tmp_path, plain, capsys):
    study = Study(tmp_path, {"GTV": GTV, "GTV_MR": [ring(height, (8, 0)) for height in HEIGHTS]})
    in_frames(study, FRAME, OTHER_FRAME)
    code, label = study.imported()
    assert code == 0 and np.array_equal(label, plain)
    assert "'GTV_MR' lies in another frame of reference than the CT and was left out" in capsys.readouterr().err
    record = json.loads(next((tmp_path / "out").glob("*/import.json")).read_text())
    assert [roi["name"] for roi in record["rois"]] == ["GTV"]


def test_a_roi_drawn_on_an_mr_alone_is_refused(tmp_path, capsys):
    study = Study(tmp_path, {"GTV": GTV, "GTV_MR": GTV})
    write_series(tmp_path / "in" / "mr", patient_array(seed=3), modality="CT", frame_of_reference=OTHER_FRAME)
    for path in (tmp_path / "in" / "mr").iterdir():
        data = pydicom.dcmread(path)
        data.Modality = "MR"
        data.save_as(path)
    in_frames(study, FRAME, OTHER_FRAME)
    assert study.imported(roi="GTV_MR") == (2, None)
    assert "'GTV_MR' in another frame of reference than its CT" in capsys.readouterr().err


def test_a_lone_other_frame_with_everything_else_fitting_is_a_warning(tmp_path, plain, capsys):
    study = Study(tmp_path)
    in_frames(study, OTHER_FRAME)
    code, label = study.imported()
    assert code == 0 and np.array_equal(label, plain)
    assert "names another frame of reference than its CT" in capsys.readouterr().err


def test_the_ct_is_taken_before_the_mr_that_a_set_names_as_well(tmp_path, plain):
    study = Study(tmp_path, name_instances=False)
    mr = write_series(tmp_path / "in" / "mr", patient_array(seed=3), frame_of_reference=OTHER_FRAME)
    for path in mr:
        data = pydicom.dcmread(path)
        data.Modality = "MR"
        data.save_as(path)
    second = copy.deepcopy(study.data.ReferencedFrameOfReferenceSequence[0])
    second.FrameOfReferenceUID = OTHER_FRAME
    second.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].SeriesInstanceUID = data.SeriesInstanceUID
    study.data.ReferencedFrameOfReferenceSequence.insert(0, second)
    assert np.array_equal(study.imported()[1], plain)


@pytest.mark.parametrize("tags", [{"PatientID": "P2"}, {"PatientName": "Somebody^Else"}])
def test_a_set_of_another_patient_than_its_ct_is_refused(tmp_path, tags, capsys):
    study = Study(tmp_path)
    for name, value in tags.items():
        setattr(study.data, name, value)
        assert study.imported() == (2, None)
        assert f"has another {name} than its CT" in capsys.readouterr().err


def test_two_sets_of_one_uid_and_two_patients_are_both_imported_and_said(tmp_path, capsys):
    for name in ("P1", "P2"):
        ct = write_series(tmp_path / "in" / name, patient_array(), PatientID=name)
        write_rtstruct(tmp_path / "in" / f"{name}.dcm", ct, {"GTV": GTV}, SOPInstanceUID="1.2.3.4")
    assert main(["import", str(tmp_path / "in"), str(tmp_path / "out"), "--roi", "GTV"]) == 0
    assert len(list((tmp_path / "out").glob("case_*"))) == 2
    assert capsys.readouterr().err.count("shares its SOPInstanceUID with") == 2


def test_two_versions_of_one_set_are_not_chosen_from(tmp_path, capsys):
    study = Study(tmp_path)
    later = copy.deepcopy(study.data)
    later.StructureSetLabel = "LATER"
    later.save_as(tmp_path / "in" / "later.dcm")
    assert study.imported() == (2, None)
    assert "2 structure sets of the same CT have a matching ROI" in capsys.readouterr().err


def test_a_ct_whose_hu_are_in_doubt_is_not_imported(tmp_path, capsys):
    study = Study(tmp_path)
    for path in study.ct:
        data = pydicom.dcmread(path)
        del data.RescaleSlope, data.RescaleIntercept
        data.save_as(path)
    assert study.imported() == (2, None)
    assert "lacking RescaleSlope (0028,1053) and RescaleIntercept (0028,1052)" in capsys.readouterr().err


def test_a_contour_across_the_slices_is_named_with_its_roi(tmp_path, capsys):
    sagittal = square(0, 0, 0, 0, 0)
    sagittal[:] = [[0, -10, -30], [0, 0, -30], [0, 0, -18], [0, -10, -18]]
    assert Study(tmp_path, {"GTV": [sagittal]}).imported() == (2, None)
    assert "ROI 'GTV'" in capsys.readouterr().err
