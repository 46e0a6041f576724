import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_samples import patient_array, stack_positions, write_series, write_structure_set
from pydicom.uid import RLELossless

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.system.lock import LOCK, locked


def refused(folder, *words, series=None):
    with pytest.raises(InputError) as caught:
        read_volume(folder, series)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def resave(path, **tags):
    data = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path)


def test_a_series_is_read_in_order_of_position_with_its_geometry(tmp_path):
    array = patient_array()
    files = write_series(tmp_path / "Ünï 空 x" / "deeper", array)
    volume = read_volume(tmp_path)
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.spacing, (1.25, 1.5, 3))
    assert volume.origin == (-10, -20, -30)
    np.testing.assert_allclose(np.reshape(volume.direction, (3, 3)), np.eye(3))
    assert volume.dicom_files == tuple(files)
    assert (volume.modality, volume.source, volume.notes) == ("CT", str(tmp_path), ())


def test_a_feet_first_scan_runs_along_its_own_normal(tmp_path):
    orientation = (-1, 0, 0, 0, 1, 0)  # normal towards the feet
    array = patient_array()
    write_series(tmp_path, array, stack_positions(5, (0, 0, -3)), orientation=orientation)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(np.reshape(volume.direction, (3, 3)), np.diag([-1, 1, -1]))


def test_an_oblique_scan_keeps_its_directions(tmp_path):
    c, s = np.cos(0.3), np.sin(0.3)
    orientation = (c, s, 0, 0, 0, -1)  # coronal, turned about z
    normal = np.cross(orientation[:3], orientation[3:])
    array = patient_array()
    write_series(tmp_path, array, stack_positions(5, 2.5 * normal), orientation=orientation)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, array)
    expected = np.column_stack([orientation[:3], orientation[3:], normal])
    np.testing.assert_allclose(np.reshape(volume.direction, (3, 3)), expected, atol=1e-4)
    np.testing.assert_allclose(volume.spacing, (1.25, 1.5, 2.5), atol=1e-4)


def test_a_tilted_gantry_keeps_its_sheared_geometry(tmp_path):
    tilt = np.radians(15)
    orientation = (1, 0, 0, 0, np.cos(tilt), -np.sin(tilt))
    array, positions = patient_array(), stack_positions(5)  # the couch moves along z, not along the normal
    write_series(tmp_path, array, positions, orientation=orientation)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.sheared
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    for index, position in enumerate(positions):
        corner = np.add(position, 4 * 1.25 * np.array(orientation[:3]) + 7 * 1.5 * np.array(orientation[3:]))
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((0, 0, index)), position, atol=1e-3)
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((4, 7, index)), corner, atol=1e-3)


def test_other_objects_and_files_are_left_aside(tmp_path):
    array = patient_array()
    write_series(tmp_path, array)
    write_structure_set(tmp_path / "RS.dcm")
    (tmp_path / "DICOMDIR.txt").write_text("not DICOM")
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(4000))
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.notes == ()


def test_empty_files_among_slices_are_remarked_on(tmp_path):
    write_series(tmp_path, patient_array())
    (tmp_path / "lost.dcm").touch()
    (note,) = read_volume(tmp_path).notes
    assert "lost.dcm" in note


def test_an_empty_folder_is_named(tmp_path):
    refused(tmp_path, str(tmp_path), "no DICOM image")


def test_a_folder_without_images_is_named(tmp_path):
    write_structure_set(tmp_path / "RS.dcm")
    (tmp_path / "read me.txt").write_text("hello")
    refused(tmp_path, str(tmp_path), "no DICOM image")


def test_a_folder_of_empty_files_is_named(tmp_path):
    (tmp_path / "1.dcm").touch()
    refused(tmp_path, "only empty files", "1.dcm")


def test_a_lock_of_our_own_is_no_lost_slice(tmp_path):
    write_series(tmp_path, patient_array())
    (tmp_path / "set").mkdir()
    with locked(tmp_path / "set"):
        assert (tmp_path / "set" / LOCK).exists()
    assert read_volume(tmp_path).notes == ()


