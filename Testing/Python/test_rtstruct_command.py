"""``gtvautoseg rtstruct``: masks of any origin to a structure set, alone or added to the hospital's."""

from __future__ import annotations

import base64
import functools
import os
import signal
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from scipy import ndimage
from structure_sets import GTV, ORIGIN, SHAPE, blobs, ct, read_back, write_rtstruct

from GTVAutoSegLib.commands import rtstruct
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set
from GTVAutoSegLib.images.dicom.source import read_source
from GTVAutoSegLib.images.dicom.structures import existing
from GTVAutoSegLib.images.dicom.structures.writer import write_rtstruct as write_set
from GTVAutoSegLib.images.masks.structure import Review, Structure
from GTVAutoSegLib.images.probability import following, probability_of
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.system import files
from GTVAutoSegLib.system.tags import MINE_TAG


@pytest.fixture
def volume(tmp_path) -> Volume:
    return ct(tmp_path / "ct")


def image_of(array: np.ndarray, volume: Volume, shift=(0.0, 0.0, 0.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(tuple(np.add(volume.origin, shift)))
    image.SetDirection(volume.direction)
    return image


def write(tmp_path: Path, name: str, array: np.ndarray, volume: Volume, shift=(0.0, 0.0, 0.0), fields=None) -> Path:
    image = image_of(array, volume, shift)
    for key, value in (fields or {}).items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(tmp_path / name), useCompression=True)
    return tmp_path / name


def segments(*names_values_layers: tuple[str, int, int]) -> dict[str, str]:
    fields = {}
    for number, (name, value, layer) in enumerate(names_values_layers):
        fields |= {
            f"Segment{number}_{key}": text
            for key, text in (
                ("ID", f"Segment_{number}"),
                ("Name", name),
                ("Color", "0.5 0.25 1"),
                ("LabelValue", str(value)),
                ("Layer", str(layer)),
                ("Tags", f"TerminologyEntry:{GTV}|"),
            )
        }
    return fields


def halves() -> tuple[np.ndarray, np.ndarray]:
    left, right = blobs(), blobs(1)
    left[..., 15:], right[..., :17] = 0, 0
    return left, right


def run(tmp_path: Path, *arguments, output="rs.dcm", **options) -> int:
    given = [text for key, value in options.items() for text in (f"--{key.replace('_', '-')}", *_listed(value))]
    masks = [str(argument) for argument in arguments]
    return main(["rtstruct", str(tmp_path / "ct"), *masks, "--output", str(tmp_path / output), *given])


def _listed(value) -> list[str]:
    return list(map(str, value)) if isinstance(value, (list, tuple)) else [str(value)]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_mask_of_any_format_becomes_a_typed_region_with_its_voxels(tmp_path, volume, suffix, capsys):
    mask = write(tmp_path, f"drawn{suffix}", blobs(), volume)
    assert run(tmp_path, mask, name="GTVn", color="#336699") == 0
    np.testing.assert_array_equal(read_back(tmp_path / "rs.dcm", volume), blobs())
    data = pydicom.dcmread(tmp_path / "rs.dcm")
    (region,), (drawing,), (observed,) = (
        data.StructureSetROISequence,
        data.ROIContourSequence,
        data.RTROIObservationsSequence,
    )
    assert (region.ROIName, region.ROIGenerationAlgorithm, observed.RTROIInterpretedType) == ("GTVn", "", "GTV")
    assert observed.RTROIIdentificationCodeSequence[0].CodeMeaning == "GTV Nodal"
    assert list(drawing.ROIDisplayColor) == [0x33, 0x66, 0x99]
    assert data.ApprovalStatus == "UNAPPROVED"
    said = capsys.readouterr().out
    assert "GTVn: " in said and "read back voxel for voxel; UNAPPROVED" in said


def test_labels_are_named_and_others_left_out(tmp_path, volume, capsys):
    left, right = halves()
    mask = write(tmp_path, "labels.nii.gz", left + 2 * right, volume)
    assert run(tmp_path, mask) == 2
    assert "holds the labels 1, 2" in capsys.readouterr().err
    assert run(tmp_path, mask, label=["2=GTVn", "1=Heart"], type=["GTV", "ORGAN"]) == 0
    np.testing.assert_array_equal(read_back(tmp_path / "rs.dcm", volume, 0), right)
    np.testing.assert_array_equal(read_back(tmp_path / "rs.dcm", volume, 1), left)
    types = [one.RTROIInterpretedType for one in pydicom.dcmread(tmp_path / "rs.dcm").RTROIObservationsSequence]
    assert types == ["GTV", "ORGAN"]
    assert run(tmp_path, mask, label="3=GTVp", output="other.dcm") == 2
    assert "holds the labels 1, 2, and not 3" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [np.inf, np.nan, 0.5, -1])
