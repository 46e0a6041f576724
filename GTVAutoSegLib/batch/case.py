"""One case of a batch: reading it, writing its results, and saying what became of it.

A case's folder holds the masks, ``thumbnail.png`` and ``report.html``; ``result.json`` is the commit mark, see
`earlier.py`.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..cascade.applicability import applicability_warnings
from ..cascade.result import describe_segment, sentence, summarise
from ..errors import InputError, foreseen
from ..images.dicom.headers import read_header
from ..images.dicom.series import stack
from ..images.masks.packed import pack
from ..images.masks.structure import Structure
from ..images.placement import border_warnings
from ..images.probability import following
from ..images.read import read_volume
from ..images.volume import Volume, check_ct
from ..images.write import mask_format, write_structure
from ..model.bundle import Bundle
from ..report.case_record import CaseRecord
from ..report.case_report import report_page
from ..report.measures import measure
from ..report.pictures import key_pictures, thumbnail
from ..report.record.audit import now
from ..system.files import make_folder, whole_file, write_json, write_text
from .earlier import clear, seal
from .plan import REPORT, RESULT, THUMBNAIL, Plan

if TYPE_CHECKING:
    import numpy as np

    from ..cascade.result import CascadeResult


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


def failure(plan: Plan, error: Exception) -> Outcome:
    """The outcome of a case whose reading, segmentation or writing raised an error."""
    name, neutral = plan.case.name, plan.case.neutral
    known = foreseen(error)
    if known is not None:
        return Outcome(name, neutral(str(known)), failed=True)
    text = f"the case failed unexpectedly ({type(error).__name__}: {error}); report it with batch.log"
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Outcome(name, neutral(text), failed=True, details=neutral(details))


def read_case(plan: Plan, new: bool = True) -> Volume:
    """Read a case's CT.

    Args:
        plan: of the case.
        new: whether its masks are to be written for the first time, so that their formats are checked.

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
    volume = replace(volume, notes=(*volume.notes, *case.notes))
    check_ct(volume)
    for path in plan.masks if new else ():
        mask_format(path)[1].check(volume, path)
    return volume


def doubts(plan: Plan, volume: Volume, bundle: Bundle) -> list[str]:
    """Why a CT may be none, may be incomplete, or is unlike those the model was trained on; one sentence each."""
    found = (*volume.notes, *applicability_warnings(volume, bundle.info, plan.case.region))
    return [plan.case.neutral(text) for text in found]


def refuse_doubts(plan: Plan, volume: Volume, bundle: Bundle) -> None:
    """Raise InputError for a CT in doubt where the plan is strict."""
    found = doubts(plan, volume, bundle) if plan.settings.strict else []
    if found:
        raise InputError(f"refused by --strict: {'; '.join(found)}")


def write_or_fail(plan: Plan, volume: Volume, result: CascadeResult, bundle: Bundle) -> Outcome:
    """Write all results of a case, ``result.json`` last; an error becomes a failed outcome."""
    try:
        record = _write(plan, volume, result, bundle)
    except Exception as error:
        with suppress(OSError):  # the first error is the one to be told
            clear(plan)
        return failure(plan, error)
    return describe(record)


def describe(record: CaseRecord) -> Outcome:
    """A finished case in words."""
    return Outcome(record.case, sentence(record.result), record.result.warnings, check=record.check)


def _write(plan: Plan, volume: Volume, result: CascadeResult, bundle: Bundle) -> CaseRecord:
    make_folder(plan.folder)
    clear(plan)
    record = _record(plan, volume, result, bundle)
    structure = Structure(result.mask, describe_segment(bundle, record.result), contours=plan.settings.contours)
    structure = following(structure, result.probability)
    for path in plan.masks:
        write_structure(structure, volume, path)
    return write_report(plan, record=record, mask=result.mask, volume=volume, window=bundle.info.preprocessing.window)


def write_report(
    plan: Plan,
    record: CaseRecord,
    mask: np.ndarray,
    volume: Volume,
    window: tuple[float, float],
    *,
    before: np.ndarray | None = None,
    page: bool = True,
) -> CaseRecord:
    """Write thumbnail, report and, last of all, ``result.json``, which holds the hashes of all files.

    Args:
        plan: of the case.
        record: what ``result.json`` will hold, beside the hashes.
        mask: (z, y, x) on the volume's grid.
        volume: the CT.
        window: HU shown as black and white.
        before: the mask before a person edited it.
        page: whether to write the report.
    """
    overview = thumbnail(mask, volume, window)
    with whole_file(plan.folder / THUMBNAIL) as temporary:
        temporary.write_bytes(overview)
    if page:
        pictures = key_pictures(mask, volume, window, before=before)
        write_text(plan.folder / REPORT, report_page(record, overview, pictures))
    files = (*plan.masks, plan.folder / THUMBNAIL, plan.folder / REPORT)
    record = seal(record, [path for path in files if path.is_file()])
    write_json(plan.folder / RESULT, record.to_json())
    return record


def _record(plan: Plan, volume: Volume, result: CascadeResult, bundle: Bundle) -> CaseRecord:
    found = summarise(result, volume, bundle)
    doubtful = doubts(plan, volume, bundle)
    at_border = border_warnings(result.mask, volume)
    return CaseRecord(
        case=plan.case.name,
        finished=now(),
        result=replace(
            found,
            input=replace(found.input, source=plan.case.source),
            warnings=tuple(plan.case.neutral(text) for text in result.warnings),
        ),
        measures=measure(result.mask, volume),
        check=bool(doubtful or result.reason or at_border),
        doubts=tuple(doubtful),
        key=plan.key,
        automatic=pack(result.mask),
    )
