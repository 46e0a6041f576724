"""What an earlier run left in a case's folder: whether it is still good, and what a person changed since.

``result.json`` is written last and removed first, so whatever a killed run left behind without it is no result. It
holds the hashes of the other files: one that differs was changed by a person, and stays as it is while the result is up
to date. What is out of date is packed into an archive before a run begins: no planning system, and nobody in a hurry,
takes it for the current result then. An archive never takes the place of an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from ..errors import InputError
from ..images.dicom.structures.existing import check_not_approved
from ..images.write import FORMATS
from ..report.case_record import CaseRecord
from ..system.files import sha256_of, whole_file
from ..system.json_text import read_json
from .plan import AUTOMATIC, OUTDATED, REPORT, RESULT, THUMBNAIL, Plan

NOT_FOLLOWED = "Report, figures and other files are of the outline before the change"


@dataclass(frozen=True)
class Earlier:
    """What lies in a case's folder.

    Attributes:
        record: ``result.json``; None when it is not there, or is none.
        todo: why the case has to be done, in words; "" when its results are there and up to date.
        changed: names of the result's files that a person changed since.
    """

    record: CaseRecord | None
    todo: str = ""
    changed: tuple[str, ...] = ()

    @property
    def edited(self) -> bool:
        """Whether a person corrected a mask, also when report and other masks follow it already."""
        return self.uncorrected or (self.record is not None and self.record.correction is not None)

    @property
    def uncorrected(self) -> bool:
        """Whether a mask was changed since, so that figures, report and other masks no longer belong to it."""
        return bool(self.changed_masks)

    @property
    def changed_masks(self) -> tuple[str, ...]:
        """Those of the changed files that hold the mask."""
        return tuple(name for name in self.changed if name not in (REPORT, THUMBNAIL))

    @property
    def check(self) -> bool:
        """Whether an up-to-date result has to be looked at before any use; an edited one was."""
        return self.record is not None and not self.todo and not self.edited and self.record.check_first

    @property
    def kept(self) -> str:
        """A sentence on changed files that stay as they are; "" when there are none."""
        text = self.kept_files
        return f"{text}. {NOT_FOLLOWED}" if text and self.uncorrected else text

    @property
    def kept_files(self) -> str:
        """The same, without what becomes of the other files."""
        if self.todo or not self.changed:
            return ""
        return f"{_were_changed(self.changed)}; kept as {'it is' if len(self.changed) == 1 else 'they are'}"


def look(plan: Plan) -> Earlier:
    """Look at what lies in a case's folder."""
    record = read_record(plan)
    if record is None:
        # A killed run has left masks, or a person has drawn what the model did not find.
        masks = tuple(path.name for path in _possible_masks(plan) if path.is_file())
        todo = "no result yet"
        if masks:
            todo += f"; {', '.join(masks)} lay there without one, packed into {_free_archive(plan.folder).name}"
        return Earlier(None, todo, masks)
    changed = _changed(plan, record)
    todo = _missing(plan, record, edited=Earlier(record, "", changed).edited)
    if todo and changed:
        todo += f"; {_were_changed(changed)}, and packed into {_free_archive(plan.folder).name}"
    return Earlier(record, todo, changed)


def _possible_masks(plan: Plan) -> list[Path]:
    return [plan.folder / f"{plan.case.name}{suffix}" for suffix in FORMATS]


def read_record(plan: Plan) -> CaseRecord | None:
    """``result.json`` of a case; None when it is not there, or is none."""
    return record_beside(plan.folder / RESULT)


def record_beside(path: Path) -> CaseRecord | None:
    """``result.json`` in the folder of a mask's file; None when it is not there, or is none."""
    try:
        return CaseRecord.from_json(read_json(path.parent / RESULT))
    except (OSError, ValueError):
        return None


def seal(record: CaseRecord, files: list[Path]) -> CaseRecord:
    """The record with the sizes and hashes of the result's files, by which changes are seen later."""
    sizes = {path.name: path.stat().st_size for path in files}
    return replace(record, files=sizes, sha256={path.name: _sha256(path) for path in files}, pending={})


