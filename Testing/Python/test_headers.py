"""Headers of NIfTI, NRRD and MetaImage: geometry that contradicts itself or is none, units, quantities, and sizes."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_samples import patient_array

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.read import read_volume

ARRAY = patient_array()
SPACING, ORIGIN = (1.25, 1.5, 3.0), (-10.0, 20.0, 30.5)


def write(path, compress=False):
    image = sitk.GetImageFromArray(ARRAY)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    sitk.WriteImage(image, str(path), compress)
    return path


def patched(path, offset, layout, *values):
    """A NIfTI file with other bytes in its header."""
    compressed = path.name.endswith(".gz")
    write(path, compressed)
    content = bytearray(gzip.decompress(path.read_bytes()) if compressed else path.read_bytes())
    struct.pack_into(f"<{layout}", content, offset, *values)
    path.write_bytes(gzip.compress(bytes(content)) if compressed else bytes(content))
    return path


def edited(path, *lines, without=()):
    """An NRRD or MetaImage file with other lines in its header, before its last one."""
    write(path)
    content = path.read_bytes()
    stop = content.index(b"\n\n") if path.suffix == ".nrrd" else content.index(b"ElementDataFile")
    names = {line.split(":" if path.suffix == ".nrrd" else "=")[0].strip() for line in lines} | set(without)
    kept = [line for line in content[:stop].splitlines() if not line.startswith(tuple(name.encode() for name in names))]
    head = b"\n".join([*kept, *(line.encode() for line in lines)])
    path.write_bytes(head + (b"" if path.suffix == ".nrrd" else b"\n") + content[stop:])
    return path


def refused(path, words):
    with pytest.raises(InputError, match=words) as caught:
        read_volume(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_two_places_in_one_nifti_are_named_with_what_was_taken_and_how_far_apart_they_are(tmp_path):
    path = patched(tmp_path / "ct.nii.gz", 280 + 12, "f", 10.0 + 40.0)  # x of the sform's origin, RAS
    (note,) = read_volume(path).notes
    assert "up to 40.0 mm apart: the sform was taken" in note
    np.testing.assert_allclose(read_volume(path).origin, (-50, 20, 30.5))

    patched(path, 280, "12f", -1.25, 0, 0, 10, 0, 1.5, 0, -20, 0, 0, 3, 30.5)  # left and right as before, y mirrored
    assert "mm apart" in read_volume(path).notes[0]


def test_places_that_agree_up_to_rounding_are_not_remarked_on(tmp_path):
    assert read_volume(patched(tmp_path / "ct.nii", 280 + 12, "f", 10.001)).notes == ()


def test_an_sform_may_stand_alone_and_so_may_a_qform(tmp_path):
    for codes in ((0, 1), (1, 0)):
        volume = read_volume(patched(tmp_path / "ct.nii", 252, "2h", *codes))
        np.testing.assert_allclose((*volume.spacing, *volume.origin), (*SPACING, *ORIGIN))
        assert volume.notes == ()


@pytest.mark.parametrize("codes", [(0, 1), (1, 1)])
def test_a_spacing_that_is_given_twice_and_differently_is_refused(tmp_path, codes):
    path = patched(tmp_path / "ct.nii", 252, "2h", *codes)
    content = bytearray(path.read_bytes())
    struct.pack_into("<f", content, 80, 2.5)
    path.write_bytes(content)
    refused(path, "2.5 x 1.5 x 3 mm in pixdim, 1.25 x 1.5 x 3 mm in the sform")


def test_a_sheared_sform_is_refused_even_beside_a_good_qform(tmp_path):
    refused(patched(tmp_path / "ct.nii", 280 + 8, "f", 0.2), "sheared by 3.8 degrees")


@pytest.mark.parametrize(
    ("offset", "layout", "values", "words"),
    [
        (123, "B", (1,), "lengths in metres; expected mm"),
        (123, "B", (3 | 8,), "lengths in micrometres"),
        (40, "8h", (3, 24, 20, -5, 1, 1, 1, 1), "the size 24 x 20 x -5"),
        (40, "8h", (3, 24, 0, 5, 1, 1, 1, 1), "the size 24 x 0 x 5"),
        (40, "8h", (9, 24, 20, 5, 1, 1, 1, 1), "9 dimensions"),
        (40, "8h", (3, 24, 20, 4, 1, 1, 1, 1), "holds 5152 bytes of image, but its header tells of 4192"),
        (40, "8h", (3, 23, 20, 5, 1, 1, 1, 1), "holds 5152 bytes"),
        (40, "8h", (3, 24, 20, 6, 1, 1, 1, 1), "truncated"),
        (80, "3f", (1e30, 1.5, 3), "spacing|place"),
        (80, "3f", (1e-30, 1.5, 3), "spacing"),
        (72, "h", (8,), "8 bits a voxel; expected 16"),
        (256, "f", (float("nan"),), "nan in its place"),
        (268, "f", (float("inf"),), "inf in its place"),
        (256, "f", (1.5,), "quaternion"),
        (280 + 28, "f", (float("nan"),), "nan in its place"),
        (112, "2f", (2.0, float("nan")), "intercept nan"),
        (112, "2f", (-1.0, 0.0), "the slope -1"),
    ],
)
def test_a_nifti_header_that_makes_no_sense_is_refused(tmp_path, offset, layout, values, words):
    refused(patched(tmp_path / "ct.nii", offset, layout, *values), words)
    refused(patched(tmp_path / "ct.nii.gz", offset, layout, *values), words)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['space units: "m" "m" "m"'], 'lengths in "m"; expected mm'),
        (['space units: "mm" "um" "mm"'], 'lengths in "um"'),
        (["old min: 0"], "the field 'old min'"),
        (["spacings: 1 1 3"], "1 x 1 x 3 mm in spacings, 1.25 x 1.5 x 3 mm in space directions"),
        (["space origin: (nan,0,0)"], "nan in its place"),
        (["space directions: (1.25,0,0) (nan,1.5,0) (0,0,3)"], "voxel spacing"),
        (["space directions: (1e30,0,0) (0,1.5,0) (0,0,3)"], "expected 0.01 to 100 mm"),
        (["space directions: (1e-30,0,0) (0,1.5,0) (0,0,3)"], "expected 0.01 to 100 mm"),
        (["space directions: (1.25,0,0) (1.5,0,0) (0,0,3)"], "one plane|direction"),
        (["space origin: (1e12,0,0)"], "place near the scanner"),
        (["sizes: 24 20 4"], "holds 4800 bytes of image, but its header tells of 3840"),
        (["sizes: 23 20 5"], "holds 4800 bytes"),
        (["sizes: 24 20 -5"], "the size 24 x 20 x -5"),
    ],
)
def test_an_nrrd_header_that_makes_no_sense_is_refused(tmp_path, lines, words):
    refused(edited(tmp_path / "ct.nrrd", *lines), words)


def test_units_of_mm_are_no_fault(tmp_path):
    path = edited(tmp_path / "ct.nrrd", 'space units: "mm" "mm" "mm"')
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)
    np.testing.assert_array_equal(read_volume(edited(tmp_path / "ct.mha", "DistanceUnits = mm")).array, ARRAY)


@pytest.mark.parametrize(
    ("lines", "without", "words"),
    [
        (["ElementSize = 1.25 1.5 3"], ["ElementSpacing"], r"ElementSize\) but not how far they are apart"),
        ([], ["ElementSpacing"], "voxel spacing nan x nan x nan"),
        (["ElementSpacing = 1e30 1.5 3"], [], "expected 0.01 to 100 mm"),
        (["ElementSpacing = 1e-30 1.5 3"], [], "expected 0.01 to 100 mm"),
        (["ElementToIntensityFunctionSlope = 2"], [], "an intensity function, 2 times its numbers and 0"),
        (["ElementToIntensityFunctionOffset = -1024"], [], "an intensity function, 1 times its numbers and -1024"),
        (["DistanceUnits = MET_DISTANCE_UNITS_CM"], [], "lengths in CM"),
        (["Offset = nan 0 0"], [], "nan in its place"),
        (["Position = 5 5 5"], [], "several of Offset, Position, Origin that differ"),
        (["TransformMatrix = 2 0 0 0 1 0 0 0 1"], [], r"a direction \(2, 0, 0\) that is not 1 long"),
        (["TransformMatrix = 1 0 0 0 nan 0 0 0 1"], [], "nan in its place"),
        (["TransformMatrix = 1 0 0 1 0 0 0 0 1"], [], "one plane"),
        (["DimSize = 24 20 4"], [], "holds 4800 bytes of image, but its header tells of 3840"),
        (["DimSize = 24 20 0"], [], "the size 24 x 20 x 0"),
        (["BinaryDataByteOrderMSB = 1e308"], [], "does not begin like"),
    ],
)
def test_a_meta_image_header_that_makes_no_sense_is_refused(tmp_path, lines, without, words):
    refused(edited(tmp_path / "ct.mha", *lines, without=without), words)


def test_an_intensity_function_that_changes_nothing_is_none(tmp_path):
    path = edited(tmp_path / "ct.mha", "ElementToIntensityFunctionSlope = 1", "ElementToIntensityFunctionOffset = 0")
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)


@pytest.mark.parametrize(("field", "length"), [("byte skip: 10", 10), ("byte skip: -1", 33), ("line skip: 1", 7)])
def test_bytes_before_the_voxels_are_skipped_and_the_rest_is_counted(tmp_path, field, length):
    (tmp_path / "ct.raw").write_bytes(b"x" * (length - 1) + b"\n" + ARRAY.astype("<i2").tobytes())
    header = ["NRRD0004", "type: short", "dimension: 3", "space: left-posterior-superior", "sizes: 24 20 5"]
    header += ["space directions: (1.25,0,0) (0,1.5,0) (0,0,3)", "endian: little", "encoding: raw", field]
    path = tmp_path / "ct.nhdr"
    path.write_text("\n".join([*header, "data file: ct.raw", "", ""]))
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)
    if "-1" not in field:
        path.write_text(path.read_text().replace("24 20 5", "24 20 4"))
        with pytest.raises(InputError, match="but its header tells of 3840"):
            read_volume(path)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(shared_folder, unreadable, suffix):
    path = write(shared_folder / f"ct{suffix}")
    unreadable(path)
    refused(path, r"cannot be read \(Permission denied\)")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_bytes_put_in_among_the_voxels_are_found_and_padding_is_no_fault(tmp_path, suffix):
    path = write(tmp_path / f"ct{suffix}")
    content = gzip.decompress(path.read_bytes()) if suffix == ".nii.gz" else path.read_bytes()

    def put(changed):
        path.write_bytes(gzip.compress(changed) if suffix == ".nii.gz" else changed)

    put(content + bytes(20) + b"\n")
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)
    put(content[:-500] + b"\x07" + content[-500:])
    refused(path, "bytes of image, but its header tells of")
