"""An order is carried out by what its voxels and tags say, whatever the scene believed of them when it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, write_series

from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.report.export.carry_out import carry_out
from GTVAutoSegLib.report.export.order import Order, OrderedCT, OrderedSegment
from GTVAutoSegLib.system.tags import APPROVAL_TAGS

SHAPE = (8, 40, 48)


def tumour(shift: int = 0) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:5, 10:20, 12 + shift : 24 + shift] = 1
    return mask


def ordered(folder: Path, *, voxels: np.ndarray, approved: np.ndarray, moved: float = 0.0) -> pydicom.Dataset:
    """The structure set of a segment that somebody approved when it had these voxels."""
    write_series(folder / "ct", patient_array(SHAPE))
    volume = read_volume(folder / "ct")
    uids = [str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in volume.dicom_files]
    slices = [(uid, str(file)) for uid, file in zip(uids, volume.dicom_files)]
    values = ("Meyer^Anna", "2026-11-28T10.00.00+01.00", "anna", Box.of(approved).mask_sha256)
    to_ct = np.eye(4)
    to_ct[0, 3] = moved
    segment = OrderedSegment(
        "1", name="GTVp", kind="GTV", own_name="GTVp", color=(1.0, 0.0, 0.0), terminology="", start=(0, 0, 0),
        to_ct=tuple(to_ct.ravel().tolist()), tags=dict(zip(APPROVAL_TAGS, values)),
    )  # fmt: skip
    order = Order(str(folder / "rt.dcm"), OrderedCT.of(volume, "CT", slices, {}), (segment,))
    (folder / "scratch").mkdir()
    exported = carry_out(order, [voxels], folder / "scratch")
    data = pydicom.dcmread(folder / "rt.dcm")
    assert exported.approved is (data.ApprovalStatus == "APPROVED")
    return data


def test_an_approval_of_these_very_voxels_goes_into_the_file(tmp_path):
    data = ordered(tmp_path, voxels=tumour(), approved=tumour())
    assert (data.ApprovalStatus, data.ReviewerName) == ("APPROVED", "Meyer^Anna")


@pytest.mark.parametrize(("shift", "moved"), [(1, 0.0), (0, 1.0), (0, 0.3)])
def test_an_approval_of_other_voxels_does_not(tmp_path, shift, moved):
    data = ordered(tmp_path, voxels=tumour(shift), approved=tumour(), moved=moved)
    assert data.ApprovalStatus == "UNAPPROVED" and "ReviewerName" not in data
