"""Damage to DICOM files, elements within sequences included: slices, structure sets, and any other object."""

from __future__ import annotations

import io
import random
import warnings
from contextlib import suppress

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from .mutate_bytes import BYTES

JUNK = (
    b"",
    b"\0",
    b"0",
    b"-1",
    b"nan ",
    b"1e400 ",
    b"abc",
    b"1\\2\\3",
    b"\xff\xfe\xfd",
    b"\\" * 50,
    b"9" * 400,
    b"1,5 ",
)
KINDS = ("US", "DS", "IS", "SQ", "LO", "UI", "OB", "FL", "CS", "UN")


def mutate_dicom(content: bytes, chance: random.Random) -> bytes:
    """A DICOM file with up to four elements changed, removed, doubled or of another kind, or with damaged bytes."""
    if chance.random() < 0.35:
        return chance.choice(BYTES)(content, chance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(io.BytesIO(content))
        for _ in range(chance.randint(1, 4)):
            _change(chance.choice(_levels(data)), chance)
        result = io.BytesIO()
        try:
            pydicom.dcmwrite(result, data, enforce_file_format=False)
        except Exception:  # what pydicom itself refuses to write
            return chance.choice(BYTES)(content, chance)
    return result.getvalue()


def _levels(data: pydicom.Dataset) -> list[pydicom.Dataset]:
    """A data set and all that lie in its sequences."""
    found = [data]
    for tag in list(data.keys()):
        element = data.get_item(tag)
        if not isinstance(element, RawDataElement) or element.VR == "SQ" or (element.VR is None and element.value):
            value = None
            with suppress(Exception):  # one that was changed before
                value = data[tag].value
            if isinstance(value, pydicom.Sequence):
                for item in value:
                    found += _levels(item)
    return found


def _change(data: pydicom.Dataset, chance: random.Random) -> None:
    tags = list(data.keys())
    if not tags:
        return
    tag = chance.choice(tags)
    what = chance.random()
    if what < 0.25:
        del data[tag]
    elif what < 0.4:
        other = chance.choice(tags)
        data[tag] = RawDataElement(Tag(tag), "UN", 4, chance.randbytes(4), 0, False, True)
        if other != tag:
            del data[other]
    else:
        value = chance.choice(JUNK)
        kind = None if what < 0.7 else chance.choice(KINDS)
        old = data.get_item(tag)
        kind = kind or getattr(old, "VR", None) or "UN"
        if kind == "SQ":
            kind = "UN"
        data[tag] = RawDataElement(Tag(tag), kind, len(value), value, 0, False, True)
