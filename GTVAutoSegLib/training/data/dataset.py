"""Data sets on disk: StructSeg 2019's layout (``<root>/<case>/data.nii.gz`` + ``label.nii.gz``), or nnU-Net's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...images.itk import write_image
from ...images.read import read_volume
from ...images.volume import Volume, check_ct
from ...system.json_text import read_json
from ...system.names import some_of
from .imports.nnunet import Structure, raw_cases, raw_folder, structure_of

SUFFIXES = (".nii.gz", ".nrrd")
PATIENTS = "patients.json"


@dataclass(frozen=True)
class Case:
    """One patient: where the CT and its label are, and what is tumour in a label with several values."""

    name: str
    image: Path
    label: Path
    structure: Structure | None = None


def find_cases(root: Path) -> list[Case]:
    """List the cases of a data set folder, by name.

    Args:
        root: the folder; or what names a data set of nnU-Net, see `imports.nnunet`.

    Raises:
        InputError: the folder does not exist, or holds no case, or a case has no label.
    """
    raw = raw_folder(root)
    if raw is not None:
        structure = structure_of(raw)
        return [Case(name, image, label, structure) for name, (image, label) in raw_cases(raw).items()]
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; expected a data set with one folder per case")
    cases = []
    # What a killed import was writing begins with a point.
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        image, label = _find(folder, "data"), _find(folder, "label")
        if image is not None and label is None:
            raise InputError(f"{folder} has data but no label; expected label.nii.gz beside it")
        if image is not None and label is not None:
            cases.append(Case(folder.name, image, label))
    if not cases:
        raise InputError(f"{root} holds no case; expected <case>/data.nii.gz and <case>/label.nii.gz")
    return cases


def read_patients(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Whose each case is, for patients with several CTs, which must never be divided.

    Args:
        root: of the data set; its ``patients.json``, if there is one, maps cases to patients. A case that is not in it
            is a patient of its own, called as the case.
        names: of all cases.

    Raises:
        InputError: the file is damaged, or names a case that is not there.
    """
    patients = {name: name for name in names}
    raw = raw_folder(root)
    path = (root if raw is None else raw.root) / PATIENTS
    if not os.path.lexists(path):
        return patients
    listed = read_patient_list(path)
    if raw is not None:  # of its training and test cases
        listed = {name: patient for name, patient in listed.items() if name in patients}
    strangers = sorted(listed.keys() - patients.keys())
    if strangers:
        raise InputError(f"{path} names the case {strangers[0]}, which is not in the data set; correct or remove it")
    return {**patients, **listed}


def read_patient_list(path: Path) -> dict[str, str]:
    """What ``patients.json`` says; raises InputError for one that is damaged."""
    try:
        listed = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f'{path} cannot be read ({error}); expected {{"case": "patient", ...}}') from error
    if not isinstance(listed, dict) or not all(isinstance(patient, str) for patient in listed.values()):
        raise InputError(
            f'{path} does not map cases to patients; expected {{"case": "patient", ...}}, all of them texts'
        )
    return listed


def read_label(case: Case, image: Volume) -> np.ndarray:
    """Read the label of a case as bool (z, y, x).

    Raises:
        InputError: its grid is not the image's, or it holds other values than it may.
    """
    label = read_volume(case.label)
    if not label.same_grid(image):
        raise InputError(f"{case.label} lies on another grid than {case.image}; expected the same size and geometry")
    return label_mask(case, label)


def label_mask(case: Case, label: Volume) -> np.ndarray:
    """Where a label that was read shows tumour, bool (z, y, x).

    Raises:
        InputError: it holds other values than 0 and 1, or than its structure's description has.
    """
    if case.structure is not None:
        return _structure_mask(case, case.structure, label.array)
    others = (label.array != 0) & (label.array != 1)  # ten times faster than sorting all voxels
    if others.any():
        values = np.unique(label.array).tolist()
        raise InputError(f"{case.label} holds the values [{some_of(values)}]; expected only 0 and 1")
    return label.array.astype(bool)


def _structure_mask(case: Case, structure: Structure, values: np.ndarray) -> np.ndarray:
    mask = np.isin(values, structure.values)
    strange = ~mask & ~np.isin(values, structure.others)
    if strange.any():
        there = np.unique(values[strange]).tolist()
        if structure.ignored in there:
            raise InputError(
                f"{case.label} has voxels that are to be ignored (value {structure.ignored}), which training and "
                "figures cannot do; complete the label, or leave the case out"
            )
        expected = ", ".join(map(str, sorted((*structure.values, *structure.others))))
        held = some_of(f"{value:g}" for value in there)
        raise InputError(f"{case.label} holds the values {held}; dataset.json names only {expected}")
    return np.asarray(mask)


def check_certain(volume: Volume) -> None:
    """Raise InputError for a CT that no case is made of: an unsuitable one, or one whose HU are in doubt."""
    check_ct(volume)
    if volume.doubts:
        raise InputError(f"{'; '.join(volume.doubts)}; expected HU that are certain, so export the series again")


def write_pair(folder: Path, hu: np.ndarray, label: np.ndarray, volume: Volume) -> None:
    """Write image and label of a case: NIfTI, or .nrrd for a tilted gantry, whose geometry fits in no NIfTI file."""
    suffix = ".nrrd" if volume.sheared else ".nii.gz"
    write_image(hu, volume, folder / f"data{suffix}")
    write_image(label, volume, folder / f"label{suffix}")


def _find(folder: Path, stem: str) -> Path | None:
    candidates = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)
