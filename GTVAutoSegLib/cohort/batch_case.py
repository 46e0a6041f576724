"""One case of a batch: reading it, writing its results, and telling whether they are there already.

A case's folder holds the masks, ``thumbnail.png`` and ``report.html``; ``result.json`` is written last and removed
first, so whatever a killed run left behind without it is no result. What is out of date is packed into
``outdated.zip`` before a run begins: no planning system, and nobody in a hurry, takes it for the current result then.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

from .. import __version__
from ..applicability import applicability_warnings
from ..dicom.headers import read_header
from ..dicom.series import stack
from ..errors import GTVAutoSegError, InputError
from ..file_headers import HEADER_READERS
from ..files import make_folder, whole_file, write_text
from ..mask_writer import FORMATS, mask_format, write_mask
from ..model.bundle import Bundle
from ..placement import border_warnings
from ..report.case_report import report_page
from ..report.measures import measure
from ..report.pictures import key_pictures, thumbnail
from ..summary import describe_segment, sentence, summarise
from ..volume import Volume, check_ct
from ..volume_io import read_volume
from .search import Case

if TYPE_CHECKING:
    from ..cascade import CascadeResult

RESULT, REPORT, THUMBNAIL, OUTDATED = "result.json", "report.html", "thumbnail.png", "outdated.zip"
DEFAULT_FORMATS = (".seg.nrrd",)
# What a planning system wants, besides; written without being asked for where the input is DICOM.
DICOM_FORMATS = (".dcm",)


@dataclass(frozen=True)
class Plan:
    """What to make of a case.

    Attributes:
        case: the CT.
        folder: for its results.
        formats: suffixes of the masks, keys of `mask_writer.FORMATS`.
        key: what the results depend on; those with another key are out of date.
        strict: whether a CT that is in doubt fails, see `doubts`.
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


@dataclass(frozen=True)
class Outcome:
    """What became of a case; nothing in it may name a patient.

    Attributes:
        case: its name.
        text: what was found, or the sentence of the error.
        warnings: sentences for the user.
        failed: whether there is no result.
        check: whether a person has to look before the result is used for anything: the CT is in doubt, nothing was
            found, or the outline reaches the border of the scan.
        details: traceback of an error nobody foresaw, or "".
    """

    case: str
    text: str
    warnings: tuple[str, ...] = ()
    failed: bool = False
    check: bool = False
    details: str = ""


def plan_case(
    case: Case,
    output: Path,
    formats: tuple[str, ...],
    bundle: Bundle,
    threshold: float | None,
    strict: bool = False,
    precision: str = "auto",
) -> Plan:
    """Plan a case.

    Args:
        case: the CT.
        output: folder of the batch.
        formats: suffixes of the masks; () for .seg.nrrd, and .dcm as well where the CT is DICOM.
        bundle: the model.
        threshold: slice probability from which a slice is segmented; None for the model's own.
        strict: whether a CT that is in doubt fails.
        precision: as asked for, see `load_model`.
    """
    if not formats:
        formats = DEFAULT_FORMATS + tuple(one for one in DICOM_FORMATS if case.is_dicom and one in FORMATS)
    key = {
        "model": bundle.digest,
        "threshold": threshold,
        "precision": precision,
        "formats": list(formats),
        "input": _stamp(case),
        "gtvautoseg": __version__,
    }
    return Plan(case, output / case.name, formats, key, strict)


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
    _clear(plan)


def _clear(plan: Plan) -> None:
    """Remove files without ``result.json``, finished or not; in all formats, for the killed run may have had others."""
    masks = [plan.folder / f"{plan.case.name}{suffix}" for suffix in FORMATS]
    for path in (*masks, plan.folder / THUMBNAIL, plan.folder / REPORT, *plan.folder.glob(".gtv-*")):
        path.unlink(missing_ok=True)


