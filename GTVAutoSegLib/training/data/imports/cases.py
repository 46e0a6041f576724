"""From a clinic's DICOM export to a data set: each CT with the regions of interest drawn on it becomes a case."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .... import __version__
from ....cascade.completion.complete import complete
from ....errors import DiskError, GTVAutoSegError, InputError
from ....images.dicom.rtstruct import roi_mask
from ....images.dicom.series import stack
from ....images.dicom.structures.roi import Roi
from ....images.placement import volume_ml
from ....images.volume import Volume
from ....system.files import make_folder, whole_folder, write_json
from ....system.json_text import read_json
from ....system.names import counted
from ..dataset import PATIENTS, check_certain, find_cases, read_patients, write_pair
from .plan import Outcome, Plan
from .voxels import rounded_hu

RECORD = "import.json"


def import_cases(plans: Sequence[Plan], allow_empty: bool = False, fill_between: bool = False) -> Iterator[Outcome]:
    """Make the cases one by one; one that fails does not stop the others, a full disk does.

    Args:
        plans: the cases.
        allow_empty: take a region of interest that was never drawn for a patient without one, instead of a failure.
        fill_between: fill slices without contours, between those of an ROI that have some, by interpolation.

    Raises:
        DiskError: writing failed; the cases before stay, each whole.
    """
    for plan in plans:
        try:
            yield _import_case(plan, allow_empty, fill_between)
        except DiskError:
            raise
        except GTVAutoSegError as error:
            yield Outcome(plan.series.patient.id, None, str(error))
        except MemoryError:
            yield Outcome(plan.series.patient.id, None, f"{plan.series} does not fit into memory; close other programs")


def note_patients(outcomes: Sequence[Outcome]) -> list[Path]:
    """Write down which cases are of one patient, for `dataset.read_patients`; the patient is not named.

    A file that is there already is added to.

    Args:
        outcomes: of an import.

    Returns:
        The files that were written, one for each data set with such cases.

    Raises:
        InputError: a file that is there is damaged.
        DiskError: writing failed.
    """
    groups: dict[tuple[Path, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.case is not None and outcome.patient:
            groups.setdefault((outcome.case.parent, outcome.patient), []).append(outcome.case.name)
    written = []
    for dataset in dict.fromkeys(place for place, _ in groups):
        cases = [case.name for case in find_cases(dataset)]
        known = read_patients(dataset, cases)
        found = dict(known)
        for (place, _), names in groups.items():
            if place == dataset and len(names) > 1:
                joined = {found[name] for name in names}
                found.update((name, min(joined)) for name in cases if found[name] in joined)
        if found != known:
            text = {name: patient for name, patient in found.items() if name != patient}
            write_json(dataset / PATIENTS, text)
            written.append(dataset / PATIENTS)
    return written


def _import_case(plan: Plan, allow_empty: bool, fill_between: bool) -> Outcome:
    source = {
        "series_sha256": _hash(plan.series.uid),
        "structure_set_sha256": _hash(plan.structure_set.uid),
        "rois": [{"number": roi.number, "name": roi.name, "contours": len(roi.items)} for roi in plan.rois],
    }
    if plan.folder.exists():
        _check_same(plan.folder, source)
        return Outcome(plan.series.patient.id, plan.folder, "is there already")
    volume = stack(plan.series.slices, str(plan.series.slices[0].path.parent))
    check_certain(volume)
    _check_drawn(plan, allow_empty)
    mask, drawn = roi_mask(plan.rois, volume)
    if fill_between:
        mask, filled = _filled(plan.rois, volume)
        drawn = (*drawn, *filled)
    notes = (*plan.notes, *drawn)
    hu, clipped = as_int16(volume.array)
    found = {
        "size": list(volume.array.shape[::-1]),
        "spacing_mm": list(volume.spacing),
        "label_voxels": int(mask.sum(dtype=np.int64)),
        "label_slices": int(mask.any(axis=(1, 2)).sum()),
        "label_ml": volume_ml(mask, volume),
    }
    # No path, name or date: a data set is passed on. The notes of volume and plan name files.
    record = {"gtvautoseg": __version__, **source, **found, "notes": [*drawn, *clipped]}
    write_case(plan.folder, hu=hu, mask=mask, volume=volume, record=record)
    names = ", ".join(roi.name for roi in plan.rois)
    text = f"{names}: {found['label_ml']:.1f} mL on {found['label_slices']} of {len(mask)} slices"
    return Outcome(plan.series.patient.id, plan.folder, text, (*volume.notes, *notes, *clipped), empty=not mask.any())


def write_case(folder: Path, hu: np.ndarray, mask: np.ndarray, volume: Volume, record: dict[str, Any]) -> None:
    """Write image, label and record of a case; the folder appears whole or not at all.

    Raises:
        DiskError: writing failed.
    """
    make_folder(folder.parent)
    advice = "free space on the disk or choose another folder, and run again: cases that are there already are kept"
    with whole_folder(folder, advice) as case:
        write_pair(case, hu, mask, volume)
        write_json(case / RECORD, record)
        if folder.exists():
            raise InputError(f"{folder} was written by another import meanwhile; let one import at a time write there")


def _filled(rois: Sequence[Roi], volume: Volume) -> tuple[np.ndarray, tuple[str, ...]]:
    """The union of regions of which each is filled between its contours, and how many slices that were."""
    union = np.zeros(volume.array.shape, np.uint8)
    notes = []
    for roi in rois:
        drawn, _ = roi_mask([roi], volume)
        if not drawn.any():
            continue
        mask = complete(volume, drawn).mask
        between = int(mask.any(axis=(1, 2)).sum()) - int(drawn.any(axis=(1, 2)).sum())
        if between:
            notes.append(f"ROI '{roi.name}': {counted(between, 'slice')} between contours filled by interpolation")
        union |= mask
    return union, tuple(notes)


def _check_drawn(plan: Plan, allow_empty: bool) -> None:
    """Raise where nothing was drawn at all: a template is no sign that there is no tumour."""
    if allow_empty or any(roi.items for roi in plan.rois):
        return
    names = ", ".join(f"'{roi.name}'" for roi in plan.rois)
    raise InputError(
        f"{plan.structure_set.path} names {names} and has no contours of it; expected a drawn ROI, so draw it, or add "
        "--allow-empty where that means that there is no tumour"
    )


def _check_same(folder: Path, source: dict[str, Any]) -> None:
    try:
        record = read_json(folder / RECORD)
        same = all(record[key] == value for key, value in source.items())
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise InputError(
            f"{folder} exists already and comes from another CT, structure set or ROI; remove it or import into "
            "another folder"
        )


def as_int16(hu: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """HU (z, y, x) as int16, and a sentence where that clipped some."""
    limits = np.iinfo(np.int16)
    rounded = np.rint(hu)
    beyond = int(((rounded < limits.min) | (rounded > limits.max)).sum())
    notes = (f"{counted(beyond, 'voxel')} beyond {limits.min} to {limits.max} HU clipped",) if beyond else ()
    return rounded_hu(hu), notes


def _hash(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()
