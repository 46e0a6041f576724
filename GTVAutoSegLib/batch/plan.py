"""What is to be made of each case of a batch: its files, and the key that tells whether they are up to date."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..images.headers import HEADER_READERS
from ..images.masks.structure import SMOOTH
from ..model.bundle import Bundle
from ..system.settings import as_json
from .cohort import Case

RESULT, REPORT, THUMBNAIL, OUTDATED = "result.json", "report.html", "thumbnail.png", "outdated.zip"
# Folder within a case's for what the model made, once a person has corrected it.
AUTOMATIC = "automatic"
DEFAULT_FORMATS = (".seg.nrrd",)
# What a planning system wants, besides; written without being asked for where the input is DICOM.
DICOM_FORMATS = (".dcm",)


@dataclass(frozen=True)
class BatchSettings:
    """What a user chose for all cases of a batch.

    Attributes:
        formats: suffixes of the masks; () for .seg.nrrd, and .dcm as well where the CT is DICOM.
        threshold: slice probability from which a slice is segmented; None for the model's own.
        strict: whether a CT that is in doubt fails, see `case.doubts`.
        precision: as asked for, see `load_model`.
        contours: of structure sets, "smooth" or "pixel".
    """

    formats: tuple[str, ...] = ()
    threshold: float | None = None
    strict: bool = False
    precision: str = "auto"
    contours: str = SMOOTH


@dataclass(frozen=True)
class Plan:
    """What to make of a case.

    Attributes:
        case: the CT.
        folder: for its results.
        settings: with the formats that fit the case.
        key: what the results depend on; those with another key are out of date.
    """

    case: Case
    folder: Path
    settings: BatchSettings
    key: dict[str, Any]

    @property
    def masks(self) -> tuple[Path, ...]:
        """The files with the mask."""
        return tuple(self.folder / f"{self.case.name}{suffix}" for suffix in self.settings.formats)


def plan_case(case: Case, output: Path, bundle: Bundle, settings: BatchSettings) -> Plan:
    """Plan a case."""
    formats = settings.formats or DEFAULT_FORMATS + (DICOM_FORMATS if case.is_dicom else ())
    key = {
        "model": bundle.digest,
        "threshold": settings.threshold,
        "precision": settings.precision,
        "formats": list(formats),
        "input": _stamp(case),
        "gtvautoseg": __version__,
    }
    if settings.contours != SMOOTH:
        key["contours"] = settings.contours
    if case.region is not None:
        key["box"] = as_json(case.region)
    return Plan(case, output / case.name, replace(settings, formats=formats), key)


def _stamp(case: Case) -> str:
    """Changes when a file of the input does: SHA-256 of their names, sizes and times.

    The folder counts as well: unpacked or copied data sets often have ``<case>/data.nii`` of one size and one time.
    """
    paths = [Path(file) for file in case.files]
    if not case.is_dicom:
        paths += _detached(paths[0])
    lines = []
    for path in sorted(paths):
        try:
            status = path.stat()
        except OSError:
            continue  # reading it says what is wrong
        lines.append(f"{path.parent.name}/{path.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _detached(path: Path) -> list[Path]:
    """The file with the voxels, where the header names another one (.mhd, .nhdr)."""
    reader = HEADER_READERS.get(path.suffix.lower())
    try:
        data = reader(path).data if reader and path.suffix.lower() in (".mhd", ".nhdr") else None
    except (InputError, ValueError, KeyError, IndexError, EOFError, OSError):
        return []  # as above
    return [] if data is None or data == path else [data]
