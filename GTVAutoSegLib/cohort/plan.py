"""What is to be made of each case of a batch, and whether it is there already.

``result.json`` is written last and removed first, so whatever a killed run left behind without it is no result. What is
out of date is packed into ``outdated.zip`` before a run begins: no planning system, and nobody in a hurry, takes it for
the current result then.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from .. import __version__
from ..errors import InputError
from ..file_headers import HEADER_READERS
from ..files import whole_file
from ..mask_writer import FORMATS
from ..model.bundle import Bundle
from .search import Case

RESULT, REPORT, THUMBNAIL, OUTDATED = "result.json", "report.html", "thumbnail.png", "outdated.zip"
DEFAULT_FORMATS = (".seg.nrrd",)
# What a planning system wants, besides; written without being asked for where the input is DICOM.
DICOM_FORMATS = (".dcm",)


@dataclass(frozen=True)
class BatchSettings:
    """What a user chose for all cases of a batch.

    Attributes:
        formats: suffixes of the masks; () for .seg.nrrd, and .dcm as well where the CT is DICOM.
        threshold: slice probability from which a slice is segmented; None for the model's own.
        strict: whether a CT that is in doubt fails, see `batch_case.doubts`.
        precision: as asked for, see `load_model`.
    """

    formats: tuple[str, ...] = ()
    threshold: float | None = None
    strict: bool = False
    precision: str = "auto"


@dataclass(frozen=True)
class Plan:
    """What to make of a case.

    Attributes:
        case: the CT.
        folder: for its results.
        formats: suffixes of the masks, keys of `mask_writer.FORMATS`.
        key: what the results depend on; those with another key are out of date.
        strict: whether a CT that is in doubt fails, see `batch_case.doubts`.
    """

    case: Case
    folder: Path
    formats: tuple[str, ...]
    key: dict[str, Any]
    strict: bool = False

    @property
    def masks(self) -> tuple[Path, ...]:
        """The files with the mask."""
        return tuple(self.folder / f"{self.case.name}{suffix}" for suffix in self.formats)


def plan_case(case: Case, output: Path, bundle: Bundle, settings: BatchSettings) -> Plan:
    """Plan a case.

    Args:
        case: the CT.
        output: folder of the batch.
        bundle: the model.
        settings: of the batch.
    """
    formats = settings.formats or DEFAULT_FORMATS + (DICOM_FORMATS if case.is_dicom else ())
    key = {
        "model": bundle.digest,
        "threshold": settings.threshold,
        "precision": settings.precision,
        "formats": list(formats),
        "input": _stamp(case),
        "gtvautoseg": __version__,
    }
    return Plan(case, output / case.name, formats, key, settings.strict)


def read_record(plan: Plan) -> dict[str, Any] | None:
    """``result.json`` of a case; None when it is not there."""
    try:
        record = json.loads((plan.folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def missing(plan: Plan, record: dict[str, Any] | None) -> str:
    """Why a case has to be done, from what `read_record` gave; "" when its results are there and up to date."""
    if record is None:
        return "no result yet"
    key = record.get("key", {})
    changed = [name for name, value in plan.key.items() if key.get(name) != value]
    if changed:
        return f"made with another {', '.join(changed)}"
    for name, size in record["files"].items():
        path = plan.folder / name
        if not path.is_file() or path.stat().st_size != size:
            return f"{name} is missing or was changed"
    return "its CT is in doubt, which --strict refuses" if plan.strict and record["doubts"] else ""


def set_aside(plan: Plan) -> None:
    """Pack an earlier result into ``outdated.zip``, and remove what a killed run was writing.

    Raises:
        DiskError: the archive could not be written; nothing was removed then.
        OSError: a file could not be removed.
    """
    earlier = read_record(plan)
    if earlier is not None:
        names = [Path(name).name for name in (*earlier.get("files", ()), RESULT)]
        with whole_file(plan.folder / OUTDATED) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:
            for path in (plan.folder / name for name in names):
                if path.is_file():
                    archive.write(path, path.name)
        # The mark first: what a kill leaves of the others is no result.
        for name in reversed(names):
            (plan.folder / name).unlink(missing_ok=True)
    clear(plan)


def clear(plan: Plan) -> None:
    """Remove files without ``result.json``, finished or not; in all formats, for the killed run may have had others."""
    masks = [plan.folder / f"{plan.case.name}{suffix}" for suffix in FORMATS]
    for path in (*masks, plan.folder / THUMBNAIL, plan.folder / REPORT, *plan.folder.glob(".gtv-*")):
        path.unlink(missing_ok=True)


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
