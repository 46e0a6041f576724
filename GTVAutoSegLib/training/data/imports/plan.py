"""Which cases a clinic's export makes: whose structure set is drawn on which CT, and what of it is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from ....images.dicom.rtstruct import StructureSet
from ....images.dicom.structures.roi import Roi
from ....images.dicom.tree import DicomTree, ImageSeries, drawn_here, referenced_series
from ....system.names import safe_name, short_hash


@dataclass(frozen=True)
class Plan:
    """A case to make.

    Attributes:
        folder: of the case.
        series: its CT.
        structure_set: where its label comes from.
        rois: whose union is the label.
        notes: what is to be said of them.
    """

    folder: Path
    series: ImageSeries
    structure_set: StructureSet
    rois: tuple[Roi, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        patient: PatientID, for the person at the screen only.
        case: its folder; None when it failed.
        text: what was written, or the sentence of the error.
        notes: a sentence each.
        empty: whether the label is empty.
    """

    patient: str
    case: Path | None
    text: str
    notes: tuple[str, ...] = ()
    empty: bool = False


def plan_import(
    tree: DicomTree, dataset: Path, pattern: re.Pattern[str], each: bool, by_patient: bool
) -> tuple[list[Plan], list[Outcome]]:
    """Decide which cases an import makes; nothing is read or written yet.

    Args:
        tree: what there is.
        dataset: where the cases shall be.
        pattern: has to match the whole name of a region of interest.
        each: a data set for every name of a region of interest, ``<dataset>/<name>/<case>``, instead of their union.
        by_patient: name cases by PatientID instead of by a hash of the series UID.

    Returns:
        The cases, and an outcome for each CT or structure set that gives none.
    """
    failed = []
    sets: dict[str, list[_Found]] = {}
    for structure_set in tree.structure_sets:
        rois = tuple(roi for roi in structure_set.rois if pattern.fullmatch(roi.name))
        try:
            series = referenced_series(structure_set, tree, rois)
            sets.setdefault(series.uid, []).append(_Found(structure_set, series, rois))
        except InputError as error:
            failed.append(Outcome(structure_set.patient.id, None, str(error)))
    plans = []
    for uid, candidates in sets.items():
        series = candidates[0].series
        try:
            name = _patient_name(series) if by_patient else case_name(uid)
            chosen = _matching(candidates, pattern)
            rois, notes = drawn_here(chosen.structure_set, series, chosen.rois)
            notes = (*_same_uid(chosen.structure_set, tree), *chosen.structure_set.remarks, *notes)
            plans += [
                Plan(folder, series=series, structure_set=chosen.structure_set, rois=group, notes=notes)
                for folder, group in _folders(dataset, name, rois, each)
            ]
        except InputError as error:
            failed.append(Outcome(series.patient.id, None, str(error)))
    # Case-insensitive disks know no difference between P1 and p1.
    count = Counter(str(plan.folder).casefold() for plan in plans)
    for plan in plans:
        if count[str(plan.folder).casefold()] > 1:
            text = (
                f"the case name {plan.folder.name} belongs to several CTs, one of them {plan.series}; expected a name "
                "for each, so import without naming by patient"
            )
            failed.append(Outcome(plan.series.patient.id, None, text))
    return [plan for plan in plans if count[str(plan.folder).casefold()] == 1], failed


@dataclass(frozen=True)
class _Found:
    """A structure set with its CT and those of its regions of interest that match."""

    structure_set: StructureSet
    series: ImageSeries
    rois: tuple[Roi, ...]


def _matching(candidates: Sequence[_Found], pattern: re.Pattern[str]) -> _Found:
    """The one structure set of a CT that has matching regions of interest."""
    found = [candidate for candidate in candidates if candidate.rois]
    where = ", ".join(str(candidate.structure_set) for candidate in found or candidates)
    if not found:
        rois = [roi for candidate in candidates for roi in candidate.structure_set.rois]
        names = ", ".join(f"'{roi.name}'" for roi in rois) or "none at all"
        raise InputError(f"no ROI of {where} matches '{pattern.pattern}'; expected one of those there: {names}")
    if len(found) > 1:
        raise InputError(
            f"{len(found)} structure sets of the same CT have a matching ROI: {where}; expected one, so move the "
            "others away"
        )
    return found[0]


def _same_uid(structure_set: StructureSet, tree: DicomTree) -> tuple[str, ...]:
    twins = [str(one.path) for one in tree.structure_sets if one.uid == structure_set.uid and one is not structure_set]
    return (f"{structure_set.path} shares its SOPInstanceUID with {', '.join(twins)}",) if twins else ()


def _folders(dataset: Path, name: str, rois: tuple[Roi, ...], each: bool) -> list[tuple[Path, tuple[Roi, ...]]]:
    if not each:
        return [(dataset / name, rois)]
    groups: dict[str, list[Roi]] = {}
    folders: dict[str, str] = {}
    for roi in rois:
        groups.setdefault(roi.name, []).append(roi)
        folder = safe_name(roi.name)
        if not folder:
            raise InputError(
                f"the ROI '{roi.name}' cannot name a folder; expected letters or digits, so leave out --each"
            )
        twin = folders.setdefault(folder.casefold(), roi.name)
        if twin != roi.name:
            raise InputError(
                f"the ROIs '{twin}' and '{roi.name}' of one CT would share the folder {folder}; expected names that "
                "differ in more than case and special signs, so import them one by one with --roi, each into its own "
                "DATASET"
            )
    return [(dataset / safe_name(roi_name) / name, tuple(group)) for roi_name, group in groups.items()]


def _patient_name(series: ImageSeries) -> str:
    name = safe_name(series.patient.id)
    if not name:
        raise InputError(f"{series.slices[0].path} has no PatientID; expected one, so import without naming by patient")
    return name


def case_name(uid: str) -> str:
    """The name of a case: a hash of its series UID, which is the same in every import and tells nothing."""
    return f"case_{short_hash(uid)}"
