"""A region added to a structure set that is there already."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, write_series
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from structure_sets import GTV, SEGMENT, blobs, ct, read_back, write_rtstruct

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set
from GTVAutoSegLib.images.dicom.series import read_dicom_series
from GTVAutoSegLib.images.dicom.structures.writer import review_set
from GTVAutoSegLib.images.masks.structure import Review
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume


def test_a_region_is_added_to_a_structure_set_as_a_new_file(tmp_path):
    volume = ct(tmp_path / "ct", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    first, base, new = blobs(0), tmp_path / "base.dcm", tmp_path / "new.dcm"
    write_rtstruct(first, volume, base, SegmentInfo("Heart é", terminology=""), algorithm="MANUAL")
    approved = pydicom.dcmread(base)
    approved.ApprovalStatus, approved.ReviewDate, approved.ReviewerName = "APPROVED", "20240101", "Doe^Jane"
    approved.ROIContourSequence[0].add_new(0x00110010, "LO", "PRIVATE CREATOR")
    series = approved.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    del series.ContourImageSequence[2:]
    approved.save_as(base)
    before = base.read_bytes()
    write_rtstruct(blobs(1), volume, new, SEGMENT, base=base)
    assert base.read_bytes() == before
    np.testing.assert_array_equal(read_back(new, volume, 0), first)
    np.testing.assert_array_equal(read_back(new, volume, 1), blobs(1))
    data = pydicom.dcmread(new)
    assert [region.ROIName for region in data.StructureSetROISequence] == ["Heart é", "GTVp"]
    assert [region.ROINumber for region in data.StructureSetROISequence] == [1, 2]
    assert [item.ObservationNumber for item in data.RTROIObservationsSequence] == [1, 2]
    assert data.SOPInstanceUID != approved.SOPInstanceUID
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    assert data.PredecessorStructureSetSequence[0].ReferencedSOPInstanceUID == approved.SOPInstanceUID
    assert data.ApprovalStatus == "UNAPPROVED"
    assert not {"ReviewDate", "ReviewerName"} & set(data.dir())
    assert data.PatientName == "Müller^Jörg"
    assert data.ROIContourSequence[0][0x00110010].value == "PRIVATE CREATOR"
    series = data.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert len({image.ReferencedSOPInstanceUID for image in series.ContourImageSequence}) == len(first)


def test_names_in_a_structure_set_survive_a_change_of_its_character_set(tmp_path):
    volume = ct(tmp_path / "ct", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    write_rtstruct(blobs(), volume, tmp_path / "base.dcm", SegmentInfo("Heart"))
    base = pydicom.dcmread(tmp_path / "base.dcm")
    base.StructureSetROISequence[0].ROIName = "Herz größer"
    base.save_as(tmp_path / "base.dcm")
    write_rtstruct(blobs(1), volume, tmp_path / "new.dcm", SegmentInfo("肿瘤"), base=tmp_path / "base.dcm")
    assert [roi.name for roi in read_structure_set(tmp_path / "new.dcm").rois] == ["Herz größer", "肿瘤"]
    assert pydicom.dcmread(tmp_path / "new.dcm").PatientName == "Müller^Jörg"


@pytest.mark.parametrize(
    ("element", "damaged"),
    [
        (b"\x06\x30\x82\x00\x02\x00\x00\x001 ", b"\x06\x30\x82\x00\x02\x00\x00\x00x "),  # ObservationNumber
        (b"\x06\x30\x02\x00", b"\x02\x00\x02\x00"),  # StructureSetLabel as a group that only begins a file
    ],
)
def test_a_structure_set_whose_damage_shows_late_is_refused_and_nothing_is_left(tmp_path, element, damaged):
    volume, base = ct(tmp_path / "ct"), tmp_path / "base.dcm"
    write_rtstruct(blobs(), volume, base, SEGMENT)
    content = base.read_bytes()
    assert content.count(element) == 1
    base.write_bytes(content.replace(element, damaged))
    with pytest.raises(InputError, match="damaged"):
        write_rtstruct(blobs(1), volume, tmp_path / "new.dcm", SEGMENT, base=base)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.dcm", "ct"]


@pytest.mark.parametrize("review", [None, Review("Meyer^Anna", datetime(2026, 11, 28, 10))])
def test_a_disk_that_refuses_a_reviewed_set_is_no_fault_of_the_set(tmp_path, review):
    write_rtstruct(blobs(), ct(tmp_path / "ct"), tmp_path / "rt.dcm", SEGMENT)
    with pytest.raises(FileNotFoundError):
        review_set(tmp_path / "rt.dcm", tmp_path / "missing" / "rt.dcm", review)


def test_a_name_that_is_taken_gets_a_number(tmp_path):
    volume = ct(tmp_path / "ct")
    base = None
    for index, name in enumerate(["GTVp", "GTVp", "GTVp", "GTVp of the lungs"[:16], "GTVp of the lungs"[:16]]):
        path = tmp_path / f"{index}.dcm"
        write_rtstruct(blobs(), volume, path, SegmentInfo(name, terminology=GTV), base=base)
        base = path
    names = [roi.name for roi in read_structure_set(path).rois]
    assert names == ["GTVp", "GTVp_2", "GTVp_3", "GTVp of the lung", "GTVp of the lu_2"]


def test_a_structure_set_of_another_ct_is_refused(tmp_path):
    volume = ct(tmp_path / "ct")
    cases = {
        "series": {"series": "1.2.3"},
        "frame": {"series": volume_series(volume), "frame_of_reference": generate_uid()},
        "patient": {"series": volume_series(volume), "PatientID": "P2"},
    }
    for name, options in cases.items():
        other = ct(tmp_path / name, **options)
        write_rtstruct(blobs(), other, tmp_path / "base.dcm", SEGMENT)
        with pytest.raises(InputError, match=r"another (CT|patient|frame of reference) than"):
            write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT, base=tmp_path / "base.dcm")
        assert not (tmp_path / "rt.dcm").exists()


def volume_series(volume: Volume) -> str:
    return pydicom.dcmread(volume.dicom_files[0]).SeriesInstanceUID


def test_the_structure_set_added_to_is_never_replaced(tmp_path):
    volume = ct(tmp_path / "ct")
    write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT)
    with pytest.raises(InputError, match="expected another file"):
        write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT, base=tmp_path / "rt.dcm")


def test_a_long_contour_fits_whatever_the_transfer_syntax_of_the_base(tmp_path):
    write_series(tmp_path / "ct", patient_array((3, 160, 160)))
    volume = read_dicom_series(tmp_path / "ct")
    mask = np.zeros(volume.array.shape, np.uint8)
    mask[1, 2:-2, 2:-2] = 1
    mask[1, 4:-4:2, 4:-4:2] = 0  # thousands of holes, all in one contour
    write_rtstruct(0 * mask, volume, tmp_path / "base.dcm", SegmentInfo("Heart"))
    base = pydicom.dcmread(tmp_path / "base.dcm")
    base.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    base.save_as(tmp_path / "base.dcm", implicit_vr=False, little_endian=True)
    write_rtstruct(mask, volume, tmp_path / "new.dcm", SEGMENT, base=tmp_path / "base.dcm", contours="pixel")
    (contour,) = pydicom.dcmread(tmp_path / "new.dcm").ROIContourSequence[1].ContourSequence
    assert contour["ContourData"].VR == "DS"
    assert sum(len(str(value)) + 1 for value in contour.ContourData) > 2**16
    np.testing.assert_array_equal(read_back(tmp_path / "new.dcm", volume), mask)


def test_a_base_that_is_no_structure_set_is_named(tmp_path):
    volume = ct(tmp_path / "ct")
    with pytest.raises(InputError, match="expected an RTSTRUCT"):
        write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT, base=volume.dicom_files[0])
