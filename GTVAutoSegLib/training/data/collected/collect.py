"""Corrected cases become a data set: a CT and its outline as a case, without anything that names the patient.

A case's folder holds its record, ``collect.json``; ``cases.json`` and ``patients.json`` of the data set are made from
these records anew each time, so that a kill between two writes is mended by the next case.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ....errors import DiskError, InputError
from ....images.dicom.headers import read_header
from ....images.masks.structure import mask_sha256
from ....images.read import read_volume
from ....images.volume import Volume
from ....model.bundle import user_folder
from ....report.record.audit import now, user
from ....system.files import make_folder, restore_folder, restore_folders, whole_file, whole_folder, write_json
from ....system.lock import locked
from ....system.settings import as_json
from ..dataset import PATIENTS, check_certain, read_patient_list, write_pair
from ..imports.cases import as_int16
from ..imports.nnunet import DESCRIPTION
from ..imports.plan import case_name
from .case import RECORD, CollectedCase, Provenance, read_collected

CASES = "cases.json"
EARLIER = ".earlier"
KEY = "pseudonyms.key"
KEY_BYTES = 32
LETTERS = 8
PATIENCE_S = 30.0
ADDED, REPLACED, THERE = "added", "replaced", "there"
OURS = (CASES, PATIENTS, "folds.json", DESCRIPTION)
ADVICE = "free space on the disk or choose another folder, and collect the case again"


@dataclass(frozen=True)
class Origin:
    """Series and patient of a CT: SeriesInstanceUID and PatientID, "" where they are not known. Neither is kept."""

    series: str = ""
    patient: str = ""


@dataclass(frozen=True)
class Collected:
    """What became of a case: its folder, and whether it was `ADDED`, `REPLACED` an earlier outline, or was `THERE`."""

    folder: Path
    what: str
    case: CollectedCase


def collect(
    volume: Volume, mask: np.ndarray, dataset: Path, provenance: Provenance, origin: Origin | None = None
) -> Collected:
    """Add a CT and its outline to a data set, once.

    Args:
        volume: the CT.
        mask: (z, y, x) on its grid; what is not 0 is tumour.
        dataset: folder in the layout of `dataset.find_cases`, made if need be.
        provenance: of the outline.
        origin: series and patient of the CT; None reads them from its DICOM files.

    Returns:
        What became of it. A newer outline of the same CT replaces the older one, which is kept aside.

    Raises:
        InputError: the CT is unsuitable, its HU are uncertain, or the folder belongs to something else.
        DiskError: writing failed; the data set is as it was.
    """
    check_certain(volume)
    label = (mask != 0).astype(np.uint8)
    make_folder(dataset)
    with locked(dataset, PATIENCE_S):
        check_is_dataset(dataset)
        _read_patients(dataset)
        restore_folders(dataset)
        there = read_collected(dataset)
        origin = origin or _origin(volume)
        digest = _content(volume)
        known = (name for name, case in there.items() if case.ct_sha256 == digest)
        name = next(known, "") or _new_name(dataset, origin.series, digest, volume)
        folder = dataset / name
        restore_folder(folder)
        old = there.get(name)
        case = CollectedCase(
            # Without DICOM headers the CT does not become somebody else's.
            patient=_pseudonym(origin.patient) or (old.patient if old is not None else ""),
            ct_sha256=digest,
            mask_sha256=mask_sha256(label),
            provenance=provenance,
            collected_by=user(),
            collected_at=now(),
        )
        what = REPLACED if folder.exists() else ADDED
        if old is not None and (old.ct_sha256, old.mask_sha256) == (digest, case.mask_sha256):
            what, case = THERE, replace(case, earlier=old.earlier)
        elif what == REPLACED:
            case = replace(case, earlier=_keep_aside(folder))
        _write(folder, volume, label, case)
        _write_lists(dataset, {**there, name: case})
    return Collected(folder, what, case)


def check_is_dataset(dataset: Path) -> None:
    """Raise InputError rather than put cases into a folder that is something else."""
    strangers = [
        path.name
        for path in dataset.iterdir()
        if not path.name.startswith(".") and path.name not in OURS and not path.is_dir()
    ]
    if strangers:
        raise InputError(
            f"{dataset} holds {strangers[0]}, which is no part of a data set; give an empty folder or a data set"
        )


def _origin(volume: Volume) -> Origin:
    header = read_header(Path(volume.dicom_files[0])) if volume.dicom_files else None
    return Origin() if header is None else Origin(header.series, header.patient.id)


def _new_name(dataset: Path, series: str, digest: str, volume: Volume) -> str:
    """Of a CT that is not yet there: by its series, unless a case of that name has other voxels.

    A series may hold several CTs, as the phases of a breath, and different names may have the same short hash.
    """
    name = case_name(series or digest)
    path = next((dataset / name).glob("data.*"), None)
    try:
        is_other = path is not None and not np.array_equal(read_volume(path).array, as_int16(volume.array)[0])
    except InputError:  # damaged; the new one takes its place, and it is kept aside
        return name
    return case_name(digest) if is_other else name


def _content(volume: Volume) -> str:
    """SHA-256 of voxels and geometry: the same CT is the same, whatever file it comes from."""
    hu, _ = as_int16(volume.array)
    place = [f"{round(value, 3) + 0.0:.3f}" for value in (*volume.spacing, *volume.origin, *volume.direction)]
    digest = hashlib.sha256(f"{hu.shape} {place}".encode())
    digest.update(np.ascontiguousarray(hu).data)
    return digest.hexdigest()


def _pseudonym(patient: str) -> str:
    """A patient's pseudonym, always the same; only somebody with this user's key can find out whose it is."""
    if not patient:
        return ""
    return f"patient_{hmac.new(_key(), patient.encode(), hashlib.sha256).hexdigest()[:LETTERS]}"


def _key() -> bytes:
    """Kept outside of data sets: they are passed on, and PatientIDs are few enough to be tried one by one."""
    path = user_folder().parent / KEY
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_written(path):
            with locked(path.parent, PATIENCE_S):
                if not _is_written(path):
                    _write_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise DiskError(
            f"{path} cannot be read or written ({error.strerror}), which patients' pseudonyms are made with; make its "
            "folder writable"
        ) from error
    if len(key) != KEY_BYTES:
        raise InputError(f"{path} has {len(key)} bytes, expected {KEY_BYTES}; remove it: new pseudonyms begin then")
    return key


def _is_written(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _write_key(path: Path) -> None:
    with whole_file(path) as temporary:
        number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))


def _keep_aside(folder: Path) -> int:
    """Copy a case that is about to be replaced, unless a killed run has just done so; how many are kept now."""
    aside = folder.parent / EARLIER
    make_folder(aside)
    number = 1
    while (aside / f"{folder.name}-{number}").exists():
        number += 1
    records = [one / RECORD for one in (folder, aside / f"{folder.name}-{number - 1}")]
    if all(one.is_file() for one in records) and records[0].read_bytes() == records[1].read_bytes():
        return number - 1
    with whole_folder(aside / f"{folder.name}-{number}", ADVICE) as copy:
        for path in folder.iterdir():
            if path.is_file():
                shutil.copyfile(path, copy / path.name)
    return number


def _write(folder: Path, volume: Volume, label: np.ndarray, case: CollectedCase) -> None:
    hu, _ = as_int16(volume.array)
    with whole_folder(folder, ADVICE) as part:
        write_pair(part, hu, label, volume)
        write_json(part / RECORD, as_json(case))


def _write_lists(dataset: Path, cases: Mapping[str, CollectedCase]) -> None:
    """``cases.json`` from the records; ``patients.json`` keeps what it says of other cases."""
    write_json(dataset / CASES, as_json(cases))
    patients = _read_patients(dataset)
    patients |= {name: case.patient for name, case in cases.items() if case.patient}
    if patients:
        write_json(dataset / PATIENTS, patients)


def _read_patients(dataset: Path) -> dict[str, str]:
    path = dataset / PATIENTS
    return read_patient_list(path) if os.path.lexists(path) else {}