def test_a_mask_of_other_than_whole_numbers_is_refused(tmp_path, volume, capsys, bad):
    values = blobs().astype(np.float32)
    values[0, 0, 0] = bad
    assert run(tmp_path, write(tmp_path, "drawn.nrrd", values, volume)) == 2
    assert "expected a mask of whole numbers from 0 up" in capsys.readouterr().err


def test_a_label_that_is_no_number_is_refused(tmp_path, volume, capsys):
    mask = write(tmp_path, "labels.nii.gz", blobs(), volume)
    assert run(tmp_path, mask, label="²=GTVp") == 2
    assert "holds the labels 1, and not ²" in capsys.readouterr().err


def test_a_region_that_no_segmentation_file_can_call_so_is_refused(tmp_path, volume, capsys):
    drawn = write(tmp_path, "drawn.nrrd", blobs(), volume)
    named = drawn.rename(tmp_path / "left|right.nrrd")
    assert run(tmp_path, named) == 2
    assert "no region can be called 'left|right'" in capsys.readouterr().err
    assert run(tmp_path, named, label="1=A|B") == 2
    assert "no region can be called 'A|B'" in capsys.readouterr().err
    path = write(tmp_path, "one.seg.nrrd", blobs(), volume, fields={**segments(("", 1, 0)), "Segment0_ID": ""})
    assert run(tmp_path, path) == 2
    assert f"{path} has a segment that cannot be taken over (the segment has no name)" in capsys.readouterr().err


@pytest.mark.parametrize("layer", [-1, 1])
def test_a_segment_of_a_layer_that_is_not_there_is_refused(tmp_path, volume, capsys, layer):
    path = write(tmp_path, "one.seg.nrrd", blobs(), volume, fields=segments(("GTVp", 1, layer)))
    assert run(tmp_path, path) == 2
    assert f"describes a layer {layer} that it does not hold" in capsys.readouterr().err


def test_segments_of_several_layers_that_overlap_keep_their_voxels_names_and_colours(tmp_path, volume, capsys):
    gtv, ctv = blobs(), np.maximum(blobs(), blobs(2))
    fields = segments(("GTVp", 1, 0), ("CTV", 1, 1))
    fields["Segment1_Tags"] = ""
    path = write(tmp_path, "two.seg.nrrd", np.stack([gtv, ctv], axis=-1), volume, fields=fields)
    assert run(tmp_path, path) == 0
    np.testing.assert_array_equal(read_back(tmp_path / "rs.dcm", volume, 0), gtv)
    np.testing.assert_array_equal(read_back(tmp_path / "rs.dcm", volume, 1), ctv)
    data = pydicom.dcmread(tmp_path / "rs.dcm")
    assert [one.RTROIInterpretedType for one in data.RTROIObservationsSequence] == ["GTV", "CTV"]
    assert list(data.ROIContourSequence[1].ROIDisplayColor) == [128, 64, 255]


def test_gtvs_that_share_voxels_are_refused_unless_asked_for(tmp_path, volume, capsys):
    both = np.stack([blobs(), blobs()], axis=-1)
    fields = segments(("GTVp", 1, 0), ("GTVn", 1, 1))
    path = write(tmp_path, "two.seg.nrrd", both, volume, fields=fields)
    assert run(tmp_path, path) == 2
    assert f"'GTVp' and 'GTVn' share {blobs().sum()} voxels" in capsys.readouterr().err
    assert not (tmp_path / "rs.dcm").exists()
    assert run(tmp_path, path, "--allow-overlap") == 0


