"""Patients as a hospital exports them, and the command that imports them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pydicom
from dicom_samples import patient_array, write_series
from rtstruct_samples import square, write_rtstruct

from GTVAutoSegLib.commands.cli import main

TUMOUR = [square(-5, -10, 5, 4, height) for height in (-27, -24)]
NODE = [square(6, -10, 9, 4, -24)]


def patient(folder: Path, name: str, rois: dict | None = None, seed: int = 0, **options) -> str:
    """A patient's CT and structure set below a folder; returns the series UID."""
    ct = write_series(folder / name / "ct", patient_array(seed=seed), PatientID=name, **options)
    write_rtstruct(folder / name / "rt" / "rs.dcm", ct, {"GTVp": TUMOUR} if rois is None else rois)
    return str(pydicom.dcmread(ct[0], stop_before_pixels=True).SeriesInstanceUID)


def case_of(uid: str) -> str:
    return f"case_{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def run(*arguments: object) -> int:
    return main(["import", *map(str, arguments)])
