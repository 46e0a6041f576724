"""Reading volumes from image files and DICOM folders."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from .allocator import give_back_freed_memory
from .dicom.series import read_dicom_series
from .errors import InputError
from .file_check import HEADER_READERS, check_file
from .itk import is_utf8, quiet_itk, reason
from .volume import Volume, narrow

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
    volume = read_dicom_series(path, series) if path.is_dir() else _read_file(path)
    give_back_freed_memory()  # ITK's copy is as large as the CT
    return volume


def _read_file(path: Path) -> Volume:
    suffix = _suffix(path)
    header = check_file(path, suffix)
    image = _read_image(path, suffix)
    notes = (
        () if header.oriented else (f"{path} does not record the patient's orientation; left and right are a guess",)
    )
    return Volume(
        narrow(sitk.GetArrayFromImage(image)),
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
        str(path),
        notes=notes,
    )


def _suffix(path: Path) -> str:
    name = path.name.lower()
    suffix = next((suffix for suffix in HEADER_READERS if name.endswith(suffix)), None)
    if suffix is None:
        hint = (
            "give the folder with the whole series" if name.endswith((".dcm", ".ima")) else "convert it to one of these"
        )
        raise InputError(f"{path} is not one of the image files read here ({', '.join(HEADER_READERS)}); {hint}")
    return suffix


def _read_image(path: Path, suffix: str) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(IMAGE_IO[suffix])
    try:
        with quiet_itk(), _readable_name(path, suffix) as readable:
            reader.SetFileName(str(readable))
            reader.ReadImageInformation()
            _check_kind(path, reader)
            return reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as a {suffix} image ({reason(error)}); export it again") from None
    except MemoryError:
        raise InputError(f"{path} does not fit into memory; expected a CT of one patient") from None


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
    """The path, or a copy of the file where ITK refuses its name: no UTF-8, or a suffix spelled .Nii or .nii.GZ."""
    spelling = path.name[-len(suffix) :]
    if is_utf8(path) and (not suffix.startswith(".nii") or spelling in (suffix, suffix.upper())):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copyfile(path, Path(folder) / f"image{suffix}"))