def test_a_cropped_segmentation_of_slicer_lands_where_it_was_drawn_and_one_beyond_the_ct_is_refused(
    tmp_path, volume, capsys
):
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:4, 10:20, 12:22] = blobs()[2:4, 10:20, 12:22]
    at = np.array(volume.spacing) * (12, 10, 2)
    path = write(tmp_path, "part.seg.nrrd", mask[2:4, 10:20, 12:22], volume, at, segments(("GTVp", 1, 0)))
    assert run(tmp_path, path) == 0
    np.testing.assert_array_equal(read_back(tmp_path / "rs.dcm", volume), mask)
    beyond = np.array(volume.spacing) * (0, 0, 5)
    path = write(tmp_path, "out.seg.nrrd", np.ones((2, 9, 9), np.uint8), volume, beyond, segments(("GTVp", 1, 0)))
    assert run(tmp_path, path, output="out.dcm") == 2
    assert "has 81 voxels outside" in capsys.readouterr().err


def test_a_mask_stored_in_another_axis_order_stays_in_its_place(tmp_path, volume):
    turned = sitk.DICOMOrient(image_of(blobs(), volume), "RSP")  # as a converter to NIfTI may leave it
    sitk.WriteImage(turned, str(tmp_path / "turned.nii.gz"))
    assert run(tmp_path, tmp_path / "turned.nii.gz", name="GTVp") == 0
    np.testing.assert_array_equal(read_back(tmp_path / "rs.dcm", volume), blobs())


@pytest.mark.parametrize(("shift", "off"), [((0, 0, 0.01), None), ((0, 0, 0.03), "0.03"), ((0, 0, 3), "3.00")])
def test_a_mask_on_another_grid_is_refused_with_how_far_it_is_off(tmp_path, volume, shift, off, capsys):
    path = write(tmp_path, "moved.nii.gz", blobs(), volume, shift)
    assert run(tmp_path, path, name="GTVp") == (0 if off is None else 2)
    error = capsys.readouterr().err
    assert (f"up to {off} mm from the CT's" in error) == (off is not None)
    assert (tmp_path / "rs.dcm").exists() == (off is None)


def test_bad_masks_and_names_are_said_in_a_sentence_and_nothing_is_written(tmp_path, volume, capsys):
    good = write(tmp_path, "good.nrrd", blobs(), volume)
    cases = [
        ([write(tmp_path, "empty.nrrd", 0 * blobs(), volume)], {"name": "GTVp"}, "is empty"),
        (
            [write(tmp_path, "small.nrrd", blobs()[1:], volume)],
            {"name": "GTVp"},
            "34 x 30 x 5 voxels and the CT 34 x 30 x 6",
        ),
        ([write(tmp_path, "p.nrrd", blobs() * np.float32(0.4), volume)], {"name": "GTVp"}, "whole numbers"),
        ([good], {"name": "seventeen letters"}, "at most 16 characters"),
        ([good], {"name": "GTVp", "type": "TUMOUR"}, "--type is 'TUMOUR'"),
        ([good], {"name": ["GTVp", "GTVn"]}, "2 times for 1 regions"),
        ([good, good], {"name": ["GTVp", "GTVp"]}, "two regions are called 'GTVp'"),
        ([good], {"name": "GTVp", "output": "rs.nii"}, "expected .dcm"),
        ([tmp_path / "gone.nrrd"], {"name": "GTVp"}, "does not exist"),
    ]
    before = sorted(tmp_path.iterdir())
    for masks, options, text in cases:
        assert run(tmp_path, *masks, **options) == 2
        error = capsys.readouterr().err
        assert text in error and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def contents(data: pydicom.Dataset) -> list[str]:
    """All that a structure set says of each region."""
    sequences = (data.StructureSetROISequence, data.ROIContourSequence, data.RTROIObservationsSequence)
    return ["\n".join(one.to_json() for one in items) for items in zip(*sequences)]


