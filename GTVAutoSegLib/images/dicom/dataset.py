"""DICOM files opened, with or without a preamble: the one place where pydicom's errors become sentences."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pydicom.valuerep import VR

from ...errors import GTVAutoSegError, InputError
from ...system.files import unreadable

PREAMBLE = 128
PREFIX = b"DICM"
# Elements a data set without file meta information begins with, in group 0008, and how long they are at most.
FIRST_ELEMENTS = {0x0000, 0x0001, 0x0005, 0x0006, 0x0008, 0x000A, 0x0012, 0x0013, 0x0014, 0x0016, 0x0018, 0x0060}
LONGEST_FIRST = 1024
_VRS = {vr.value.encode() for vr in VR}


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's remarks on values longer than they should be off the terminal; they are taken as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def reading(path: Path, kind: str = "DICOM file") -> Iterator[None]:
    """Turn whatever goes wrong over a file into a sentence that names it.

    pydicom decodes a value only when it is asked for, so code that asks a data set for one belongs into the block too.
    Over damaged bytes it raises errors of many kinds (struct.error, BytesLengthException, zlib.error, RecursionError).

    Raises:
        InputError: the file may not be read, or is damaged.
    """
    try:
        with quiet_pydicom():
            yield
    except (GTVAutoSegError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(unreadable(path, error)) from error
        raise InputError(
            f"{path} is a damaged {kind}: its header breaks off or holds values that cannot be read; export or copy it "
            "again"
        ) from error


def open_dataset(
    path: Path, tags: Sequence[str | int] | None = None, pixels: bool = True
) -> pydicom.FileDataset | None:
    """Read a DICOM file; to be called within `reading`.

    Files without preamble and file meta information, as some planning systems write them, are read like others.

    Args:
        path: the file.
        tags: the attributes that are wanted; all by default.
        pixels: whether to go on to the pixels.

    Returns:
        The data set; None for a file that is not DICOM.
    """
    with path.open("rb") as file:
        start = file.read(PREAMBLE + len(PREFIX))
        bare = start[PREAMBLE:] != PREFIX
        if bare and not _begins_bare(start):
            return None
        file.seek(0)
        wanted: list[Any] | None = None if tags is None else ["SOPClassUID", *tags]
        data = pydicom.dcmread(file, force=True, stop_before_pixels=not pixels, specific_tags=wanted)
        whole = pixels or "Rows" not in data or file.read(1)
    if bare and not str(data.get("SOPClassUID", "")).startswith("1.2.840."):
        return None
    if not whole and data.file_meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        raise EOFError("the file ends before its pixels")
    return data


def open_structure_set(path: Path) -> pydicom.FileDataset:
    """Read an RTSTRUCT; to be called within `reading`.

    Raises:
        InputError: it is another file.
    """
    data = open_dataset(path)
    if data is None:
        raise InputError(f"{path} is not a DICOM file; expected an RTSTRUCT")
    if data.get("Modality") != "RTSTRUCT":
        raise InputError(f"{path} has the modality {data.get('Modality')}; expected an RTSTRUCT")
    return data


def _begins_bare(start: bytes) -> bool:
    """Whether a file begins with the first element of a data set or of file meta information, in any encoding."""
    for order in ("little", "big"):
        group, element = (int.from_bytes(start[at : at + 2], order) for at in (0, 2))
        if (group == 0x0002 and element in (0x0000, 0x0001)) or (group == 0x0008 and element in FIRST_ELEMENTS):
            explicit = start[4:6] in _VRS
            length = int.from_bytes(start[6:8] if explicit else start[4:8], order)
            return len(start) > 8 and length <= LONGEST_FIRST
    return False
