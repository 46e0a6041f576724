"""Small helpers around SimpleITK."""

from __future__ import annotations

import locale
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..system.files import is_utf8, temporary_folder
from ..system.names import suffix_of
from .headers import HEADER_READERS, check_header
from .headers.stored_voxels import holds
from .volume import Volume

_WARNINGS = threading.Lock()
_READERS = threading.Lock()


@dataclass
class _Quiet:
    """How many want quiet, and whether warnings were shown, and how numbers were written, before the first of them."""

    users: int = 0
    shown: bool = False
    numbers: str = "C"


_quiet = _Quiet()


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep ITK's C++ warnings off the terminal; what matters is raised or noted by the caller.

    Meanwhile numbers have a point: within a program that speaks German, teem reads "0.98" in a header as 0 and writes
    "0,98". The switch belongs to the process: the last thread that leaves puts it back.
    """
    with _WARNINGS:
        if not _quiet.users:
            _quiet.shown = sitk.ProcessObject.GetGlobalWarningDisplay()
            sitk.ProcessObject.SetGlobalWarningDisplay(False)
            _quiet.numbers = locale.setlocale(locale.LC_NUMERIC)
            if locale.localeconv()["decimal_point"] != ".":
                locale.setlocale(locale.LC_NUMERIC, "C")
        _quiet.users += 1
    try:
        yield
    finally:
        with _WARNINGS:
            _quiet.users -= 1
            if not _quiet.users:
                sitk.ProcessObject.SetGlobalWarningDisplay(_quiet.shown)
                if locale.setlocale(locale.LC_NUMERIC) != _quiet.numbers:
                    locale.setlocale(locale.LC_NUMERIC, _quiet.numbers)


@contextmanager
def reading_image() -> Iterator[None]:
    """Let one thread at a time use ITK's readers of image files, quietly.

    The NIfTI reader of ITK 5.4 keeps the name of the file it read last in a static string: two threads that read at
    once now and then write it together, which ends the process with a segmentation fault.
    """
    with _READERS, quiet_itk():
        yield


def opened(name: str, image_io: str = "") -> sitk.ImageFileReader:
    """ITK's reader of a file with the header read, to be called within `reading_image`; raises RuntimeError.

    Args:
        name: the file's, see `names_for_itk`.
        image_io: ITK's class for the format; "" lets ITK look.
    """
    reader = sitk.ImageFileReader()
    if image_io:
        reader.SetImageIO(image_io)
    reader.SetFileName(name)
    reader.ReadImageInformation()
    return reader


def volume_of(array: np.ndarray, reader: sitk.ImageFileReader, source: str = "") -> Volume:
    """An array (z, y, x) with the geometry that a reader has found."""
    geometry = {"spacing": reader.GetSpacing(), "origin": reader.GetOrigin(), "direction": reader.GetDirection()}
    return Volume(array, source=source, **geometry)


@contextmanager
def names_for_itk(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Names under which ITK can read the files: their own, or links beside each other."""
    if all(map(is_utf8, paths)):
        yield [str(path) for path in paths]
        return
    with temporary_folder() as folder:
        links = [folder / str(number) for number in range(len(paths))]
        for link, path in zip(links, paths):
            link.symlink_to(path.resolve())
        yield [str(link) for link in links]


def reason(error: Exception) -> str:
    """The last line of an ITK error, which says what went wrong; the lines above say where in ITK."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # "ITK ERROR: NiftiImageIO(0x55...): " tells a user nothing.
    return re.sub(r"^(\w+::?|ITK )ERROR: |\w+\(0x\w+\): ", "", lines[-1]).rstrip(".") if lines else "no reason given"


def write_image(array: np.ndarray, volume: Volume, path: Path, fields: Mapping[str, str] | None = None) -> None:
    """Write an array on a volume's grid, compressed, and read it back: ITK does not notice a disk that fills up.

    Args:
        array: (z, y, x).
        volume: gives the geometry.
        path: its suffix says the format.
        fields: further fields of the header, by name.

    Raises:
        OSError: it could not be written, or what was read back differs.
    """
    try:
        with quiet_itk():
            image = sitk.GetImageFromArray(array)
            image.SetSpacing(volume.spacing)
            image.SetOrigin(volume.origin)
            image.SetDirection(volume.direction)
            for name, value in (fields or {}).items():
                image.SetMetaData(name, value)
            sitk.WriteImage(image, str(path), useCompression=True)
        with reading_image():
            reader = opened(str(path))
        header = check_header(path, suffix_of(path, HEADER_READERS))
    except (RuntimeError, InputError) as error:
        raise OSError(reason(error)) from error
    shape = np.broadcast_to(array.dtype.type(0), reader.GetSize()[::-1])
    if not (volume_of(shape, reader).same_grid(volume) and holds(header, array)):
        raise OSError("the file read back differs from what was written")
