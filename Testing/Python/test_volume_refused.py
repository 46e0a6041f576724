"""Image files that are damaged, cut or make no sense are refused in one line that names them."""

from __future__ import annotations

import gzip
import re
import shutil
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_samples import patient_array
from image_files import SINGLE_FILES, SUFFIXES, patch, refused, replace, write

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.read import read_volume


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


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_promises_far_more_than_there_is_asks_for_no_memory(tmp_path, capfd, suffix):
    path = write(tmp_path / "ct.nii")
    patch(path, 42, "<3h", 32767, 32767, 32767)
    if suffix == ".nii.gz":
        path = tmp_path / "ct.nii.gz"
        path.write_bytes(gzip.compress((tmp_path / "ct.nii").read_bytes()))
    refused(path, capfd, "truncated")


def test_a_copied_header_finds_data_beside_it_only(tmp_path, capfd):
    (tmp_path / "other").mkdir()
    path = shutil.copy(write(tmp_path / "ct.mhd"), tmp_path / "other")
    refused(path, capfd, "copy both files together")
