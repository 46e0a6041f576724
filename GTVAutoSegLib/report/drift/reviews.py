"""What a person made of each outline, gathered from audit trails, each outline once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...system.files import files_below
from ...system.names import counted
from ..record.audit import APPROVAL, AUDIT, EDIT, EXPORT, RUN, WITHDRAWAL, read_trail
from .clock import clock_remarks, time_of

UNKNOWN = "unknown"
# Slicer saves the text node of a scene under its name.
SCENE_TRAIL = "GTVAutoSeg audit trail.txt"
# Nobody draws ten kilometres, and no patient holds a cubic metre.
LARGEST = 1e7
RUN_FIGURES = ("model", "version", "digest", "scanner", "proposed_sha256")


@dataclass(frozen=True)
class Reviewed:
    """An outline of a model that a person edited, or approved as it was.

    Attributes:
        case: its name in the trail, or the beginning of a hash.
        at: when a person first did; the weeks are counted by it.
        recorded: when the last record of it was written.
        scanner: manufacturer and model.
        model: id.
        version: of the model.
        digest: of the model; "" where a trail of a former version does not tell.
        proposed: SHA-256 of the mask that the model had made; "" as above.
        added_path_length_mm: outline that had to be drawn anew, of the last record.
        before_ml: volume that the model had proposed; NaN where a trail of a former version does not tell.
        after_ml: volume as the person left it.
    """

    case: str
    at: datetime
    recorded: datetime
    scanner: str
    model: str
    version: str
    digest: str
    proposed: str
    added_path_length_mm: float
    before_ml: float
    after_ml: float

    @property
    def volume_change_percent(self) -> float:
        """Change in percent of the larger of both volumes, -100 to 100; NaN where they are not known.

        Unlike the usual one it counts a tumour that was missed (100) and one that was not there (-100), and small
        volumes do not outweigh all others.
        """
        larger = max(self.before_ml, self.after_ml)
        return 100 * (self.after_ml - self.before_ml) / larger if larger != 0 else 0.0


@dataclass(frozen=True)
class Gathered:
    """What was found.

    Attributes:
        reviewed: in the order of time.
        trails: how many trails.
        records: how many records hold in them.
        runs: outlines that a model made.
        remarks: what a reader of the charts has to know, one sentence each.
        broken: those of them that say that a trail was altered.
    """

    reviewed: tuple[Reviewed, ...]
    trails: int
    records: int
    runs: int
    remarks: tuple[str, ...]
    broken: tuple[str, ...]


def gather(folders: Iterable[Path]) -> Gathered:
    """Read all trails below folders; a path may also be a trail itself.

    Raises:
        InputError: one of the paths does not exist or holds no trail, or no trail has a record.
    """
    paths = list(dict.fromkeys(trail for folder in folders for trail in _trails(folder)))
    remarks: list[str] = []
    broken: list[str] = []
    seen: set[str] = set()
    found: list[Reviewed] = []
    records = runs = copies = 0
    for path in paths:
        trail = read_trail(path)
        if not trail.records and path.name not in (AUDIT, SCENE_TRAIL):
            raise InputError(f"{path} is no audit trail; expected the {AUDIT} of a results folder")
        if trail.problem:
            kept = counted(len(trail.records), "record")
            broken.append(f"{path}: {trail.problem}, so this trail counts only up to there ({kept})")
        fresh = [one for one in trail.records if one["sha256"] not in seen]
        copied = [one for one in trail.records if one["sha256"] in seen]
        copies += len(trail.records) - len(fresh)
        seen.update(one["sha256"] for one in fresh)
        records += len(fresh)
        runs += sum(one.get("what") == RUN for one in fresh)
        remarks += clock_remarks(path, trail.records)
        reviewed, unreadable = _reviewed_in(fresh, copied)
        found += reviewed
        if unreadable:
            remarks.append(
                f"{path}: {counted(unreadable, 'record')} without a time or figures that can be read: not counted"
            )
    if not records and not broken:
        raise InputError(
            f"{_listed(paths)} holds no record; expected an audit trail that a batch or Slicer has written"
        )
    if copies:
        remarks.append(f"{counted(copies, 'record')} in several trails, as when a folder was copied: each counts once")
    once = _once(found)
    if len(once) < len(found):
        twice = counted(len(found) - len(once), "outline")
        remarks.append(f"{twice} in several trails, the same CT and model: the last record counts")
    return Gathered(
        tuple(once), trails=len(paths), records=records, runs=runs, remarks=tuple(remarks), broken=tuple(broken)
    )


def _trails(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; expected a results folder, or its {AUDIT}")
    files, problems = files_below(folder)
    if problems:
        path, error = problems[0]
        raise InputError(f"{path} cannot be looked at ({error.strerror}); its trails would be missed, so check it")
    found = [path for path in files if path.name in (AUDIT, SCENE_TRAIL)]
    if not found:
        raise InputError(f"{folder} holds no audit trail; expected the {AUDIT} that batch, segment and approve keep")
    return found


def _listed(paths: list[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"none of {len(paths)} trails"


def _reviewed_in(
    records: Iterable[Mapping[str, Any]], copied: Iterable[Mapping[str, Any]]
) -> tuple[list[Reviewed], int]:
    """The outlines that people worked on, in one trail, and how many records cannot be read.

    A run begins a case anew. Each later record of a person's work measures against what the model had made, so the last
    one counts, in the week of the first. Records that were ``copied`` from another trail count there, and still tell
    what the others are about.
    """
    runs: dict[str, dict[str, Any]] = {}
    for record in copied:
        if record.get("what") == RUN:
            runs |= _by_key(record)
    found: dict[str, Reviewed] = {}
    done: list[Reviewed] = []
    unreadable = 0
    for record in records:
        if record.get("what") == RUN:
            runs |= _by_key(record)
            done += [found.pop(key) for key in _keys_of_run(record, found)]
        if record.get("what") == WITHDRAWAL and _is_untouched(found.get(_key(record))):
            del found[_key(record)]  # nobody vouches for it as it is any more
        for part in _work(record, runs, found):
            run = runs.get(str(part.get("case"))) or runs.get(str(part.get("proposed_sha256"))) or {}
            one = _reviewed({**{name: run[name] for name in RUN_FIGURES if run.get(name)}, **_told(part)})
            if one is None:
                unreadable += 1
                continue
            first = found.get(_key(part))
            if first is not None and one.proposed and first.proposed and one.proposed != first.proposed:
                done.append(first)  # of another patient, in a file of the same name
                first = None
            found[_key(part)] = one if first is None else replace(one, at=min(one.at, first.at))
    return _once([*done, *found.values()]), unreadable


def _by_key(run: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A run under the keys by which later records name it."""
    own = {**run, "proposed_sha256": run.get("mask_sha256", "")}
    return {str(run[name]): own for name in ("case", "mask_sha256") if run.get(name)}


