"""Image files of every format that is read, for tests of reading them and of refusing them."""

from __future__ import annotations

import re
import struct

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


def patch(path, offset, layout, *values):
    raw = bytearray(path.read_bytes())
    struct.pack_into(layout, raw, offset, *values)
    path.write_bytes(raw)


def replace(path, pattern, text):
    raw = path.read_bytes()
    changed = re.sub(pattern, text, raw, count=1)
    assert changed != raw
    path.write_bytes(changed)
