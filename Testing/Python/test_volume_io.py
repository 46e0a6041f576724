import gzip
import re
import shutil
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_samples import patient_array

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.read import read_volume

SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"]
SINGLE_FILES = [".nii", ".nii.gz", ".nrrd", ".mha"]
SPACING = (1.25, 1.5, 3.0)
ORIGIN = (-10.0, 20.0, 30.5)
DIRECTION = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def write(path, array=None, compress=True, image=None):
    image = sitk.GetImageFromArray(patient_array() if array is None else array) if image is None else image
    if image.GetDimension() == 3:
        image.SetSpacing(SPACING)
        image.SetOrigin(ORIGIN)
        image.SetDirection(DIRECTION)
    sitk.WriteImage(image, str(path), compress)
    return path


def refused(path, capfd, *words):
    capfd.readouterr()
    with pytest.raises(InputError) as caught:
        read_volume(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message
    assert capfd.readouterr() == ("", ""), "ITK printed beside the one line"


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_volume(tmp_path, suffix, compress):
    volume = read_volume(write(tmp_path / f"ct{suffix}", compress=compress))
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, patient_array())
    np.testing.assert_allclose(volume.spacing, SPACING)
    np.testing.assert_allclose(volume.origin, ORIGIN)
    np.testing.assert_allclose(volume.direction, DIRECTION, atol=1e-6)
    assert volume.source == str(tmp_path / f"ct{suffix}")
    assert (volume.modality, volume.dicom_files, volume.notes) == (None, (), ())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_paths_with_spaces_and_other_letters_are_read(tmp_path, suffix):
    folder = tmp_path / "Ünï 空 x"
    folder.mkdir()
    np.testing.assert_array_equal(read_volume(str(write(folder / f"ct ä空{suffix}"))).array, patient_array())


@pytest.mark.parametrize("spell", [str.upper, str.title])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffixes_may_be_spelt_in_any_case(tmp_path, suffix, spell):
    path = write(tmp_path / f"ct{suffix}").rename(tmp_path / f"ct{spell(suffix)}")
    np.testing.assert_array_equal(read_volume(path).array, patient_array())


@pytest.mark.parametrize("suffix", SINGLE_FILES)
@pytest.mark.parametrize("shape", [(1, 20, 24), (2, 1024, 1024), (600, 16, 16)])
def test_single_slices_large_slices_and_many_slices_are_read(tmp_path, suffix, shape):
    array = np.broadcast_to(patient_array(shape[1:]), shape)
    np.testing.assert_array_equal(read_volume(write(tmp_path / f"ct{suffix}", array)).array, array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_other_integers_become_int16(tmp_path, dtype):
    array = patient_array().clip(0, 200).astype(dtype)
    volume = read_volume(write(tmp_path / "ct.nrrd", array))
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, array)


def test_floats_become_float32(tmp_path):
    array = patient_array() + 0.5
    volume = read_volume(write(tmp_path / "ct.nii.gz", array))
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, array.astype(np.float32))


def test_a_nifti_slope_and_intercept_are_applied(tmp_path):
    path = write(tmp_path / "ct.nii")
    patch(path, 112, "<ff", 1.0, -1024.0)
    np.testing.assert_array_equal(read_volume(path).array, patient_array() - 1024.0)


def test_a_file_without_orientation_is_remarked_on(tmp_path):
    path = write(tmp_path / "ct.nii")
    patch(path, 252, "<hh", 0, 0)
    (note,) = read_volume(path).notes
    assert "orientation" in note


@pytest.mark.parametrize(
    ("suffix", "tag", "other"),
    [(".nrrd", rb"space: left-posterior-superior", b"space: scanner-xyz"), (".mha", rb"TransformMatrix = .*\n", b"")],
)
def test_a_space_that_is_not_the_patient_s_is_remarked_on(tmp_path, suffix, tag, other):
    path = write(tmp_path / f"ct{suffix}")
    assert read_volume(path).notes == ()
    content, found = re.subn(tag, other, path.read_bytes())
    assert found == 1
    path.write_bytes(content)
    (note,) = read_volume(path).notes
    assert "orientation" in note


