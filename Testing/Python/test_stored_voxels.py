"""Voxels as files store them: whole, in place, and in the order the header says."""

from __future__ import annotations

import struct
import time
import zlib

import numpy as np
import pytest
import SimpleITK as sitk

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.read import read_volume

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize("offset", [0.0, 100.0, -352.0, float("nan"), float("inf")])
def test_a_nifti_file_whose_voxels_begin_in_its_header_is_refused(tmp_path, offset):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), path)
    content = bytearray(path.read_bytes())
    content[108:112] = struct.pack("<f", offset)
    path.write_bytes(content)
    with pytest.raises(InputError, match="within its header|does not begin like"):
        read_volume(path)


@pytest.mark.parametrize("missing", [1, 8, 9])
def test_a_compressed_file_without_its_checksum_is_refused(tmp_path, missing):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), path)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InputError, match="truncated"):
        read_volume(path)


def test_a_wrong_number_of_bits_does_not_hide_that_voxels_are_missing(tmp_path):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), path)
    content = bytearray(path.read_bytes())
    content[72:74] = struct.pack("<h", 8)
    path.write_bytes(content[:-40])
    with pytest.raises(InputError, match="8 bits a voxel; expected 16"):
        read_volume(path)


def test_an_intercept_without_a_slope_is_refused(tmp_path):
    path = tmp_path / "ct.nii"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), path)
    content = bytearray(path.read_bytes())
    content[112:120] = struct.pack("<2f", 0, 5)
    path.write_bytes(content)
    with pytest.raises(InputError, match="a slope of 0 and an intercept of 5"):
        read_volume(path)


def test_much_padding_behind_a_compressed_stream_is_not_gone_through(tmp_path):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), path)
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + 50_000_000)
    started = time.process_time()
    assert np.array_equal(read_volume(path).array, VOXELS)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(("yes", "local"), [("True", "LOCAL"), ("T", "local"), ("1", "Local")])
def test_metaimage_flags_and_places_are_read_however_they_are_spelled(tmp_path, yes, local):
    header = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = {yes}\nBinaryDataByteOrderMSB = {yes}\nCompressedData = {yes}\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 3\nDimSize = 5 4 3\n"
        f"ElementType = MET_SHORT\nElementDataFile = {local}\n"
    )
    path = tmp_path / "ct.mha"
    path.write_bytes(header.encode() + zlib.compress(VOXELS.astype(">i2").tobytes()))
    assert np.array_equal(read_volume(path).array, VOXELS)
