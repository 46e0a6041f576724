from itertools import permutations, product

import numpy as np
import pytest
from dicom_samples import patient_array

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.volume import Volume, check_ct, narrow

ORIENTATIONS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


def turned(volume: Volume, order, signs) -> Volume:
    """The same image, stored along other axes: array axis i becomes the old axis order[i], backwards where -1."""
    # Columns of the affine belong to x, y, z; array axes count z, y, x.
    step = (np.reshape(volume.direction, (3, 3)) * volume.spacing)[:, ::-1]
    origin = np.array(volume.origin)
    for axis, sign in enumerate(signs):
        if sign < 0:
            origin = origin + step[:, order[axis]] * (volume.array.shape[order[axis]] - 1)
    new = (step[:, order] * signs)[:, ::-1]
    spacing = np.linalg.norm(new, axis=0)
    flips = [axis for axis in range(3) if signs[axis] < 0]
    return Volume(
        np.flip(volume.array.transpose(order), flips), tuple(spacing), tuple(origin), tuple((new / spacing).ravel())
    )


def rotation(angles) -> np.ndarray:
    a, b, c = angles
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.3, -0.2, 0.25), (-0.5, 0.1, 0.4)])
def test_every_storage_order_gives_the_same_axial_array(angles):
    array = patient_array((4, 6, 5))
    straight = Volume(array, (1.0, 2.0, 3.0), (10.0, -20.0, 30.0), tuple(rotation(angles).ravel()))
    assert len(ORIENTATIONS) == 48
    for order, signs in ORIENTATIONS:
        volume = turned(straight, order, signs)
        axial = volume.axial.of(volume.array)
        np.testing.assert_array_equal(axial, array)
        np.testing.assert_array_equal(volume.axial.undo(axial), volume.array)
        assert np.shares_memory(axial, volume.array)


def test_axial_order_runs_to_the_head_the_back_and_the_left():
    volume = Volume(patient_array((4, 6, 5)), direction=(-1, 0, 0, 0, 0, 1, 0, -1, 0))
    assert volume.axial.axes == (1, 0, 2)
    assert volume.axial.flips == (0, 2)


def test_a_sheared_volume_is_recognised():
    assert not Volume(patient_array(), direction=tuple(rotation((0.3, 0.2, 0.1)).ravel())).sheared
    assert Volume(patient_array(), direction=(1, 0, 0, 0, 1, 0.2, 0, 0, 0.98)).sheared


def test_grids_are_compared_within_a_fiftieth_of_a_millimetre_at_every_corner():
    volume = Volume(patient_array())
    assert volume.same_grid(Volume(patient_array(), origin=(0, 0, 0.01)))
    assert not volume.same_grid(Volume(patient_array(), origin=(0, 0, 0.03)))
    wider = Volume(patient_array(), (1.002, 1.0, 1.0))
    assert volume.off_by_mm(wider) == pytest.approx(0.002 * (patient_array().shape[2] - 1))
    assert not volume.same_grid(wider)
    assert not volume.same_grid(Volume(patient_array()[1:]))


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 255], np.uint8, np.int16),
        ([-32768, 32767], np.int64, np.int16),
        ([0, 32768], np.uint16, np.float32),
        ([0, 1], bool, np.int16),
        ([0.5, 1], np.float64, np.float32),
        ([0.5, 1], np.float32, np.float32),
    ],
)
def test_voxels_become_int16_where_they_fit_and_else_float32(values, dtype, expected):
    array = np.array(values, dtype=dtype)
    assert narrow(array).dtype == expected
    np.testing.assert_array_equal(narrow(array), array)


def test_a_ct_passes_the_check():
    check_ct(Volume(patient_array(), source="ct.nrrd"))
    check_ct(Volume(patient_array((1, 1024, 1024)).astype(np.float32), source="ct.nrrd", modality="CT"))


def spoilt(array, **values):
    array = array.astype(np.float32)
    array.flat[: len(values["first"])] = values["first"]
    return array


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (spoilt(patient_array(), first=[np.nan, np.inf, -np.inf]), "3 voxels with NaN or an infinite number"),
        (np.full((5, 20, 24), -1000, np.int16), "-1000 everywhere"),
        (np.full((5, 20, 24), np.nan, np.float32), "2400 voxels"),
        (patient_array().clip(-1024, -600), "all air"),
        (patient_array().astype(np.float32) * 1e6, "which no CT has"),
        (patient_array((40, 20, 15)), "15 x 20 pixels"),
    ],
)
def test_what_cannot_be_a_ct_is_refused(array, words):
    with pytest.raises(InputError, match=words) as caught:
        check_ct(Volume(array, source="ct.nrrd"))
    assert str(caught.value).startswith("ct.nrrd ")


def test_another_modality_is_refused():
    with pytest.raises(InputError, match="PT; expected CT"):
        check_ct(Volume(patient_array(), source="folder", modality="PT"))