def test_a_region_is_added_to_the_hospitals_set_which_keeps_its_own(tmp_path, volume, capsys):
    hospital = tmp_path / "hospital.dcm"
    write_rtstruct(blobs(3), volume, hospital, SegmentInfo("GTVp"), contours="pixel", algorithm="MANUAL")
    before, kept = hospital.read_bytes(), contents(pydicom.dcmread(hospital))
    path = write(tmp_path, "drawn.nrrd", blobs(), volume)
    assert run(tmp_path, path, name="GTVp", add_to=hospital) == 0
    assert hospital.read_bytes() == before
    data = pydicom.dcmread(tmp_path / "rs.dcm")
    assert contents(data)[:1] == kept
    assert [one.ROIName for one in data.StructureSetROISequence] == ["GTVp", "GTVp_2"]
    assert len({one.ROINumber for one in data.StructureSetROISequence}) == 2
    said = capsys.readouterr().out
    assert "GTVp_2 (called so because GTVp is there already)" in said and "kept as they are: GTVp" in said


def test_a_set_that_cannot_be_added_to_is_named_and_stays(tmp_path, volume, capsys):
    mask = write(tmp_path, "drawn.nrrd", blobs(), volume)
    other = ct(tmp_path / "other", frame_of_reference="1.2.3")
    foreign, damaged, approved = (tmp_path / f"{name}.dcm" for name in ("foreign", "damaged", "approved"))
    write_rtstruct(blobs(), other, foreign)
    damaged.write_bytes(foreign.read_bytes()[:3000])
    write_rtstruct(blobs(), volume, approved, review=Review("Meyer", datetime(2026, 1, 2)))
    locked = tmp_path / "locked.dcm"
    locked.write_bytes(approved.read_bytes())
    locked.chmod(0o444)
    before = {path: path.read_bytes() for path in (foreign, damaged, approved, locked)}
    cases = [
        ("rs.dcm", {"add_to": foreign}, "another frame of reference"),
        ("rs.dcm", {"add_to": damaged}, "damaged"),
        ("rs.dcm", {"add_to": volume.dicom_files[0]}, "expected an RTSTRUCT"),
        ("approved.dcm", {}, "approved by Meyer, which is never changed"),
        ("approved.dcm", {"add_to": approved}, "never changed"),
        ("locked.dcm", {}, "read-only"),
        ("rs.seg.dcm", {"add_to": approved}, "--add-to adds to an RTSTRUCT"),
    ]
    for output, options, text in cases:
        assert run(tmp_path, mask, name="GTVp", output=output, **options) == 2
        assert text in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "rs.dcm").exists() and not (tmp_path / "rs.seg.dcm").exists()
    assert run(tmp_path, mask, name="GTVn", add_to=locked) == 0  # to read it is enough
    assert pydicom.dcmread(tmp_path / "rs.dcm").ApprovalStatus == "UNAPPROVED"


def counted_call(calls: list[str], wanted, *values, **options):
    calls.append(wanted.__name__)
    return wanted(*values, **options)


def test_an_output_is_checked_once_before_the_masks_are_read(tmp_path, volume, monkeypatch):
    mask = write(tmp_path, "drawn.nrrd", blobs(), volume)
    assert run(tmp_path, mask, name="GTVp") == 0
    calls = []
    for module, name in ((files, "_check_takes_files"), (existing, "open_dataset"), (rtstruct, "read_all")):
        monkeypatch.setattr(module, name, functools.partial(counted_call, calls, getattr(module, name)))
    assert run(tmp_path, mask, name="GTVp") == 0
    assert calls == ["_check_takes_files", "open_dataset", "read_all"]


