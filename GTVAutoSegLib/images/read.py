"""Reading volumes from image files and DICOM folders."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..system.allocator import give_back_freed_memory
from ..system.files import is_utf8, temporary_folder
from ..system.names import suffix_of
from .dicom.series import read_dicom_series
from .headers import HEADER_READERS, check_header
from .headers.header import Header, agree
from .headers.nifti import contradiction
from .headers.stored_voxels import read_voxels
from .itk import opened, reading_image, volume_of
from .volume import Volume, check_geometry, narrow

# Named, so that a PNG called ct.nrrd is not read as an image of 1 mm pixels.
IMAGE_IO = {
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
}


def read_volume(path: str | Path, series: str | None = None) -> Volume:
    """Read a volume from an image file or a folder with a DICOM series.

    Args:
        path: a .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd file, or a folder, which is searched with all its subfolders.
        series: the SeriesInstanceUID to read when the folder holds several series.

    Returns:
        The volume as stored, in LPS and mm; int16 where integer voxels fit, otherwise float32.

    Raises:
        InputError: the path does not exist, is no such image, is damaged, or is not one 3D image of single values.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; expected an image file or a folder with a DICOM series")
    return read_dicom_series(path, series) if path.is_dir() else _read_file(path)


def _read_file(path: Path) -> Volume:
    suffix = _suffix(path)
    header = check_header(path, suffix)
    try:
        array, reader = _read_array(path, suffix, header)
    except MemoryError:
        raise InputError(f"{path} does not fit into memory; expected a CT of one patient") from None
    volume = volume_of(narrow(array), reader, str(path))
    check_geometry(volume)
    if not agree(volume.spacing, header.spacing):
        # ITK reads numbers as the process's locale writes them.
        raise InputError(f"{path} was read with another voxel spacing than it gives; expected the same, so report it")
    return replace(volume, notes=tuple(_notes(path, header, volume)))


def _notes(path: Path, header: Header, volume: Volume) -> Iterator[str]:
    if not header.oriented:
        yield f"{path} does not record the patient's orientation; left and right are a guess"
    if note := contradiction(path, header.forms, header.sides, np.column_stack([volume.steps, volume.origin])):
        yield note


def _suffix(path: Path) -> str:
    suffix = suffix_of(path, HEADER_READERS)
    if not suffix:
        hint = (
            "of a CT give the folder with the whole series; structure sets are read by 'gtvautoseg import'"
            if suffix_of(path, (".dcm", ".ima"))
            else "convert it to one of these"
        )
        raise InputError(f"{path} is not one of the image files read here ({', '.join(HEADER_READERS)}); {hint}")
    return suffix


def _read_array(path: Path, suffix: str, header: Header) -> tuple[np.ndarray, sitk.ImageFileReader]:
    """The voxels (z, y, x) of a file, and a reader that knows its geometry."""
    voxels = read_voxels(path, header)
    try:
        with reading_image(), _readable_name(path, suffix) as readable:
            reader = opened(str(readable), IMAGE_IO[suffix])
            _check_kind(path, reader)
            if voxels is not None and _stored_plainly(voxels, header, reader):
                return voxels.reshape(reader.GetSize()[::-1]), reader
            del voxels  # ITK makes two copies
            array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        # What ITK says of it is shown by --debug.
        raise InputError(
            f"{path} cannot be read as a {suffix} image: its header contradicts itself or its voxels are damaged; "
            "export it again"
        ) from error
    give_back_freed_memory()  # ITK's copy is as large as the CT
    return array, reader


def _stored_plainly(voxels: np.ndarray, header: Header, reader: sitk.ImageFileReader) -> bool:
    """Whether ITK would give these voxels, as they are."""
    one = sitk.GetImageFromArray(np.zeros((1, 1, 1), voxels.dtype))
    return one.GetPixelID() == reader.GetPixelID() and math.prod(reader.GetSize()) == voxels.size and not header.scaled


def _check_kind(path: Path, reader: sitk.ImageFileReader) -> None:
    size = " x ".join(str(side) for side in reader.GetSize())
    if reader.GetDimension() != 3:
        raise InputError(
            f"{path} is a {reader.GetDimension()}D image ({size}); expected one 3D CT, so export a single volume"
        )
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    if reader.GetNumberOfComponents() != 1 or "complex" in kind:
        raise InputError(f"{path} is a colour or vector image ({kind}); expected one HU value per voxel")


@contextmanager
def _readable_name(path: Path, suffix: str) -> Iterator[Path]:
    """The path, or a copy of the file where ITK refuses its name: no UTF-8, or a suffix spelled .Nii or .nii.GZ.

    Beside a ct.nii, ITK would also read the voxels of that instead of those of ct.nii.gz.
    """
    spelling = path.name[-len(suffix) :]
    shadowed = suffix == ".nii.gz" and path.with_suffix("").exists()
    if is_utf8(path) and not shadowed and (not suffix.startswith(".nii") or spelling in (suffix, suffix.upper())):
        yield path
        return
    with temporary_folder() as folder:
        yield Path(shutil.copyfile(path, folder / f"image{suffix}"))