def test_two_series_are_listed_and_one_can_be_chosen(tmp_path):
    first, second = patient_array(), patient_array((3, 20, 24), seed=1)
    write_series(tmp_path / "a", first, series="1.2.3", description="Head")
    write_series(tmp_path / "b", second, series="1.2.4", description="Uptake", modality="PT")
    refused(tmp_path, "2 image series", "CT 'Head', 5 slices, UID 1.2.3", "PT 'Uptake', 3 slices, UID 1.2.4")
    np.testing.assert_array_equal(read_volume(tmp_path, "1.2.3").array, first)
    chosen = read_volume(tmp_path, series="1.2.4")
    np.testing.assert_array_equal(chosen.array, second)
    assert chosen.modality == "PT"
    refused(tmp_path, "no series 1.2.5", "1.2.3", "1.2.4", series="1.2.5")


def test_a_screenshot_series_does_not_hide_the_scan(tmp_path):
    array = patient_array()
    write_series(tmp_path / "ct", array)
    write_series(
        tmp_path / "dose report", array[:1], series="1.2.9", ImagePositionPatient=None, ImageOrientationPatient=None
    )
    np.testing.assert_array_equal(read_volume(tmp_path).array, array)


def test_two_slices_at_one_position_are_named(tmp_path):
    positions = stack_positions(5)
    positions[3] = positions[2]
    files = write_series(tmp_path, patient_array(), positions)
    refused(tmp_path, files[2].name, files[3].name, "same position", "-24 mm")


def test_missing_slices_are_located_and_counted(tmp_path):
    array, positions = patient_array((12, 20, 24)), stack_positions(12)
    for path in np.array(write_series(tmp_path, array, positions))[[4, 5, 9]]:
        path.unlink()
    refused(tmp_path, "2 between -21 mm and -12 mm", "1 between -6 mm and 0 mm", "usual spacing of 3 mm")


def test_unequal_spacing_is_located(tmp_path):
    positions = stack_positions(6)
    positions[4:, 2] += 1.2
    write_series(tmp_path, patient_array((6, 20, 24)), positions)
    refused(tmp_path, "4.2 mm apart between -21 mm and -16.8 mm", "3 mm elsewhere")


def test_a_slice_pushed_aside_is_named(tmp_path):
    positions = stack_positions(5)
    positions[2, 0] += 4
    files = write_series(tmp_path, patient_array(), positions)
    refused(tmp_path, str(files[2]), "4 mm off the line")


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_equal_enough(tmp_path):
    positions = stack_positions(40, (0, 0, 0.625)).round(1)
    write_series(tmp_path, patient_array((40, 20, 24)), positions)
    assert read_volume(tmp_path).spacing[2] == pytest.approx(0.625, abs=0.005)


@pytest.mark.parametrize(
    ("what", "tags"),
    [
        ("orientation", {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}),
        ("pixel spacing", {"PixelSpacing": [2, 2]}),
        ("size", {"Rows": 12, "Columns": 40}),
    ],
)
def test_a_slice_unlike_the_others_is_named(tmp_path, what, tags):
    files = write_series(tmp_path, patient_array())
    resave(files[3], **tags)
    refused(tmp_path, files[3].name, f"another {what}")


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_a_missing_tag_is_named(tmp_path, tag):
    files = write_series(tmp_path, patient_array())
    resave(files[1], **{tag: None})
    refused(tmp_path, str(files[1]), tag)


def test_a_pixel_spacing_of_zero_is_refused(tmp_path):
    write_series(tmp_path, patient_array(), pixel_spacing=(0, 1))
    refused(tmp_path, "PixelSpacing")


def test_row_and_column_directions_that_are_not_perpendicular_are_refused(tmp_path):
    write_series(tmp_path, patient_array(), orientation=(1, 0, 0, 0.5, 0.5, 0))
    refused(tmp_path, "ImageOrientationPatient", "perpendicular")


@pytest.mark.parametrize(
    ("tags", "expected", "noted"),
    [
        ({"thickness": 5.0}, 5, False),
        ({"thickness": None, "SpacingBetweenSlices": 4.0}, 4, False),
        ({"thickness": None}, 1, True),
    ],
)
def test_a_single_slice_takes_its_thickness_from_the_header(tmp_path, tags, expected, noted):
    array = patient_array((1, 20, 24))
    write_series(tmp_path, array, **tags)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.spacing[2] == expected
    assert bool(volume.notes) == noted