def set_aside(plan: Plan) -> None:
    """Pack what lies in the way of new results into an archive, and remove what a killed run was writing.

    Masks without ``result.json`` are packed as well: a person may have drawn what the model did not find.

    Raises:
        DiskError: the archive could not be written; nothing was removed then.
        OSError: a file could not be removed.
    """
    record = read_record(plan)
    masks = [path.name for path in _possible_masks(plan)]
    # The mark first: what a kill leaves of the others is no result.
    files = [Path(name).name for name in record.files] if record else []
    names = dict.fromkeys([RESULT, *files, *masks, REPORT, THUMBNAIL])
    there = [path for path in (plan.folder / name for name in names) if path.is_file()]
    there += [path for path in (plan.folder / AUTOMATIC).glob("*") if path.is_file()]
    if there:
        with whole_file(_free_archive(plan.folder)) as temporary, _archive(temporary) as archive:
            for path in there:
                archive.write(path, path.relative_to(plan.folder))
    for path in there:
        path.unlink(missing_ok=True)
    clear(plan)


def keep_approved(path: Path) -> bool:
    """Pack a structure set that a person has approved into an archive beside it, once; whether it is one."""
    try:
        check_not_approved(path)
    except InputError:
        if not any(_holds(archive, path) for archive in path.parent.glob(f"{Path(OUTDATED).stem}*.zip")):
            with whole_file(_free_archive(path.parent)) as temporary, _archive(temporary) as archive:
                archive.write(path, path.name)
        return True
    return False


def _holds(archive: Path, path: Path) -> bool:
    """Whether an archive holds a file as it is; one that cannot be read does not."""
    try:
        with ZipFile(archive) as opened:
            return path.name in opened.namelist() and opened.read(path.name) == path.read_bytes()
    except (OSError, BadZipFile, ValueError):
        return False


def _archive(path: Path) -> ZipFile:
    # Some file systems have no times; ZIP has none before 1980.
    return ZipFile(path, "w", ZIP_DEFLATED, strict_timestamps=False)


def clear(plan: Plan) -> None:
    """Remove what this run has written of a case, finished or not."""
    for path in (*plan.masks, plan.folder / THUMBNAIL, plan.folder / REPORT, *plan.folder.glob(".gtv-*")):
        path.unlink(missing_ok=True)


def _missing(plan: Plan, record: CaseRecord, edited: bool) -> str:
    differing = [name for name in {**plan.key, **record.key} if record.key.get(name) != plan.key.get(name)]
    if differing:
        return f"made with another {', '.join(differing)}"
    if edited:  # what is missing or in doubt is no reason to take a corrected mask away
        return ""
    gone = [name for name in record.files if not (plan.folder / name).is_file()]
    if gone:
        return f"{', '.join(gone)} {'is' if len(gone) == 1 else 'are'} missing"
    return "its CT is in doubt, which --strict refuses" if plan.settings.strict and record.doubts else ""


def _changed(plan: Plan, record: CaseRecord) -> tuple[str, ...]:
    """Times are not compared: copying a folder to another disk changes them."""
    changed = []
    for name, size in record.files.items():
        path = plan.folder / name
        same_size = path.is_file() and (path.stat().st_size == size or name in record.pending)
        known = name not in record.sha256 or record.knows(name, _sha256(path))
        if path.is_file() and not (same_size and known):
            changed.append(name)
    return tuple(changed)


def _were_changed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} changed since"


def _free_archive(folder: Path) -> Path:
    """outdated.zip, outdated-2.zip, ...: the first that is not there."""
    first = folder / OUTDATED
    paths = (first if number == 1 else first.with_stem(f"{first.stem}-{number}") for number in count(1))
    return next(path for path in paths if not path.exists())


def _sha256(path: Path) -> str:
    """SHA-256 of a file; "" for one that cannot be read, which nothing equals."""
    try:
        status = path.stat()
        return _sha256_of(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return ""


@cache
def _sha256_of(path: Path, size: int, time: int) -> str:  # noqa: ARG001  a run looks several times, and reads once
    return sha256_of(path)