def _keys_of_run(record: Mapping[str, Any], found: Mapping[str, Reviewed]) -> list[str]:
    """What a run begins anew: its case, or in Slicer all segments of its CT."""
    if record.get("ct"):
        return [key for key in found if key.startswith(f"ct {record['ct']} ")]
    return [str(record[name]) for name in ("case", "mask_sha256") if str(record.get(name)) in found]


def _is_untouched(one: Reviewed | None) -> bool:
    return (
        one is not None
        and one.added_path_length_mm == 0
        and (one.before_ml == one.after_ml or math.isnan(one.before_ml))
    )


def _work(
    record: Mapping[str, Any], runs: Mapping[str, Any], found: Mapping[str, Reviewed]
) -> Iterator[dict[str, Any]]:
    """The parts of a record that tell what a person made of an outline of a model."""
    what = record.get("what")
    told = "added_path_length_mm" in record
    if what == EDIT or (what == APPROVAL and told):
        yield dict(record)
    elif what == APPROVAL and str(record.get("case")) in runs and _key(record) not in found:
        # A former version told no figures; a case of its batch that nobody had edited was approved as it was.
        volume = runs[str(record["case"])].get("volume_ml")
        yield {**record, "added_path_length_mm": 0.0, "volume_before_ml": volume, "volume_after_ml": volume}
    regions = record.get("regions")
    for region in regions if what == EXPORT and isinstance(regions, list) else ():
        # One that left as the model had made it tells of a person only where one has approved it.
        if not isinstance(region, dict) or "added_path_length_mm" not in region:
            continue
        if region.get("slices_changed") or region.get("reviewer"):
            yield {**{name: record[name] for name in ("at", "scanner", "ct") if name in record}, **region}


def _told(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value not in ("", None)}


def _key(part: Mapping[str, Any]) -> str:
    """What the records of one outline in a trail have in common, and those of no other."""
    case = part.get("case")
    ct = part.get("ct")
    return f"ct {ct} {part.get('name', '')}" if ct else str(case or part.get("proposed_sha256"))


def _reviewed(part: Mapping[str, Any]) -> Reviewed | None:
    at, length = time_of(part), _number(part.get("added_path_length_mm"))
    if at is None or math.isnan(length):
        return None
    before, after = (_number(part.get(name)) for name in ("volume_before_ml", "volume_after_ml"))
    proposed = str(part.get("proposed_sha256", ""))
    return Reviewed(
        case=str(part.get("case") or part.get("ct") or proposed[:16]),
        at=at,
        recorded=at,
        scanner=str(part.get("scanner") or UNKNOWN),
        model=str(part.get("model") or UNKNOWN),
        version=str(part.get("version", "")),
        digest=str(part.get("digest", "")),
        proposed=proposed,
        added_path_length_mm=length,
        before_ml=before,
        after_ml=after,
    )


def _number(value: Any) -> float:
    """A length or a volume; NaN for what is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= LARGEST else math.nan


def _once(found: Iterable[Reviewed]) -> list[Reviewed]:
    """In the order of time; of one outline that several trails or runs hold, the last record, at the first's time.

    The mask that a model made tells one CT from another; an empty one does not, and there the name has to.
    """
    kept: dict[tuple[str, str, str], Reviewed] = {}
    for number, one in enumerate(sorted(found, key=lambda one: one.recorded)):
        name = one.case if not one.before_ml > 0 else ""
        key = (one.proposed, one.digest, name) if one.proposed else (str(number), "", "")
        first = kept.get(key)
        kept[key] = one if first is None else replace(one, at=min(one.at, first.at))
    return sorted(kept.values(), key=lambda one: one.at)
