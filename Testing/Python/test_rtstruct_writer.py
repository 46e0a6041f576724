from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, stack_positions, write_series
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

from GTVAutoSegLib.dicom_series import read_dicom_series
from GTVAutoSegLib.errors import DiskError, InputError
from GTVAutoSegLib.mask_writer import check_outputs, write_mask
from GTVAutoSegLib.rtstruct import read_structure_set, roi_mask
from GTVAutoSegLib.rtstruct_writer import NOT_CHECKED, write_rtstruct
from GTVAutoSegLib.segment_info import SegmentInfo
from GTVAutoSegLib.volume import Volume

SHAPE = (6, 30, 34)
LUNG = "~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^"
GTV = f"Segmentation category and type - GTVAutoSeg~DCM^130041^RT Target~DCM^130052^GTV Primary~^^{LUNG}"
ORIGIN = {"GTVAutoSeg.Model": "sts-gtv", "GTVAutoSeg.Version": "1.2.0", "GTVAutoSeg.Digest": "0123456789abcdef" * 4}
SEGMENT = SegmentInfo("GTVp", (1.0, 0.5, 0.0), GTV, ORIGIN)

TURN = np.radians(20)
OBLIQUE = np.array([[np.cos(TURN), 0, -np.sin(TURN)], [0, 1, 0], [np.sin(TURN), 0, np.cos(TURN)]])
SCANS = {
    "axial": {},
    "feet first": {"orientation": (-1, 0, 0, 0, 1, 0), "positions": stack_positions(6, (0, 0, -2.5))},
    "coronal": {"orientation": (1, 0, 0, 0, 0, -1), "positions": stack_positions(6, (0, 2.5, 0))},
    "oblique": {"orientation": (*OBLIQUE[:, 0], *OBLIQUE[:, 1]), "positions": stack_positions(6, 2.5 * OBLIQUE[:, 2])},
    "tilted gantry": {
        "orientation": (1, 0, 0, 0, np.cos(TURN), -np.sin(TURN)),
        "positions": stack_positions(6, (0, 0, 3.0)),
    },
    "far away, fine pixels": {
        "positions": stack_positions(6, (0, 0, 0.6), (-3210.123456, 2109.876543, -1234.567891)),
        "pixel_spacing": (0.123456789, 0.0987654321),
    },
    "rounded positions": {"positions": stack_positions(6, (0, 0, 1.6666)).round(1)},
}


def ct(folder: Path, scan: str = "axial", **options) -> Volume:
    options = {"positions": None, **SCANS[scan], **options}
    write_series(folder, patient_array(SHAPE), **options)
    return read_dicom_series(folder)


