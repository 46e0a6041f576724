from __future__ import annotations

import importlib.util
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, stack_positions, write_series

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.segmentation import make_dicom_seg
from GTVAutoSegLib.images.dicom.series import read_dicom_series
from GTVAutoSegLib.images.dicom.source import read_source
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.images.write import check_outputs, write_mask

REGION = "~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^"
GTV = f"Segmentation category and type - GTVAutoSeg~DCM^130041^RT Target~DCM^130052^GTV Primary~^^{REGION}"
ORIGIN = {"GTVAutoSeg.Model": "sts-gtv", "GTVAutoSeg.Version": "1.2.0"}
SEGMENT = SegmentInfo("GTVp", (1.0, 0.5, 0.0), GTV, ORIGIN)
TILTED = {"positions": stack_positions(5), "orientation": (1, 0, 0, 0, 0.96, -0.28)}


def ct(folder: Path, **options) -> Volume:
    write_series(folder, patient_array(), **options)
    return read_dicom_series(folder)


def tumour() -> np.ndarray:
    mask = np.zeros((5, 20, 24), np.uint8)
    mask[1:4, 5:9, 10:20] = 1
    mask[2, 6, 11] = 0
    return mask


@pytest.mark.parametrize("options", [{}, TILTED], ids=["axial", "tilted gantry"])
def test_each_frame_holds_the_mask_of_the_slice_it_names(tmp_path, options):
    volume = ct(tmp_path / "ct", **options)
    write_mask(tumour(), volume, tmp_path / "gtv.seg.dcm", SEGMENT)
    data = highdicom.seg.segread(tmp_path / "gtv.seg.dcm")
    slices = [pydicom.dcmread(path).SOPInstanceUID for path in volume.dicom_files]
    frames = data.get_pixels_by_source_instance(
        slices, ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(frames[..., 0], tumour())


def test_the_segment_is_described(tmp_path):
    write_mask(tumour(), ct(tmp_path / "ct"), tmp_path / "gtv.seg.dcm", SEGMENT)
    data = highdicom.seg.segread(tmp_path / "gtv.seg.dcm")
    (segment,) = data.SegmentSequence
    assert (segment.SegmentLabel, segment.SegmentAlgorithmType) == ("GTVp", "AUTOMATIC")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "130052"
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "130041"
    assert segment.AnatomicRegionSequence[0].CodeValue == "39607008"
    assert segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "sts-gtv 1.2.0"
    assert data.SegmentationType == "BINARY"
    assert data.SoftwareVersions[1] == "sts-gtv 1.2.0"
    assert data.Manufacturer == "GTVAutoSeg"
    assert data.SOPInstanceUID.startswith("2.25.")
    assert data.SeriesInstanceUID.startswith("2.25.")


def test_patient_study_and_frame_of_reference_are_those_of_the_ct(tmp_path):
    tags = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg", "PatientIdentityRemoved": "YES"}
    volume = ct(tmp_path / "ct", **tags, StudyID=None)
    write_mask(tumour(), volume, tmp_path / "gtv.seg.dcm", SegmentInfo("GTV 空", terminology=GTV))
    data, first = pydicom.dcmread(tmp_path / "gtv.seg.dcm"), pydicom.dcmread(volume.dicom_files[0])
    for name in ("PatientName", "PatientID", "PatientIdentityRemoved", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert data[name].value == first[name].value
    assert data.SegmentSequence[0].SegmentLabel == "GTV 空"


def test_an_empty_mask_is_written(tmp_path):
    write_mask(np.zeros_like(tumour()), ct(tmp_path / "ct"), tmp_path / "gtv.seg.dcm", SEGMENT)
    assert not highdicom.seg.segread(tmp_path / "gtv.seg.dcm").pixel_array.any()


def test_an_edited_segment_says_so(tmp_path):
    source = read_source(ct(tmp_path / "ct"), tmp_path / "x.seg.dcm")
    for algorithm in ("SEMIAUTOMATIC", "MANUAL"):
        (segment,) = make_dicom_seg([Structure(tumour(), SEGMENT, algorithm)], source).SegmentSequence
        assert segment.SegmentAlgorithmType == algorithm


def test_a_segment_without_a_code_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose its terminology"):
        write_mask(tumour(), ct(tmp_path / "ct"), tmp_path / "gtv.seg.dcm", SegmentInfo(terminology=""))
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


@pytest.mark.parametrize("name", ["gtv.seg.dcm", "gtv.dcm"])
def test_a_header_whose_damage_shows_late_is_said_in_a_sentence(tmp_path, name):
    volume = ct(tmp_path / "ct", PatientSex="F")
    first, sex = volume.dicom_files[0], b"\x10\x00\x40\x00CS"
    content = first.read_bytes()
    assert content.count(sex) == 1
    first.write_bytes(content.replace(sex, b"\x10\x00\x40\x00C "))
    with pytest.raises(InputError, match="damaged|not as the standard says"):
        write_mask(tumour(), volume, tmp_path / name, SEGMENT)
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


def test_a_header_that_highdicom_refuses_is_said_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"ct cannot be the source of a DICOM segmentation: .*write \.seg\.nrrd"):
        write_mask(tumour(), ct(tmp_path / "ct", PatientSex="X"), tmp_path / "gtv.seg.dcm", SEGMENT)
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


def test_without_highdicom_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    volume = ct(tmp_path / "ct")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "GTVAutoSegLib.images.dicom.segmentation.find_spec", lambda name: None if name == "highdicom" else real(name)
    )
    with pytest.raises(InputError, match=r"pip install 'gtvautoseg\[dicom-seg\]'"):
        check_outputs([tmp_path / "gtv.seg.dcm"], volume)


def test_a_volume_that_is_not_from_dicom_is_refused(tmp_path):
    with pytest.raises(InputError, match="was not read from DICOM"):
        check_outputs([tmp_path / "gtv.seg.dcm"], Volume(patient_array(), source="ct.nrrd"))
