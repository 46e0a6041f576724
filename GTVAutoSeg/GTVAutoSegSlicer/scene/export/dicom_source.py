"""A CT node as the DICOM slices it was loaded from, which a structure set refers to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.dicom.headers import SliceHeader, read_header
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.files import check_writable

from ..ct_identity import INSTANCES
from ..files import volume_of


def dicom_volume(ct: Any) -> Volume:
    """A CT node as the library's volume, with the file of each slice."""
    headers = _headers(ct)
    volume = volume_of(ct)
    count, rows, columns = volume.array.shape
    found = {(header.columns, header.rows) for header in headers}
    if len(headers) != count or found != {(columns, rows)}:
        loaded_columns, loaded_rows = max(found)
        raise InputError(
            f"'{ct.GetName()}' has {count} slices of {columns} x {rows}, but was loaded from {len(headers)} of "
            f"{loaded_columns} x {loaded_rows}; expected it as it was loaded, so select the CT that was neither "
            "cropped nor resampled"
        )
    towards_the_last = np.reshape(volume.direction, (3, 3))[:, 2]
    headers.sort(key=lambda header: float(towards_the_last @ header.position))
    return replace(volume, dicom_files=tuple(header.path for header in headers))


def _headers(ct: Any) -> list[SliceHeader]:
    """The headers of the slices a node was loaded from, in no order."""
    instances = (ct.GetAttribute(INSTANCES) or "").split()
    if not instances:
        raise InputError(
            f"'{ct.GetName()}' was not loaded from DICOM, so a structure set has no slices to refer to; import the "
            "DICOM series in the DICOM module and load it from there"
        )
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        raise InputError(
            f"Slicer's DICOM database, expected to know the slices of '{ct.GetName()}', is not open; open the DICOM "
            "module and choose its folder"
        )
    files = [Path(database.fileForInstance(instance) or "") for instance in instances]
    missing = sum(not file.is_file() for file in files)
    if missing:
        raise InputError(
            f"{missing} of the {len(files)} DICOM slices of '{ct.GetName()}' are no longer where Slicer's DICOM "
            "database has them, expected all; import the series again in the DICOM module"
        )
    return [_header(file, instance) for file, instance in zip(files, instances)]


def _header(file: Path, instance: str) -> SliceHeader:
    header = read_header(file)
    if header is None or header.instance != instance:
        raise InputError(
            f"{file} is no longer the slice that Slicer's DICOM database has there; import the series again in the "
            "DICOM module"
        )
    if header.missing or header.frames > 1:
        what = f"{header.frames} frames" if header.frames > 1 else f"no {' and '.join(header.missing)}"
        raise InputError(f"{file} has {what}; expected one slice with its place in space, as a CT series has them")
    return header


def check_place(path: Path, volume: Volume) -> None:
    """Raise unless the file can be written without harm to the CT."""
    check_writable(path)
    if path.exists() and any(path.samefile(file) for file in volume.dicom_files):
        raise InputError(
            f"{path} is a slice of the CT, expected another file for the structure set; choose another name"
        )
