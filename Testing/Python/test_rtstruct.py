"""Structure sets: names, contours of every kind, references, and damaged files."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, write_series, write_structure_set
from rtstruct_samples import square, write_rtstruct

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set, roi_mask
from GTVAutoSegLib.images.read import read_volume

# The series of dicom_samples: 5 slices of 20 x 24 from z = -30, 3 mm apart, pixels of 1.25 x 1.5 mm from (-10, -20).
HEIGHTS = [-30.0, -27.0, -24.0, -21.0, -18.0]


@pytest.fixture
def ct(tmp_path):
    return write_series(tmp_path / "ct", patient_array())


def test_names_numbers_and_references_are_read(tmp_path, ct):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": [square(0, 0, 9, 9, -24)], "Körper": []})
    structure_set = read_structure_set(path)

    assert [(roi.number, roi.name) for roi in structure_set.rois] == [(7, "GTVp"), (8, "Körper")]
    image = pydicom.dcmread(ct[2], stop_before_pixels=True)
    assert structure_set.series == (image.SeriesInstanceUID,)
    assert structure_set.rois[0].instances == {image.SOPInstanceUID}
    assert (structure_set.patient.id, structure_set.label, structure_set.date) == ("P1", "PLAN", "20240103")
    assert str(structure_set) == f"{path} ('PLAN', 20240103)"


def test_contours_keep_every_digit_of_the_file(tmp_path, ct):
    points = square(-3.1234567, 2.5, 7.75, 9.0001, -24)
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": [points]})

    assert np.array_equal(read_structure_set(path).rois[0].contours[0], points)


def test_the_mask_of_a_roi_lies_where_its_contours_are(tmp_path, ct):
    contours = [square(-5.1, -10.1, 5.1, 4.1, -27), square(-1, -5, 3, 1, -27), square(-5.1, -10.1, 5.1, 4.1, -24)]
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": contours})
    volume = read_volume(tmp_path / "ct")

    mask, notes = roi_mask(read_structure_set(path).rois, volume)

    y, x = np.indices(mask.shape[1:])
    x_mm, y_mm = -10 + 1.25 * x, -20 + 1.5 * y
    outer = (x_mm > -5.1) & (x_mm < 5.1) & (y_mm > -10.1) & (y_mm < 4.1)
    hole = (x_mm >= -1) & (x_mm < 3) & (y_mm >= -5) & (y_mm < 1)
    assert hole.any()
    assert np.array_equal(mask[1], outer & ~hole)
    assert np.array_equal(mask[2], outer)
    assert not mask[[0, 3, 4]].any()
    assert mask.dtype == np.uint8
    assert notes == ()


def test_several_rois_are_joined_and_do_not_cut_each_other(tmp_path, ct):
    rois = {"GTVp": [square(-5, -5, 5, 5, -24)], "GTVn": [square(0, 0, 9, 9, -24)]}
    found = read_structure_set(write_rtstruct(tmp_path / "rs.dcm", ct, rois)).rois
    volume = read_volume(tmp_path / "ct")

    together, first, second = (roi_mask(some, volume)[0] for some in (found, found[:1], found[1:]))

    assert (first & second).any()
    assert np.array_equal(together, first | second)


def test_xor_contours_of_newer_systems_are_read_as_well(tmp_path, ct):
    contours = [square(-5, -5, 5, 5, -24), square(-1, -1, 2, 2, -24)]
    masks = []
    for kind in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
        path = write_rtstruct(tmp_path / f"{kind}.dcm", ct, {"GTVp": contours}, kind=kind)
        masks.append(roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))[0])

    assert masks[0].any()
    assert np.array_equal(*masks)


def test_points_and_open_lines_are_left_out_and_said(tmp_path, ct):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTV": [square(0, 0, 9, 9, -24), np.array([[0.0, 0, -24]])]})
    mask, notes = roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))

    assert mask.any()
    assert notes == ("ROI 'GTV': 1 contour left out, enclosing nothing (points, open lines)",)


def test_a_roi_of_nothing_but_points_is_refused(tmp_path, ct):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"Iso": [np.array([[0.0, 0, -24]])]}, kind="POINT")

    with pytest.raises(InputError, match="ROI 'Iso' with 1 contour and no voxel inside .points and open lines"):
        roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))


def test_what_is_not_drawn_as_it_is_is_said(tmp_path, ct):
    contours = [square(-5, -5, 5, 5, height) for height in (-30, -29, -24, -18, 30)]
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": contours})
    _, notes = roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))

    assert notes == (
        "ROI 'GTVp': 1 contour left out, outside the CT",
        "ROI 'GTVp': 1 contour left out, between slices that others are closer to",
        "ROI 'GTVp': only every 2. slice has contours; those between stay empty",
    )


def test_contours_too_small_for_a_voxel_are_refused(tmp_path, ct):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": [square(0.1, 0.1, 0.3, 0.3, -24)]})

    with pytest.raises(InputError, match="and no voxel inside .too small to hold a voxel's centre"):
        roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))


def test_a_roi_wholly_outside_the_ct_is_refused(tmp_path, ct):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": [square(0, 0, 9, 9, 300), square(0, 0, 9, 9, 303)]})

    with pytest.raises(InputError, match="ROI 'GTVp' with 2 contours wholly outside the CT"):
        roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))


def test_a_roi_without_contours_is_an_empty_mask(tmp_path, ct):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": []})
    mask, notes = roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))

    assert not mask.any()
    assert notes == ()


@pytest.mark.parametrize("values", [["1", "2"], ["1", "2", "nan"], ["1", "2", "inf"]])
def test_points_that_are_not_numbers_in_threes_are_named(tmp_path, ct, values):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": [square(0, 0, 9, 9, -24)]})
    data = pydicom.dcmread(path)
    text = "\\".join(values).encode()
    data.ROIContourSequence[0].ContourSequence[0]["ContourData"] = pydicom.dataelem.DataElement(
        0x30060050, "OB", text + b" " * (len(text) % 2)
    )
    data.save_as(path)

    with pytest.raises(InputError, match="contour of ROI 'GTVp' whose points are not numbers in threes"):
        roi_mask(read_structure_set(path).rois, read_volume(tmp_path / "ct"))


def test_a_structure_set_without_rois_is_read(tmp_path):
    structure_set = read_structure_set(write_structure_set(tmp_path / "rs.dcm"))
    assert structure_set.rois == ()
    assert structure_set.series == ()


def test_other_files_are_refused(tmp_path, ct):
    with pytest.raises(InputError, match="has the modality CT; expected an RTSTRUCT"):
        read_structure_set(ct[0])
    text = tmp_path / "notes.txt"
    text.write_text("no DICOM " * 40)
    with pytest.raises(InputError, match=r"notes\.txt is not a DICOM file"):
        read_structure_set(text)


def test_a_truncated_structure_set_is_named(tmp_path, ct):
    path = write_rtstruct(tmp_path / "rs.dcm", ct, {"GTVp": [square(0, 0, 9, 9, height) for height in HEIGHTS]})
    path.write_bytes(path.read_bytes()[:-150])

    with pytest.raises(InputError, match=r"rs\.dcm is a damaged RTSTRUCT"):
        read_structure_set(path)
