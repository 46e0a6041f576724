"""Which scanner made a CT: manufacturer and model, by which results are told apart later; nothing of the patient."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ...system.names import one_line
from ..volume import Volume
from .dataset import open_dataset, reading

# Manufacturer (0008,0070) and Manufacturer's Model Name (0008,1090), PS3.3 C.7.5.1: LO, at most 64 characters each.
TAGS = ("Manufacturer", "ManufacturerModelName")
LONGEST = 64
KEPT = "scanner"


def scanner_of(volume: Volume) -> str:
    """Manufacturer and model of the scanner of a CT from DICOM; "" where the files do not tell, or there are none."""
    if KEPT not in volume.kept:
        volume.kept[KEPT] = scanner_of_file(volume.dicom_files[0]) if volume.dicom_files else ""
    return str(volume.kept[KEPT])


def scanner_of_file(path: Path) -> str:
    """The same of one slice; no result fails for the want of it."""
    try:
        with reading(path):
            data = open_dataset(path, ["SpecificCharacterSet", *TAGS], pixels=False)
            words = [] if data is None else [str(data.get(name) or "") for name in TAGS]
    except InputError:
        return ""
    maker, model = (one_line(word)[:LONGEST] for word in words) if words else ("", "")
    return model if maker and model.casefold().startswith(maker.casefold()) else f"{maker} {model}".strip()