def test_run_length_compressed_slices_are_decoded(tmp_path):
    array = patient_array()
    for path in write_series(tmp_path, array):
        data = pydicom.dcmread(path)
        data.compress(RLELossless)
        data.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path).array, array)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_jpeg_compressed_slices_are_decoded(tmp_path, compressor):
    array = patient_array((2, 32, 32))
    for index, path in enumerate(write_series(tmp_path, array)):
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(path))
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        stored = sitk.GetImageFromArray((array[index : index + 1].astype(np.int32) + 1024).astype(np.uint16))
        original = pydicom.dcmread(path)
        writer.Execute(stored)
        encoded = pydicom.dcmread(path)
        assert encoded.file_meta.TransferSyntaxUID.is_compressed
        original.file_meta.TransferSyntaxUID = encoded.file_meta.TransferSyntaxUID
        original["PixelData"] = encoded["PixelData"]
        original.save_as(path)
    np.testing.assert_array_equal(read_volume(tmp_path).array, array)


def test_every_slice_has_its_own_rescale_slope(tmp_path):
    array = patient_array((3, 20, 24)).clip(0)
    files = write_series(tmp_path, array, modality="PT", RescaleIntercept=0, RescaleSlope=1)
    stored = array.astype(np.int32) + 1024
    resave(files[1], RescaleSlope=0.25)
    expected = stored * np.array([1, 0.25, 1])[:, None, None]
    np.testing.assert_allclose(read_volume(tmp_path).array, expected)


def test_a_multi_frame_file_is_refused_with_advice(tmp_path):
    files = write_series(tmp_path, patient_array((1, 20, 24)))
    resave(files[0], NumberOfFrames=30, ImagePositionPatient=None)
    refused(tmp_path, str(files[0]), "30 frames", "one file per slice")


def test_truncated_pixels_are_refused(tmp_path):
    files = write_series(tmp_path, patient_array((3, 64, 64)))
    files[1].write_bytes(files[1].read_bytes()[:-5000])
    refused(tmp_path, files[1].name)


def test_a_file_cut_within_its_header_is_named(tmp_path):
    files = write_series(tmp_path, patient_array())
    files[2].write_bytes(files[2].read_bytes()[:400])
    refused(tmp_path, files[2].name)


def test_colour_images_are_refused(tmp_path):
    array = patient_array((2, 20, 24))
    for path in write_series(tmp_path, array):
        pixels = np.zeros((20, 24, 3), np.uint8)
        resave(
            path,
            SamplesPerPixel=3,
            PlanarConfiguration=0,
            PhotometricInterpretation="RGB",
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            RescaleSlope=None,
            RescaleIntercept=None,
            PixelData=pixels.tobytes(),
        )
    refused(tmp_path, "colour")


def test_six_hundred_slices_are_read(tmp_path):
    array = patient_array((600, 16, 16))
    write_series(tmp_path, array, stack_positions(600, (0, 0, 0.5)))
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.spacing[2] == pytest.approx(0.5)


def test_reading_prints_nothing(tmp_path, capfd):
    tilt = np.radians(15)
    write_series(tmp_path, patient_array(), orientation=(1, 0, 0, 0, np.cos(tilt), -np.sin(tilt)))
    read_volume(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_slice_with_too_few_pixels_is_refused_though_its_length_field_agrees(tmp_path):
    files = write_series(tmp_path, patient_array())
    resave(files[2], PixelData=pydicom.dcmread(files[2]).PixelData[:-300])
    refused(tmp_path, files[2].name, "holds 660 of 960 bytes")


def test_inverted_grey_values_are_refused(tmp_path):
    for file in write_series(tmp_path, patient_array()):
        resave(file, PhotometricInterpretation="MONOCHROME1")
    refused(tmp_path, "MONOCHROME1", "convert the series")


def test_a_slice_without_the_rescale_the_others_have_is_named(tmp_path):
    files = write_series(tmp_path, patient_array())
    resave(files[2], RescaleSlope=None, RescaleIntercept=None)
    refused(tmp_path, files[2].name, "another set of rescale tags")
