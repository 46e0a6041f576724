"""Structure sets: references, identity, approval, and what is refused."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map
from pydicom import Dataset
from structure_sets import GTV, SEGMENT, SHAPE, blobs, ct, read_back, write_rtstruct, written

from GTVAutoSegLib.errors import DiskError, InputError
from GTVAutoSegLib.images.dicom.series import read_dicom_series
from GTVAutoSegLib.images.dicom.structures import writer
from GTVAutoSegLib.images.dicom.structures.items import NOT_CHECKED
from GTVAutoSegLib.images.masks.structure import Review, Structure
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.images.write import check_outputs, write_mask


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


REVIEW = Review("Meyer^Anna", datetime(2026, 11, 28, 9, 5, 7))


def test_a_person_who_approved_all_regions_approves_the_set(tmp_path):
    data = written(tmp_path, options={"review": REVIEW})
    assert (data.ApprovalStatus, data.ReviewDate, data.ReviewTime) == ("APPROVED", "20261128", "090507")
    assert data.ReviewerName == data.RTROIObservationsSequence[0].ROIInterpreter == "Meyer^Anna"
    assert "ROIDescription" not in data.StructureSetROISequence[0]


def test_a_set_with_a_region_that_nobody_or_somebody_else_approved_is_unapproved(tmp_path):
    volume = ct(tmp_path / "ct")
    other = Review("Someone", REVIEW.at)
    for number, review in enumerate((None, other)):
        structures = [
            Structure(blobs(), SEGMENT, review=REVIEW),
            Structure(blobs(1), SegmentInfo("GTVn"), review=review),
        ]
        path = tmp_path / f"{number}.dcm"
        writer.write_rtstruct(structures, volume, path)
        data = pydicom.dcmread(path)
        assert data.ApprovalStatus == "UNAPPROVED"
        assert "ReviewerName" not in data
        for index, one in enumerate(structures):
            np.testing.assert_array_equal(read_back(path, volume, index), one.mask)


def test_an_approved_structure_set_is_never_replaced(tmp_path):
    volume, path = ct(tmp_path / "ct"), tmp_path / "rt.dcm"
    write_rtstruct(blobs(), volume, path, review=REVIEW)
    before = path.read_bytes()
    for write in (write_rtstruct, write_mask):
        with pytest.raises(InputError, match=r"approved by Meyer\^Anna, which is never changed"):
            write(blobs(), volume, path)
    assert path.read_bytes() == before
