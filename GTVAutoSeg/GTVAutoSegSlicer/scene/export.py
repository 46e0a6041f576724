"""From a segment to a DICOM structure set that refers to the slices its CT was loaded from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from GTVAutoSegLib.errors import GTVAutoSegError, InputError
from GTVAutoSegLib.images.dicom.headers import SliceHeader, read_header
from GTVAutoSegLib.images.dicom.rtstruct_writer import make_rtstruct, save
from GTVAutoSegLib.images.dicom.source import read_source
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.files import check_writable, whole_file
from GTVAutoSegLib.system.tags import ROI_TAG

from ..run.failures import Failure
from .ct_identity import INSTANCES
from .files import volume_of
from .ownership import is_made_on, is_unchanged, our_segments, reference_volume, tag, voxels_outside
from .segmentation import check_output, segment_info


@dataclass(frozen=True)
class Exported:
    """A structure set that was written.

    Attributes:
        path: the file.
        roi: name of its region.
        algorithm: AUTOMATIC, or SEMIAUTOMATIC when the segment is not as the run left it.
        slices: how many of the CT's slices have contours.
    """

    path: Path
    roi: str
    algorithm: str
    slices: int


def export_rtstruct(node: Any, path: Path, ct: Any = None, segment_id: str = "") -> Exported:
    """Write our segment of a segmentation, as it is now, as a DICOM structure set.

    Args:
        node: vtkMRMLSegmentationNode.
        path: where to; a file already there is replaced. It appears whole, and only when its contours, read back and
            filled, give the segment's voxels on the CT.
        ct: the CT, loaded from DICOM; None takes the one the segmentation was made for.
        segment_id: which segment that stems from a run; "" takes the result of the last one of the only region.

    Raises:
        Failure: nothing was written. Its code is "segment", "no-dicom" or "export": the segment, the CT's slices or
            the file is the reason.
    """
    with _failing_as("segment"):
        segment_id, ct = _find(node, ct, segment_id)
        info = segment_info(node, segment_id)
        mask = _voxels(node, segment_id, ct, info.name)
    with _failing_as("no-dicom"):
        source = read_source(_dicom_volume(ct), path)
    with _failing_as("export"):
        _check_place(path, source.volume)
        # As stored: an edit finer than the CT's voxels does not show in the mask.
        algorithm = "AUTOMATIC" if is_unchanged(node, segment_id, ct) else "SEMIAUTOMATIC"
    with _failing_as("segment"):
        structures = [Structure(mask, info, algorithm)]
        data = make_rtstruct(structures, source)
    with _failing_as("export"), whole_file(path) as temporary:
        save(data, temporary, structures, source)
    return Exported(path, info.name, algorithm, int(mask.any(axis=(1, 2)).sum()))


@contextmanager
def _failing_as(code: str) -> Iterator[None]:
    """Turn the library's errors into failures with a code."""
    try:
        yield
    except GTVAutoSegError as error:
        raise Failure(code, str(error)) from error


def _find(node: Any, ct: Any, segment_id: str) -> tuple[str, Any]:
    """Our segment's id and the CT."""
    segments = our_segments(node) if node is not None else {}
    if not segments:
        raise InputError("there is no segment made by GTVAutoSeg to export; expected one, so run Segment GTV first")
    if not segment_id and len(segments) > 1:
        raise InputError(
            f"'{node.GetName()}' has {len(segments)} segments made by GTVAutoSeg ({', '.join(segments)}), expected to "
            "be told which one to export; give its id"
        )
    segment_id = segment_id or next(iter(segments.values()))
    segment = node.GetSegmentation().GetSegment(segment_id)
    if segment is None or not tag(segment, ROI_TAG):
        raise InputError(
            f"'{node.GetName()}' has no segment '{segment_id}' made by GTVAutoSeg, expected one of: "
            f"{', '.join(segments.values())}; give its id"
        )
    ct = ct or reference_volume(node)
    if ct is None or ct.GetImageData() is None:
        raise InputError(f"the CT of '{node.GetName()}' is not in the scene; load it and select it as the CT")
    if not is_made_on(node, segment_id, ct):
        raise InputError(
            f"the segment '{segment.GetName()}' was made on another CT than '{ct.GetName()}', expected its own, whose "
            "patient and slices go into the file; select that CT, or run on this one"
        )
    check_output(node, ct)
    return segment_id, ct


def _voxels(node: Any, segment_id: str, ct: Any, name: str) -> np.ndarray:
    """The segment on the CT's grid, uint8 (z, y, x), 0 or 1."""
    mask = (slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, ct) != 0).astype(np.uint8)
    if not mask.any():
        raise InputError(
            f"the segment '{name}' is empty on the CT; expected voxels to draw contours around, so draw some"
        )
    outside = voxels_outside(node, segment_id, ct)
    if outside:
        raise InputError(
            f"the segment '{name}' has {outside} voxels outside the CT '{ct.GetName()}', expected none: there is no "
            "slice to draw them on, so erase them or select the CT it was drawn on"
        )
    return mask


def _dicom_volume(ct: Any) -> Volume:
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


def _check_place(path: Path, volume: Volume) -> None:
    """Raise unless the file can be written without harm to the CT."""
    check_writable(path)
    if path.exists() and any(path.samefile(file) for file in volume.dicom_files):
        raise InputError(
            f"{path} is a slice of the CT, expected another file for the structure set; choose another name"
        )