def test_a_plain_nifti_named_nii_gz_is_read(tmp_path):
    path = write(tmp_path / "ct.nii").rename(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(read_volume(path).array, patient_array())


def test_reading_an_odd_nifti_prints_nothing(tmp_path, capfd):
    path = write(tmp_path / "ct.nii")
    patch(path, 280 + 12, "<f", 77.0)  # another origin in the sform than in the qform
    read_volume(path)
    assert capfd.readouterr() == ("", "")


def patch(path, offset, layout, *values):
    raw = bytearray(path.read_bytes())
    struct.pack_into(layout, raw, offset, *values)
    path.write_bytes(raw)


def replace(path, pattern, text):
    raw = path.read_bytes()
    changed = re.sub(pattern, text, raw, count=1)
    assert changed != raw
    path.write_bytes(changed)


def test_a_missing_path_is_named(tmp_path, capfd):
    refused(tmp_path / "none.nii.gz", capfd, "does not exist")


@pytest.mark.parametrize(("name", "word"), [("ct.txt", ".nii.gz"), ("ct.dcm", "folder"), ("ct", ".nrrd")])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path, capfd, name, word):
    (tmp_path / name).write_text("hello")
    refused(tmp_path / name, capfd, word)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "0 bytes"),
        (np.random.default_rng(0).bytes(5000), "does not begin like"),
        (b"Dear colleague,\n\nhere is the scan: see below = attached\n" * 50, "does not begin like"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, capfd, suffix, content, word):
    (tmp_path / f"ct{suffix}").write_bytes(content)
    refused(tmp_path / f"ct{suffix}", capfd, word)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.98])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_files_are_named(tmp_path, capfd, suffix, part, compress):
    path = write(tmp_path / f"ct{suffix}", compress=compress)
    data = next((file for file in tmp_path.iterdir() if file != path), path)
    data.write_bytes(data.read_bytes()[: int(part * data.stat().st_size)])
    capfd.readouterr()
    with pytest.raises(InputError, match=re.escape(str(data))):
        read_volume(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_damaged_byte_in_compressed_data_is_noticed(tmp_path, capfd, suffix):
    path = write(tmp_path / f"ct{suffix}")
    raw = bytearray(path.read_bytes())
    raw[len(raw) * 2 // 3] ^= 0xFF
    path.write_bytes(raw)
    refused(path, capfd, "damaged")


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_a_header_without_its_data_file_names_both(tmp_path, capfd, suffix):
    path = write(tmp_path / f"ct{suffix}")
    (data,) = (file for file in tmp_path.iterdir() if file != path)
    data.unlink()
    refused(path, capfd, str(data), "does not exist")


@pytest.mark.parametrize("suffix", SINGLE_FILES)
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("2d", ["2D image (24 x 20)"]),
        ("4d", ["4D image (24 x 20 x 5 x 2)"]),
        ("vector", ["vector"]),
        ("colour", ["colour"]),
    ],
)
def test_images_that_are_not_one_3d_scan_are_refused(tmp_path, capfd, suffix, kind, words):
    scan = sitk.GetImageFromArray(patient_array())
    byte = sitk.Cast(scan, sitk.sitkUInt8)
    images = {
        "2d": scan[:, :, 0],
        "4d": sitk.JoinSeries([scan, scan]),
        "vector": sitk.Compose(scan, scan),
        "colour": sitk.Compose(byte, byte, byte),
    }
    refused(write(tmp_path / f"ct{suffix}", image=images[kind]), capfd, *words)


def test_a_nifti_with_one_time_point_is_a_3d_scan(tmp_path):
    image = sitk.JoinSeries([sitk.GetImageFromArray(patient_array())])
    np.testing.assert_array_equal(read_volume(write(tmp_path / "ct.nii.gz", image=image)).array, patient_array())


def test_complex_values_are_refused(tmp_path, capfd):
    part = sitk.GetImageFromArray(patient_array().astype(np.float32))
    refused(write(tmp_path / "ct.nii.gz", image=sitk.RealAndImaginaryToComplex(part, part)), capfd, "complex")


def test_a_png_named_nrrd_is_not_read(tmp_path, capfd):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((20, 24), np.uint8)), str(tmp_path / "ct.png"))
    refused((tmp_path / "ct.png").rename(tmp_path / "ct.nrrd"), capfd, "does not begin like")


@pytest.mark.parametrize("value", [0.0, -2.0, float("nan"), float("inf")])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_nifti_spacing_that_makes_no_sense_is_refused(tmp_path, capfd, axis, value):
    path = write(tmp_path / "ct.nii")
    patch(path, 76 + 4 * axis, "<f", value)
    refused(path, capfd, "spacing", f"{value:g}")


@pytest.mark.parametrize("value", [b"0", b"-2", b"nan", b"inf"])
@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
def test_a_metaimage_spacing_that_makes_no_sense_is_refused(tmp_path, capfd, suffix, value):
    path = write(tmp_path / f"ct{suffix}")
    replace(path, rb"ElementSpacing = 1.25", b"ElementSpacing = " + value)
    refused(path, capfd, "spacing", value.decode())


@pytest.mark.parametrize("value", [b"(0,0,0)", b"(nan,nan,nan)", b"(inf,0,0)", b"none"])
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr"])
def test_an_nrrd_direction_that_makes_no_sense_is_refused(tmp_path, capfd, suffix, value):
    path = write(tmp_path / f"ct{suffix}")
    replace(path, rb"space directions: \([^)]*\)", b"space directions: " + value)
    refused(path, capfd, "spacing")