def test_a_result_of_a_model_is_automatic_until_a_voxel_differs(tmp_path, volume):
    write_mask(blobs(), volume, tmp_path / "result.seg.nrrd", SegmentInfo("GTVp", (1, 0.5, 0), GTV, ORIGIN))
    assert run(tmp_path, tmp_path / "result.seg.nrrd") == 0
    (region,) = pydicom.dcmread(tmp_path / "rs.dcm").StructureSetROISequence
    assert region.ROIGenerationAlgorithm == "AUTOMATIC"
    assert region.ROIGenerationDescription.startswith("Model sts-gtv 1.2.0")
    reader = sitk.ReadImage(str(tmp_path / "result.seg.nrrd"))
    reader[0, 0, 1] = 1 - reader[0, 0, 1]
    sitk.WriteImage(reader, str(tmp_path / "result.seg.nrrd"))
    assert run(tmp_path, tmp_path / "result.seg.nrrd") == 0
    (region,) = pydicom.dcmread(tmp_path / "rs.dcm").StructureSetROISequence
    assert region.ROIGenerationAlgorithm == "SEMIAUTOMATIC"


def test_contours_of_a_saved_result_follow_the_probability_it_keeps(tmp_path, volume):
    levels = (ndimage.gaussian_filter(blobs().astype(float), (0, 1, 1)) * 255).astype(np.uint8)
    probability = probability_of(levels, 0.5, 0)
    tag = {"GTVAutoSeg.Probability": base64.b64encode(probability.to_bytes(volume)).decode()}
    for name, tags in (("followed", {**ORIGIN, **tag}), ("without", ORIGIN)):
        write_mask(
            probability.mask(), volume, tmp_path / f"{name}.seg.nrrd", SegmentInfo("GTVp", (1, 0.5, 0), GTV, tags)
        )
        assert run(tmp_path, tmp_path / f"{name}.seg.nrrd", output=f"{name}.dcm") == 0
    write_set([following(Structure(probability.mask()), probability)], volume, tmp_path / "expected.dcm")
    followed, without, expected = (
        [one.ContourData for one in pydicom.dcmread(tmp_path / f"{name}.dcm").ROIContourSequence[0].ContourSequence]
        for name in ("followed", "without", "expected")
    )
    assert followed == expected != without


def test_a_result_with_slices_that_a_person_drew_is_semiautomatic(tmp_path, volume):
    segment = SegmentInfo("GTVp", (1, 0.5, 0), GTV, {**ORIGIN, MINE_TAG: "2,3"})
    write_mask(blobs(), volume, tmp_path / "result.seg.nrrd", segment)
    assert run(tmp_path, tmp_path / "result.seg.nrrd") == 0
    (region,) = pydicom.dcmread(tmp_path / "rs.dcm").StructureSetROISequence
    assert region.ROIGenerationAlgorithm == "SEMIAUTOMATIC"


def test_several_regions_become_segments_of_one_dicom_segmentation(tmp_path, volume):
    import highdicom

    left, right = halves()
    mask = write(tmp_path, "labels.nrrd", left + 2 * right, volume)
    assert run(tmp_path, mask, label=["1=GTVp", "2=Heart"], type=["GTV", "ORGAN"], output="rs.seg.dcm") == 0
    found = highdicom.seg.segread(tmp_path / "rs.seg.dcm")
    assert [found.get_segment_description(number).segment_label for number in (1, 2)] == ["GTVp", "Heart"]
    uids = [header.instance for header in read_source(volume, tmp_path).slices]
    for number, expected in ((1, left), (2, right)):
        pixels = found.get_pixels_by_source_instance(uids, [number], assert_missing_frames_are_empty=True)[..., 0]
        np.testing.assert_array_equal(pixels, expected)


def test_forty_kills_leave_the_hospitals_set_as_it_is_and_no_half_of_another(tmp_path, volume):
    hospital, output = tmp_path / "hospital.dcm", tmp_path / "rs.dcm"
    mask = blobs()
    mask[3:] = 0
    write_rtstruct(mask, volume, hospital, SegmentInfo("Heart"))
    before = hospital.read_bytes()
    started = time.perf_counter()
    write_rtstruct(mask, volume, output, base=hospital)
    lasts = time.perf_counter() - started
    for attempt in range(40):
        child = os.fork()
        if child == 0:
            while True:
                write_rtstruct(mask, volume, output, base=hospital)
        time.sleep(lasts * (0.3 + attempt / 40))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert hospital.read_bytes() == before
        assert [roi.name for roi in read_structure_set(output).rois] == ["Heart", "GTVp"]
    np.testing.assert_array_equal(read_back(output, volume), mask)
