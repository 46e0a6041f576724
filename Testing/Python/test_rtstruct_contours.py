"""Contours of a structure set: the mask given back, in the planes of its slices, and smooth where they may be."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from structure_sets import SCANS, SEGMENT, SHAPE, blobs, ct, read_back, write_rtstruct

from GTVAutoSegLib.images.dicom.structures import writer
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.probability import Probability, following


@pytest.mark.parametrize("scan", SCANS)
def test_the_contours_give_exactly_the_mask_back(tmp_path, scan):
    volume = ct(tmp_path / "ct", scan)
    for share, smoothness in ((0.5, 0.8), (0.9, 0)):
        mask = blobs(1, share, smoothness)
        write_rtstruct(mask, volume, tmp_path / "rt.dcm", SEGMENT)
        np.testing.assert_array_equal(read_back(tmp_path / "rt.dcm", volume), mask)


@pytest.mark.parametrize("scan", SCANS)
def test_each_contour_lies_in_the_plane_of_the_slice_it_names(tmp_path, scan):
    volume = ct(tmp_path / "ct", scan)
    mask = blobs()
    write_rtstruct(mask, volume, tmp_path / "rt.dcm", SEGMENT)
    slices = {data.SOPInstanceUID: data for data in map(pydicom.dcmread, volume.dicom_files)}
    named = set()
    for contour in pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence:
        (image,) = contour.ContourImageSequence
        data = slices[image.ReferencedSOPInstanceUID]
        assert image.ReferencedSOPClassUID == data.SOPClassUID
        named.add(data.SOPInstanceUID)
        row, column = np.reshape(np.array(data.ImageOrientationPatient, float), (2, 3))
        offsets = np.reshape(np.array(contour.ContourData, float), (-1, 3)) - np.array(data.ImagePositionPatient, float)
        assert np.abs(offsets @ np.cross(row, column)).max() < 2e-6
        assert contour.ContourGeometricType == "CLOSED_PLANAR"
        assert contour.NumberOfContourPoints == len(offsets) > 3
    assert named == {pydicom.dcmread(volume.dicom_files[index]).SOPInstanceUID for index in range(1, len(mask))}


@pytest.mark.parametrize("scan", ["oblique", "far away, fine pixels"])
def test_coordinates_fit_into_a_decimal_string(tmp_path, scan):
    write_rtstruct(blobs(), ct(tmp_path / "ct", scan), tmp_path / "rt.dcm", SEGMENT)
    for contour in pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence:
        values = contour.get_item("ContourData").value.split(b"\\")
        assert max(map(len, values)) <= 16
        assert not {b"nan", b"inf", b"-0.0"} & set(values)


def test_smooth_contours_are_no_octagons_and_pixel_contours_are(tmp_path):
    volume, mask = ct(tmp_path / "ct"), np.zeros(SHAPE, np.uint8)
    mask[2] = np.hypot(*(np.indices(SHAPE[1:]) - 15)) <= 11
    sharp = {}
    for contours in ("smooth", "pixel"):
        write_rtstruct(mask, volume, tmp_path / "rt.dcm", contours=contours)
        np.testing.assert_array_equal(read_back(tmp_path / "rt.dcm", volume), mask)
        (item,) = pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence
        points = np.reshape(np.array(item.ContourData, float), (-1, 3))[:, :2] / volume.spacing[:2]
        along = np.roll(points, -1, axis=0) - points
        turns = np.degrees(np.abs(np.diff(np.unwrap(np.arctan2(*along.T)))))
        sharp[contours] = float(np.mean(turns > 44.9))
    assert sharp["pixel"] == 1
    assert sharp["smooth"] < 0.1


def test_outlines_follow_the_probability_where_the_mask_does(tmp_path):
    volume = ct(tmp_path / "ct")
    probability = np.zeros(SHAPE)
    probability[2:4, 5:15, :] = np.clip(0.5 + (12.3 - np.arange(SHAPE[2])) / 4, 0, 1)
    mask = (probability >= 0.5).astype(np.uint8)
    mask[3, 8, 20] = 1  # drawn by a person
    write_rtstruct(mask, volume, tmp_path / "rt.dcm", probability=probability)
    np.testing.assert_array_equal(read_back(tmp_path / "rt.dcm", volume), mask)
    left = volume.origin[0] + 12.3 * volume.spacing[0]
    items = pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence
    first = np.reshape(np.array(items[0].ContourData, float), (-1, 3))
    assert first[:, 0].max() == pytest.approx(left, abs=1e-5)
    assert np.reshape(np.array(items[1].ContourData, float), (-1, 3))[:, 0].max() != pytest.approx(left, abs=1e-5)


def test_outlines_of_a_run_follow_the_probability_that_it_kept(tmp_path):
    volume, probability = ct(tmp_path / "ct"), np.zeros(SHAPE)
    probability[2, 5:15, :] = np.clip(0.5 + (12.3 - np.arange(SHAPE[2])) / 4, 0, 0.99)
    values = (256 * probability).astype(np.uint8)
    kept = Probability(values[2:3, 5:15], (2, 5, 0), SHAPE)
    structure = following(Structure(kept.mask(), SEGMENT), kept)
    writer.write_rtstruct([structure], volume, tmp_path / "rt.dcm")
    np.testing.assert_array_equal(read_back(tmp_path / "rt.dcm", volume), kept.mask())
    (item,) = pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence
    right = np.reshape(np.array(item.ContourData, float), (-1, 3))[:, 0].max()
    assert right == pytest.approx(volume.origin[0] + 12.3 * volume.spacing[0], abs=0.02)
