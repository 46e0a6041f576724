"""Which cases teach and which validate: five seeded folds of patients, or those that a data set brings along."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...system.files import write_json
from ...system.json_text import read_json
from ...system.names import some_of
from .dataset import PATIENTS, Case, find_cases, read_patients
from .imports.nnunet import RawFolder, raw_folder, raw_splits

FILE = "folds.json"
SPLIT = "split"
# Which axial slices of each case show tumour, by its name.
Abnormal = Mapping[str, Sequence[bool]]


@dataclass(frozen=True)
class Fold:
    """One division of the cases; `name` is that of its folder in a run."""

    name: str
    training: tuple[str, ...]
    validation: tuple[str, ...]


def read_dataset(dataset: Path) -> tuple[list[Case], list[Fold]]:
    """Cases of a data set, and the folds it brings along: folders ``train`` and ``val``, or nnU-Net's splits.

    Raises:
        InputError: the folder holds no cases, or a case or a patient is on both sides of a fold.
    """
    raw = raw_folder(dataset)
    if raw is not None:
        cases = find_cases(dataset)
        return cases, _raw_folds(dataset, raw, cases)
    parts = (dataset / "train", dataset / "val")
    if not all(part.is_dir() for part in parts):
        return find_cases(dataset), []
    training, validation = (find_cases(part) for part in parts)
    both = {case.name for case in training} & {case.name for case in validation}
    if both:
        raise InputError(
            f"{dataset} has the case {sorted(both)[0]} in train and in val; expected every patient in one of them only"
        )
    fold = Fold(SPLIT, tuple(case.name for case in training), tuple(case.name for case in validation))
    patients = read_patients(dataset, [*fold.training, *fold.validation])
    check_patients([fold.training, fold.validation], patients, f"{dataset}, in train and in val")
    return [*training, *validation], [fold]


def _raw_folds(dataset: Path, raw: RawFolder, cases: Sequence[Case]) -> list[Fold]:
    found = raw_splits(raw)
    if found is None:
        return []
    path, splits = found
    names = [case.name for case in cases]
    patients = read_patients(dataset, names)
    folds = []
    for number, (training, validation) in enumerate(splits):
        name = SPLIT if len(splits) == 1 else f"fold_{number}"
        strangers = sorted({*training, *validation} - {*names})
        if strangers:
            raise InputError(f"{path} names the case {strangers[0]}, which is not in {raw.root}; correct or remove it")
        both = sorted({*training} & {*validation})
        if both or not training or not validation:
            wrong = f"has {both[0]} on both sides" if both else "has no cases on one side"
            raise InputError(f"{path}: {name} {wrong}; expected cases that teach and other cases that validate")
        check_patients([training, validation], patients, f"{path}, {name}")
        folds.append(Fold(name, tuple(training), tuple(validation)))
    return folds


def make_folds(abnormal: Abnormal, count: int, seed: int, patients: Mapping[str, str] | None = None) -> list[list[str]]:
    """Divide patients at random into folds of nearly equal size, those without tumour spread evenly.

    Args:
        abnormal: of all cases.
        count: of folds; no more are made than there are patients.
        seed: the same seed and names give the same folds.
        patients: whose each case is; by default each is a patient.

    Returns:
        Names of the validation cases of each fold.

    Raises:
        InputError: there is a single patient.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(abnormal):
        groups.setdefault(name if patients is None else patients[name], []).append(name)
    if len(groups) < 2:
        known = "" if patients is None or len(abnormal) < 2 else f" by {PATIENTS}"
        cases = some_of(next(iter(groups.values()), []))
        raise InputError(
            f"the data set has one patient{known} ({cases}); expected at least two, one to train on and one to choose "
            "the best epoch on"
        )
    generator = np.random.default_rng(seed)
    sick = {name for name, slices in abnormal.items() if any(slices)}
    with_tumour = [group for group in groups.values() if sick.intersection(group)]
    without = [group for group in groups.values() if not sick.intersection(group)]
    order = [part[place] for part in (with_tumour, without) for place in generator.permutation(len(part))]
    count = min(count, len(order))
    return [sorted(name for group in order[fold::count] for name in group) for fold in range(count)]


def check_patients(parts: Sequence[Sequence[str]], patients: Mapping[str, str], where: str) -> None:
    """Check that all cases of a patient are in the same part.

    Raises:
        InputError: they are not.
    """
    seen: dict[str, tuple[int, str]] = {}
    for number, part in enumerate(parts):
        for name in part:
            first, twin = seen.setdefault(patients[name], (number, name))
            if first != number:
                raise InputError(
                    f"{twin} and {name} are of one patient by {PATIENTS}, and are divided ({where}); expected every "
                    "patient in one part only"
                )


def load_folds(folder: Path, abnormal: Abnormal, count: int, seed: int, patients: Mapping[str, str]) -> list[Fold]:
    """The folds of a run: those of ``folds.json`` if it is there (users may put their own), else new ones.

    Raises:
        InputError: the file cannot be read, or its folds do not hold every case once, or divide a patient.
    """
    path = folder / FILE
    if not os.path.lexists(path):
        return as_folds(make_folds(abnormal, count, seed, patients), abnormal)
    try:
        folds = [[str(name) for name in fold] for fold in read_json(path)["folds"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a list of folds ({error}); expected {{'folds': [[case, ...], ...]}}"
        ) from error
    names = sorted(abnormal)
    listed = sorted(name for fold in folds for name in fold)
    if listed != names or len(folds) < 2:
        odd = sorted(set(listed) ^ set(names)) or ["one case twice, or a single fold"]
        raise InputError(
            f"{path} does not fit the data set ({odd[0]}); expected every case in exactly one of the folds"
        )
    check_patients(folds, patients, str(path))
    return as_folds(folds, names)


def save_folds(folder: Path, folds: Sequence[Fold], seed: int) -> None:
    """Write ``folds.json``: the validation cases of each fold."""
    lists = [list(fold.validation) for fold in folds]
    write_json(folder / FILE, {"seed": seed, "folds": lists})


def as_folds(folds: Sequence[Sequence[str]], names: Iterable[str]) -> list[Fold]:
    """Folds by the cases that validate them, ``fold_0`` and so on; the others of the names teach."""
    names = sorted(names)
    return [
        Fold(f"fold_{number}", tuple(name for name in names if name not in fold), tuple(fold))
        for number, fold in enumerate(folds)
    ]


def chosen_training(folds: Sequence[Fold], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The training cases of each fold, by its name, where these are not all but the validation cases."""
    return {
        fold.name: tuple(sorted(fold.training)) for fold in folds if {*fold.training} != {*names} - {*fold.validation}
    }


def check_fold(fold: Fold, abnormal: Abnormal) -> None:
    """Check that both sides of a fold show tumour.

    Raises:
        InputError: one of them does not.
    """
    for side, names in (("training", fold.training), ("validation", fold.validation)):
        if not any(any(abnormal[name]) for name in names):
            raise InputError(
                f"the {side} cases of {fold.name} ({some_of(names)}) show no tumour on any slice; expected at "
                f"least one that does: check their labels, or divide the cases yourself in {FILE}"
            )