def blobs(seed: int = 0, share: float = 0.3, smoothness: float = 1.2) -> np.ndarray:
    """Parts, holes, islands in holes and parts at the border, on all slices but the first."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), (0, smoothness, smoothness))
    mask = (noise > np.quantile(noise, 1 - share)).astype(np.uint8)
    mask[0] = 0
    return mask


def read_back(path: Path, volume: Volume, roi: int = -1) -> np.ndarray:
    mask, notes = roi_mask(read_structure_set(path).rois[roi : roi + 1 or None], volume)
    assert notes == ()
    return mask


def written(tmp_path: Path, mask=None, segment=SEGMENT, options=None, **series) -> pydicom.Dataset:
    write_rtstruct(
        blobs() if mask is None else mask, ct(tmp_path / "ct", **series), tmp_path / "rt.dcm", segment, **options or {}
    )
    return pydicom.dcmread(tmp_path / "rt.dcm")


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


def test_the_whole_ct_is_referred_to(tmp_path):
    data = written(tmp_path)
    slices = [pydicom.dcmread(path) for path in sorted((tmp_path / "ct").iterdir())]
    first = slices[0]
    assert data.StudyInstanceUID == first.StudyInstanceUID
    assert data.FrameOfReferenceUID == first.FrameOfReferenceUID
    (frame,) = data.ReferencedFrameOfReferenceSequence
    assert frame.FrameOfReferenceUID == first.FrameOfReferenceUID
    (study,) = frame.RTReferencedStudySequence
    assert study.ReferencedSOPInstanceUID == first.StudyInstanceUID
    (series,) = study.RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == first.SeriesInstanceUID
    assert {image.ReferencedSOPInstanceUID for image in series.ContourImageSequence} == {
        one.SOPInstanceUID for one in slices
    }
    assert len(series.ContourImageSequence) == len(slices)


def test_the_region_is_described_and_the_set_is_not_approved(tmp_path):
    data = written(tmp_path)
    assert (data.Modality, data.ApprovalStatus) == ("RTSTRUCT", "UNAPPROVED")
    assert 0 < len(data.StructureSetLabel) <= 16
    (region,) = data.StructureSetROISequence
    assert (region.ROIName, region.ROIGenerationAlgorithm) == ("GTVp", "AUTOMATIC")
    assert region.ROIDescription == NOT_CHECKED
    assert region.ReferencedFrameOfReferenceUID == data.FrameOfReferenceUID
    assert float(region.ROIVolume) == pytest.approx(blobs().sum() * 1.5 * 1.25 * 3 / 1000, abs=5e-4)
    (drawing,) = data.ROIContourSequence
    assert drawing.ROIDisplayColor == [255, 128, 0]
    (observation,) = data.RTROIObservationsSequence
    assert observation.RTROIInterpretedType == "GTV"
    assert region.ROINumber == drawing.ReferencedROINumber == observation.ReferencedROINumber
    for name, code in (
        ("RTROIIdentificationCodeSequence", ("DCM", "130052", "GTV Primary")),
        ("SegmentedPropertyCategoryCodeSequence", ("DCM", "130041", "RT Target")),
        ("AnatomicRegionSequence", ("SCT", "39607008", "Lung")),
    ):
        (item,) = observation[name].value
        assert (item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning) == code


def test_software_and_model_are_named(tmp_path):
    data = written(tmp_path)
    assert data.Manufacturer == "GTVAutoSeg"
    assert data.SoftwareVersions[1] == "sts-gtv 1.2.0"
    assert data.SeriesDescription == "GTVp, GTVAutoSeg sts-gtv 1.2.0"
    (region,) = data.StructureSetROISequence
    assert region.ROIGenerationDescription == "Model sts-gtv 1.2.0, 0123456789ab"
    (algorithm,) = region.ROIDerivationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("sts-gtv", "1.2.0")


def test_identifiers_are_new_each_time_and_have_no_invented_root(tmp_path):
    volume = ct(tmp_path / "ct")
    sets = []
    for name in ("a.dcm", "b.dcm"):
        write_rtstruct(blobs(), volume, tmp_path / name, SEGMENT)
        sets.append(pydicom.dcmread(tmp_path / name))
    made = {uid for data in sets for uid in (data.SOPInstanceUID, data.SeriesInstanceUID)}
    assert len(made) == 4
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in made)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SCT^228793007^Planning target volume", "PTV"),
        ("SCT^228792002^Clinical target volume", "CTV"),
        ("DCM^130051^GTV Nodal", "GTV"),
        ("SCT^4147007^Mass", ""),
    ],
)
def test_the_interpreted_type_follows_the_code(tmp_path, code, kind):
    segment = SegmentInfo("ROI", terminology=GTV.replace("DCM^130052^GTV Primary", code))
    (observation,) = written(tmp_path, segment=segment).RTROIObservationsSequence
    assert (observation.RTROIInterpretedType or "") == kind
    assert observation.RTROIIdentificationCodeSequence[0].CodeValue == code.split("^")[1]


def test_an_edited_region_is_semiautomatic_and_its_description_claims_nothing(tmp_path):
    (region,) = written(tmp_path, options={"algorithm": "SEMIAUTOMATIC"}).StructureSetROISequence
    assert region.ROIGenerationAlgorithm == "SEMIAUTOMATIC"
    assert "ROIDescription" not in region
    with pytest.raises(ValueError, match="expected one of AUTOMATIC"):
        write_rtstruct(blobs(), read_dicom_series(tmp_path / "ct"), tmp_path / "x.dcm", algorithm="GUESSED")


def test_an_empty_mask_gives_a_region_without_contours(tmp_path):
    data = written(tmp_path, np.zeros(SHAPE, np.uint8))
    assert data.StructureSetROISequence[0].ROIVolume == 0
    assert "ContourSequence" not in data.ROIContourSequence[0]
    assert not read_back(tmp_path / "rt.dcm", read_dicom_series(tmp_path / "ct")).any()


@pytest.mark.parametrize(
    ("charset", "name"),
    [(None, "Phantom^One"), ("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 192", "Müller^空"), ("GB18030", "王^小东")],
)
def test_patient_names_survive_in_any_character_set(tmp_path, charset, name):
    tags = {} if charset is None else {"SpecificCharacterSet": charset}
    data = written(tmp_path, PatientName=name, StudyDescription="Größe" if charset == "ISO_IR 100" else "CT", **tags)
    assert (data.PatientName, data.get("SpecificCharacterSet")) == (name, charset)
    write_rtstruct(
        blobs(), read_dicom_series(tmp_path / "ct"), tmp_path / "ü.dcm", SegmentInfo("GTV größer空", terminology=GTV)
    )
    data = pydicom.dcmread(tmp_path / "ü.dcm")
    assert data.PatientName == name
    assert data.StudyDescription == ("Größe" if charset == "ISO_IR 100" else "CT")
    assert data.StructureSetROISequence[0].ROIName == "GTV größer空"


def test_a_deidentified_ct_stays_so(tmp_path):
    method = Dataset()
    method.CodeValue, method.CodingSchemeDesignator, method.CodeMeaning = "113100", "DCM", "Basic Profile"
    tags = {
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "PS 3.15",
        "DeidentificationMethodCodeSequence": [method],
        "ClinicalTrialProtocolID": "T1",
        "InstitutionName": "Hospital",
        "OperatorsName": "Doe^Jane",
        "LongitudinalTemporalInformationModified": "MODIFIED",
    }
    data = written(tmp_path, **tags)
    assert data.PatientIdentityRemoved == "YES"
    assert data.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert (data.ClinicalTrialProtocolID, data.LongitudinalTemporalInformationModified) == ("T1", "MODIFIED")
    assert (data.PatientID, data.PatientName) == ("P1", "Phantom^One")
    assert "InstitutionName" not in data
    assert not data.OperatorsName


def test_what_the_standard_requires_is_there_even_if_the_ct_lacks_it(tmp_path):
    absent = dict.fromkeys(("PatientBirthDate", "AccessionNumber", "StudyID", "StudyTime"))
    data = written(tmp_path, **absent)
    modules, attributes = get_iod_module_map()["rt-structure-set"], get_module_attribute_map()
    used = [item["key"] for item in modules if item["usage"] == "M"] + ["frame-of-reference", "approval"]
    missing = [
        (module, *attribute["path"], attribute["keyword"])
        for module in used
        for attribute in attributes[module]
        if attribute["type"] in ("1", "2")
        for item in items_at(data, attribute["path"])
        if attribute["keyword"] not in item or (attribute["type"] == "1" and item[attribute["keyword"]].is_empty)
    ]
    assert missing == []


def items_at(data: Dataset, path: list[str]) -> list[Dataset]:
    items = [data]
    for name in path:
        items = [child for item in items for child in item.get(name) or ()]
    return items


def test_the_suffix_dcm_writes_a_structure_set(tmp_path):
    volume = ct(tmp_path / "ct")
    write_mask(blobs(), volume, tmp_path / "GTV.DCM", SEGMENT)
    np.testing.assert_array_equal(read_back(tmp_path / "GTV.DCM", volume), blobs())


def test_a_volume_that_is_not_from_dicom_is_refused_before_the_run(tmp_path):
    volume = Volume(patient_array(SHAPE), source="ct.nii.gz")
    for attempt in (
        lambda path: check_outputs([path], volume),
        lambda path: write_rtstruct(blobs(), volume, path, SEGMENT),
    ):
        with pytest.raises(InputError, match=r"ct\.nii\.gz was not read from DICOM; give the DICOM series"):
            attempt(tmp_path / "rt.dcm")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["GTV of the left lung", "GTV\\p"])
def test_a_name_planning_systems_refuse_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="rename it"):
        written(tmp_path, segment=SegmentInfo(name))
    assert not (tmp_path / "rt.dcm").exists()


@pytest.mark.parametrize("tag", ["FrameOfReferenceUID", "StudyInstanceUID", "SOPInstanceUID"])
def test_a_ct_without_an_identifier_is_refused(tmp_path, tag):
    volume = ct(tmp_path / "ct")
    for path in volume.dicom_files:
        data = pydicom.dcmread(path)
        delattr(data, tag)
        data.save_as(path)
    with pytest.raises(InputError, match=r"UID.*export the series again"):
        check_outputs([tmp_path / "rt.dcm"], volume)


def test_a_ct_that_changed_since_it_was_read_is_refused(tmp_path):
    volume = ct(tmp_path / "ct")
    upside_down = Volume(
        volume.array, volume.spacing, volume.origin, volume.direction, "ct", "CT", volume.dicom_files[::-1]
    )
    with pytest.raises(InputError, match="load it again"):
        write_rtstruct(blobs(), upside_down, tmp_path / "rt.dcm", SEGMENT)
    data = pydicom.dcmread(volume.dicom_files[2])
    data.ImagePositionPatient[2] += 3
    data.save_as(volume.dicom_files[2])
    with pytest.raises(InputError, match="load it again"):
        write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT)
    volume.dicom_files[2].unlink()
    with pytest.raises(InputError, match=volume.dicom_files[2].name):
        write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT)
    for path in volume.dicom_files:
        path.write_text("no longer a slice")
    with pytest.raises(InputError, match="load it again"):
        write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT)


def test_a_mask_of_another_shape_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="shape"):
        written(tmp_path, blobs()[1:])


def test_an_earlier_file_stays_when_writing_fails(tmp_path, monkeypatch):
    volume = ct(tmp_path / "ct")
    (tmp_path / "rt.dcm").write_text("earlier")

    def full(self, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Dataset, "save_as", full)
    with pytest.raises(DiskError, match="No space left"):
        write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT)
    assert (tmp_path / "rt.dcm").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "rt.dcm"]


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
        with pytest.raises(InputError, match=r"another (CT|patient) than"):
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
    write_rtstruct(mask, volume, tmp_path / "new.dcm", SEGMENT, base=tmp_path / "base.dcm")
    (contour,) = pydicom.dcmread(tmp_path / "new.dcm").ROIContourSequence[1].ContourSequence
    assert contour["ContourData"].VR == "DS"
    assert sum(len(str(value)) + 1 for value in contour.ContourData) > 2**16
    np.testing.assert_array_equal(read_back(tmp_path / "new.dcm", volume), mask)


def test_a_base_that_is_no_structure_set_is_named(tmp_path):
    volume = ct(tmp_path / "ct")
    with pytest.raises(InputError, match="expected an RTSTRUCT"):
        write_rtstruct(blobs(), volume, tmp_path / "rt.dcm", SEGMENT, base=volume.dicom_files[0])
