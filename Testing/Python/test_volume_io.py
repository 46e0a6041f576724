"""Image files of every format give the same volume, whatever is odd about them."""

from __future__ import annotations

import gzip
import re
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_samples import patient_array
from image_files import DIRECTION, ORIGIN, SINGLE_FILES, SPACING, SUFFIXES, patch, write

from GTVAutoSegLib.images.read import read_volume


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


def test_a_nifti_with_one_time_point_is_a_3d_scan(tmp_path):
    image = sitk.JoinSeries([sitk.GetImageFromArray(patient_array())])
    np.testing.assert_array_equal(read_volume(write(tmp_path / "ct.nii.gz", image=image)).array, patient_array())


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


def test_two_gzip_streams_in_one_file_are_one_image(tmp_path):
    raw = write(tmp_path / "ct.nii").read_bytes()
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(raw[:3000]) + gzip.compress(raw[3000:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.nii.gz").array, patient_array())
