"""How scanners store HU: bits, signs, rescaling, byte orders; what cannot be known is refused or named by its tag."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, write_series
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.pixels.storage import GE_PRIVATE
from GTVAutoSegLib.images.read import read_volume

ARRAY = patient_array()


def changed(folder, change, which=slice(None)):
    """A series of which some slices were changed by a function of the data set."""
    for path in write_series(folder, ARRAY)[which]:
        data = pydicom.dcmread(path)
        change(data)
        data.save_as(path)
    return folder


def pixels(data) -> np.ndarray:
    """HU of a slice of `dicom_samples`."""
    return np.frombuffer(data.PixelData, "<u2").reshape(data.Rows, data.Columns).astype(int) - 1024


def put(data, values, kind="<u2", **tags) -> None:
    data.PixelData = np.ascontiguousarray(values).astype(kind).tobytes()
    for name, value in tags.items():
        setattr(data, name, value)


def without(*names):
    def remove(data):
        for name in names:
            delattr(data, name)

    return remove


def signed(data):
    put(data, pixels(data), "<i2", PixelRepresentation=1, RescaleIntercept=0)


def upper_bits(data):
    put(data, (pixels(data) + 1024) << 4, BitsStored=12, HighBit=15)


def sign_not_extended(data):
    put(data, pixels(data) & 0xFFF, PixelRepresentation=1, BitsStored=12, HighBit=11, RescaleIntercept=0)


def overlay_above(data):
    values = pixels(data) + 1024
    values[::2] |= 0x8000
    put(data, values, BitsStored=12, HighBit=11)
    data.add_new(0x60000102, "US", 15)


def wide(data):
    put(data, pixels(data) + 1024, "<u4", BitsAllocated=32, BitsStored=32, HighBit=31)


@pytest.mark.parametrize("store", [signed, upper_bits, sign_not_extended, overlay_above, wide])
def test_what_the_standard_says_of_bits_is_read_as_it_says(tmp_path, store):
    volume = read_volume(changed(tmp_path, store))
    np.testing.assert_array_equal(volume.array, ARRAY)
    assert volume.array.dtype == np.int16
    assert volume.notes == volume.doubts == ()


def test_slices_of_one_series_may_be_signed_and_unsigned(tmp_path):
    volume = read_volume(changed(tmp_path, signed, slice(1, 3)))
    np.testing.assert_array_equal(volume.array, ARRAY)
    assert volume.doubts == ()


def test_slices_may_have_slopes_of_their_own(tmp_path):
    volume = read_volume(
        changed(tmp_path, lambda data: put(data, pixels(data) * 2 + 2048, RescaleSlope=0.5), slice(1, 2))
    )
    np.testing.assert_array_equal(volume.array, ARRAY)


def test_big_endian_and_ges_private_syntax_are_read(tmp_path):
    for path in write_series(tmp_path, ARRAY)[:3]:
        data = pydicom.dcmread(path)
        put(data, pixels(data) + 1024, ">u2")
        data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        data["PixelData"].VR = "OW"
        pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=False, force_encoding=True)
    path = sorted(tmp_path.iterdir())[-1]
    data = pydicom.dcmread(path)
    index = int(data.InstanceNumber) - 1
    put(data, ARRAY[index].astype(int) + 1024, ">u2")
    data.file_meta.TransferSyntaxUID = pydicom.uid.UID(GE_PRIVATE)
    pydicom.dcmwrite(path, data, implicit_vr=True, little_endian=True, force_encoding=True)
    np.testing.assert_array_equal(read_volume(tmp_path).array, ARRAY)


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        (without("RescaleSlope", "RescaleIntercept"), "RescaleSlope (0028,1053) and RescaleIntercept (0028,1052)"),
        (without("RescaleIntercept"), "RescaleIntercept (0028,1052)"),
        (lambda data: put(data, pixels(data) + 1024, RescaleSlope=None, RescaleIntercept=None), "RescaleIntercept"),
        (without("PixelRepresentation"), "PixelRepresentation (0028,0103)"),
        (lambda data: put(data, pixels(data), "<i2", RescaleIntercept=0), "PixelRepresentation, 0028,0103"),
        (lambda data: put(data, pixels(data) + 34000, PixelRepresentation=1), "PixelRepresentation, 0028,0103"),
        (lambda data: put(data, pixels(data) + 1024, BitsStored=10, HighBit=9), "BitsStored (0028,0101) 10"),
        (lambda data: setattr(data, "RescaleType", "US"), "RescaleType (0028,1054) 'US'"),
    ],
)
def test_what_is_likely_but_not_certain_is_named_by_its_tag(tmp_path, change, tag):
    volume = read_volume(changed(tmp_path, change))
    assert len(volume.doubts) == 1
    assert volume.doubts[0].startswith("5 slices such as 000_0.dcm: ")
    assert tag in volume.doubts[0]
    assert volume.notes == volume.doubts


def test_a_table_of_hu_and_rescaling_within_a_sequence_are_named_not_applied(tmp_path):
    def nest(data):
        item = pydicom.Dataset()
        item.RescaleSlope, item.RescaleIntercept = data.RescaleSlope, data.RescaleIntercept
        del data.RescaleSlope, data.RescaleIntercept
        data.RealWorldValueMappingSequence = [item]

    (doubt,) = read_volume(changed(tmp_path / "nested", nest)).doubts
    assert "RealWorldValueMappingSequence is there, and was not applied" in doubt


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"RescaleSlope": 0}, r"RescaleSlope \(0028,1053\) 0; expected a number above 0"),
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, r"BitsAllocated \(0028,0100\) 8; expected 16"),
        ({"BitsStored": 17}, r"BitsStored \(0028,0101\) 17"),
        ({"HighBit": 10}, r"HighBit \(0028,0102\) 10; expected 15"),
        ({"PixelRepresentation": 2}, r"PixelRepresentation \(0028,0103\) 2"),
        ({"Columns": 23}, r"holds 960 of 920 bytes that 20 rows of 23 pixels take"),
        ({"Rows": 21}, r"holds 960 of 1008 bytes"),
        ({"Columns": 0}, r"Rows 20 and Columns 0"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, tags, message):
    folder = changed(tmp_path, lambda data: [setattr(data, name, value) for name, value in tags.items()])
    with pytest.raises(InputError, match=message):
        read_volume(folder)


@pytest.mark.parametrize("value", [b"abc ", b"-1024,0 ", b"nan ", b"1\\2 ", b"inf "])
def test_an_intercept_that_is_no_number_is_refused_not_taken_for_0(tmp_path, value):
    def spoil(data):
        data["RescaleIntercept"] = pydicom.dataelem.DataElement(0x00281052, "OB", value + b" " * (len(value) % 2))

    with pytest.raises(InputError, match=r"a RescaleIntercept \(0028,1052\) that is no number"):
        read_volume(changed(tmp_path, spoil))


def test_compressed_pixels_of_another_size_than_the_header_says_are_refused(tmp_path):
    def shrink(data):
        data.compress(RLELossless)
        data.Columns -= 1

    with pytest.raises(InputError, match="are not 20 rows of 23, as its header says"):
        read_volume(changed(tmp_path, shrink))


def test_jpeg_and_jpeg_2000_streams_tell_their_size():
    from GTVAutoSegLib.images.dicom.pixels.compressed import _stream_size

    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc3\x00\x0b\x10\x00\x14\x00\x18\x01\x00\x11\x00"
    numbers = b"".join(number.to_bytes(4, "big") for number in (26, 23, 2, 3))
    jpeg_2000 = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + numbers
    assert _stream_size(jpeg) == _stream_size(jpeg.replace(b"\xff\xc3", b"\xff\xf7")) == (20, 24)
    assert _stream_size(jpeg_2000) == (20, 24)
    assert _stream_size(b"no stream") is None


def test_pixels_in_a_syntax_that_is_not_read_are_named_with_it(tmp_path):
    def mark(data):
        data.file_meta.TransferSyntaxUID = JPEGLSLossless
        data.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8 no picture at all "])
        data["PixelData"].VR = "OB"

    with pytest.raises(InputError, match=rf"not read here \(transfer syntax {JPEGLSLossless}\)"):
        read_volume(changed(tmp_path, mark))