def failure(plan: Plan, error: Exception) -> Outcome:
    """The outcome of a case whose reading, segmentation or writing raised an error."""
    name, neutral = plan.case.name, plan.case.neutral
    if isinstance(error, GTVAutoSegError):
        return Outcome(name, neutral(str(error)), failed=True)
    if isinstance(error, MemoryError):
        return Outcome(name, "the case does not fit into memory; close other programs and resume", failed=True)
    text = f"the case failed unexpectedly ({type(error).__name__}: {error}); report it with batch.log"
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Outcome(name, neutral(text), failed=True, details=neutral(details))


def read_case(plan: Plan) -> Volume:
    """Read a case's CT.

    Raises:
        InputError: it cannot be read, is no CT, or fits in none of the formats.
    """
    case = plan.case
    if case.is_dicom:
        headers = [(file, read_header(Path(file))) for file in case.files]
        for file, header in headers:
            if header is None:
                raise InputError(f"{file} is no image any more; expected the CT as it was when the batch began")
        volume = stack([header for _, header in headers if header is not None], case.source)
    else:
        volume = read_volume(case.files[0])
    check_ct(volume)
    for path in plan.masks:
        mask_format(path)[1].check(volume, path)
    return replace(volume, notes=(*volume.notes, *case.notes))


def doubts(plan: Plan, volume: Volume, bundle: Bundle) -> list[str]:
    """Why a CT may be none, may be incomplete, or is unlike those the model was trained on; one sentence each."""
    found = (*volume.notes, *applicability_warnings(volume, bundle.info.training_data))
    return [plan.case.neutral(text) for text in found]


def refuse_doubts(plan: Plan, volume: Volume, bundle: Bundle) -> None:
    """Raise InputError for a CT in doubt where the plan is strict."""
    found = doubts(plan, volume, bundle) if plan.strict else []
    if found:
        raise InputError(f"refused by --strict: {'; '.join(found)}")


def write_or_fail(plan: Plan, volume: Volume, result: CascadeResult, bundle: Bundle) -> Outcome:
    """Write all results of a case, ``result.json`` last; an error becomes a failed outcome."""
    try:
        record = _write(plan, volume, result, bundle)
    except Exception as error:
        with suppress(OSError):  # the first error is the one to be told
            _clear(plan)
        return failure(plan, error)
    return describe(record)


def describe(record: dict[str, Any]) -> Outcome:
    """A finished case in words."""
    return Outcome(record["case"], sentence(record), tuple(record["warnings"]), check=record["check"])


def _write(plan: Plan, volume: Volume, result: CascadeResult, bundle: Bundle) -> dict[str, Any]:
    make_folder(plan.folder)
    _clear(plan)
    for path in plan.masks:
        write_mask(result.mask, volume, path, describe_segment(bundle))
    record = _record(plan, volume, result, bundle)
    window = bundle.info.preprocessing.window
    overview = thumbnail(result.mask, volume, window)
    with whole_file(plan.folder / THUMBNAIL) as temporary:
        temporary.write_bytes(overview)
    pictures = key_pictures(result.mask, volume, window)
    write_text(plan.folder / REPORT, report_page(record, overview, pictures))
    written = [*plan.masks, plan.folder / THUMBNAIL, plan.folder / REPORT]
    record["files"] = {path.name: path.stat().st_size for path in written}
    write_text(plan.folder / RESULT, json.dumps(record, indent=2) + "\n")
    return record


def _record(plan: Plan, volume: Volume, result: CascadeResult, bundle: Bundle) -> dict[str, Any]:
    record = summarise(result, volume, bundle)
    measures = measure(result.mask, volume)
    doubtful = doubts(plan, volume, bundle)
    at_border = border_warnings(result.mask, volume)
    record["input"]["source"] = plan.case.source
    record["warnings"] = [plan.case.neutral(text) for text in result.warnings]
    finished = datetime.now().astimezone().isoformat(timespec="seconds")
    return {
        "case": plan.case.name,
        "finished": finished,
        "check": bool(doubtful or result.reason or at_border),
        "doubts": doubtful,
        "key": plan.key,
        **record,
        "measures": measures,
    }


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