@pytest.mark.parametrize("value", [b"0 1 1", b"-1 1 1", b"nan 1 1", b"inf 1 1"])
def test_an_nrrd_spacing_that_makes_no_sense_is_refused(tmp_path, capfd, value):
    path = write(tmp_path / "ct.nrrd")
    replace(path, rb"space: .*\n", b"")
    replace(path, rb"space origin: .*\n", b"")
    replace(path, rb"space directions: .*\n", b"spacings: " + value + b"\n")
    refused(path, capfd, "spacing")


@pytest.mark.parametrize(
    ("suffix", "pattern"), [(".nrrd", rb"space directions: .*\n"), (".mha", rb"ElementSpacing.*\n")]
)
def test_a_file_without_spacing_is_refused(tmp_path, capfd, suffix, pattern):
    path = write(tmp_path / f"ct{suffix}")
    replace(path, pattern, b"")
    refused(path, capfd, "spacing")


def test_a_compressed_file_named_nii_is_refused_with_its_right_name(tmp_path, capfd):
    path = write(tmp_path / "ct.nii.gz").rename(tmp_path / "ct.nii")
    refused(path, capfd, "rename it to .nii.gz")


def test_a_gzip_file_of_something_else_is_refused(tmp_path, capfd):
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(b"hello " * 200))
    refused(tmp_path / "ct.nii.gz", capfd, "does not begin like")


def test_a_sheared_nifti_is_refused(tmp_path, capfd):
    path = write(tmp_path / "ct.nii")
    patch(path, 252, "<hh", 0, 1)
    patch(path, 280 + 8, "<f", 1.5)
    refused(path, capfd, "sheared by 26.6 degrees")


def test_a_nifti_2_file_is_refused(tmp_path, capfd):
    (tmp_path / "ct.nii").write_bytes(struct.pack("<i8s", 540, b"n+2\0\r\n\x1a\n").ljust(1000, b"\0"))
    refused(tmp_path / "ct.nii", capfd, "NIfTI-2")


@pytest.mark.parametrize(
    ("suffix", "pattern", "text"),
    [
        (".nrrd", rb"space directions: .*", b"space directions: (1,0,0) (1,0,0) (0,0,1)"),
        (".mha", rb"TransformMatrix = .*", b"TransformMatrix = 1 0 0 1 0 0 0 0 1"),
    ],
)
def test_axes_that_lie_in_one_plane_are_refused(tmp_path, capfd, suffix, pattern, text):
    path = write(tmp_path / f"ct{suffix}")
    replace(path, pattern, text)
    refused(path, capfd, "in one plane")


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_voxels_with_the_highest_byte_first_are_read(tmp_path, suffix):
    array = patient_array()
    raw = write(tmp_path / f"ct{suffix}", compress=False).read_bytes()
    head = raw[: len(raw) - array.nbytes]
    if suffix == ".nii":
        head = swapped_nifti(head)
    else:
        head = head.replace(b"endian: little", b"endian: big").replace(b"OrderMSB = False", b"OrderMSB = True")
    (tmp_path / f"ct{suffix}").write_bytes(head + array.astype(">i2").tobytes())
    np.testing.assert_array_equal(read_volume(tmp_path / f"ct{suffix}").array, array)


def swapped_nifti(head):
    """A NIfTI-1 header with the bytes of each of its numbers the other way round."""
    layout = "i10s18sihcB8h3f4h8f3fh2B4f2i80s24s2h18f16s4s"
    return struct.pack(f">{layout}", *struct.unpack(f"<{layout}", head[:348])) + head[348:]


def test_a_nifti_of_the_same_name_is_not_read_instead_of_the_compressed_one(tmp_path):
    write(tmp_path / "ct.nii", patient_array()[::-1])
    for slope in (1.0, 2.0):  # read here, and by ITK
        path = write(tmp_path / "plain.nii")
        patch(path, 112, "<ff", slope, 0.0)
        (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
        np.testing.assert_array_equal(read_volume(tmp_path / "ct.nii.gz").array, slope * patient_array())


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_promises_far_more_than_there_is_asks_for_no_memory(tmp_path, capfd, suffix):
    path = write(tmp_path / "ct.nii")
    patch(path, 42, "<3h", 32767, 32767, 32767)
    if suffix == ".nii.gz":
        path = tmp_path / "ct.nii.gz"
        path.write_bytes(gzip.compress((tmp_path / "ct.nii").read_bytes()))
    refused(path, capfd, "truncated")


def test_two_gzip_streams_in_one_file_are_one_image(tmp_path):
    raw = write(tmp_path / "ct.nii").read_bytes()
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(raw[:3000]) + gzip.compress(raw[3000:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.nii.gz").array, patient_array())


def test_a_copied_header_finds_data_beside_it_only(tmp_path, capfd):
    (tmp_path / "other").mkdir()
    path = shutil.copy(write(tmp_path / "ct.mhd"), tmp_path / "other")
    refused(path, capfd, "copy both files together")
