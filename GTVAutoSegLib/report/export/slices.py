"""The DICOM slices that an ordered CT was loaded from, which a structure set refers to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...images.dicom.headers import SliceHeader, read_header
from ...images.volume import Volume
from ...system.progress import Progress, followed
from .order import OrderedCT


def dicom_volume(ct: OrderedCT, progress: Progress) -> Volume:
    """An ordered CT with the file of each slice.

    Args:
        ct: the CT.
        progress: called with "reading", headers read, and headers in all.

    Raises:
        InputError: a slice is not where Slicer's DICOM database has it, or the CT is not as it was loaded.
    """
    headers = _headers(ct, progress)
    count, rows, columns = ct.shape
    found = {(header.columns, header.rows) for header in headers}
    if len(headers) != count or found != {(columns, rows)}:
        loaded_columns, loaded_rows = max(found)
        raise InputError(
            f"'{ct.name}' has {count} slices of {columns} x {rows}, but was loaded from {len(headers)} of "
            f"{loaded_columns} x {loaded_rows}; expected it as it was loaded, so select the CT that was neither "
            "cropped nor resampled"
        )
    towards_the_last = np.reshape(ct.direction, (3, 3))[:, 2]
    headers.sort(key=lambda header: float(towards_the_last @ header.position))
    return replace(ct.volume, dicom_files=tuple(header.path for header in headers))


def _headers(ct: OrderedCT, progress: Progress) -> list[SliceHeader]:
    """The headers of the slices, in no order."""
    missing = sum(not file or not Path(file).is_file() for _, file in ct.slices)
    if missing:
        raise InputError(
            f"{missing} of the {len(ct.slices)} DICOM slices of '{ct.name}' are no longer where Slicer's DICOM "
            "database has them, expected all; import the series again in the DICOM module"
        )
    slices = followed(ct.slices, "reading", progress, len(ct.slices))
    return [_header(Path(file), instance) for instance, file in slices]


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
    """Raise where the file would take the place of one of the CT's."""
    if path.exists() and any(path.samefile(file) for file in volume.dicom_files):
        raise InputError(
            f"{path} is a slice of the CT, expected another file for the structure set; choose another name"
        )
