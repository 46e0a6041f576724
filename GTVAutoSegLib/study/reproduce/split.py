"""Which cases are learnt from, in which folds, and which are kept aside to test on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...system.files import write_text
from ...system.json_text import read_json
from ...system.names import counted
from ...training.data.dataset import Case, read_patients
from ...training.data.folds import Fold, as_folds, check_fold, make_folds, read_dataset
from ...training.data.slices import StoredCase

FILE = "split.json"
TEST_SHARE = 0.2  # the paper's 10 of 50


@dataclass(frozen=True)
class Split:
    """Cases to learn from, divided into folds later, and cases for the one comparison at the end; patients are whole.

    Attributes:
        training: cases to learn from.
        test: cases to test on.
        patients: whose each case is.
    """

    training: tuple[Case, ...]
    test: tuple[Case, ...]
    patients: dict[str, str]


def read_split(dataset: Path, count: int | None, seed: int) -> Split:
    """Divide a data set: its folder ``val`` is the test set if there is one, else a seeded fifth of the cases.

    Args:
        dataset: folder.
        count: of cases to take at most, drawn by the seed, the test set keeping its share; None for all.
        seed: the same seed, names and count give the same split.

    Raises:
        InputError: the data set cannot be used, or too few cases are left.
    """
    cases, division = read_dataset(dataset)
    patients = read_patients(dataset, [case.name for case in cases])
    generator = np.random.default_rng((seed, 1))
    if len(division) != 1:
        test = _draw(cases, max(1, round(TEST_SHARE * len(cases))), patients, generator)
    else:
        test = [case for case in cases if case.name in division[0].validation]
    training = [case for case in cases if case not in test]
    if count is not None:
        tested = min(max(1, round(count * len(test) / len(cases))), len(test))
        training = _draw(training, max(0, count - tested), patients, generator)
        test = _draw(test, tested, patients, generator)
    if len(training) < 2 or not test:
        raise InputError(
            f"{dataset} gives {counted(len(training), 'case')} to learn from and {len(test)} to test on; expected at "
            "least two and one: add cases, or raise --cases"
        )
    return Split(_by_name(training), _by_name(test), patients)


def divide(
    training: Sequence[StoredCase], patients: Mapping[str, str], count: int, seed: int, run: int | None
) -> tuple[Fold, ...]:
    """The folds that are run: the first ``run`` of ``count``, or all.

    Raises:
        InputError: there are fewer, or one of them has no tumour on one of its sides.
    """
    abnormal = {case.name: case.abnormal for case in training}
    folds = as_folds(make_folds(abnormal, count, seed, patients), abnormal)
    if run is not None and not 1 <= run <= len(folds):
        raise InputError(f"--folds is {run}; expected 1 to {len(folds)}, the folds of the preset and the data")
    chosen = folds[:run]
    for fold in chosen:
        check_fold(fold, abnormal)
    return tuple(chosen)


def keep_split(folder: Path, test: Sequence[StoredCase], folds: Sequence[Fold], seed: int) -> None:
    """Write the split into the run's folder, or check that the one there is the same.

    Raises:
        InputError: the folder belongs to another split, or its file is damaged.
    """
    content = {
        "seed": seed,
        "test": {case.name: case.content for case in test},
        "folds": {fold.name: {"training": fold.training, "validation": fold.validation} for fold in folds},
    }
    ours = json.loads(json.dumps(content))
    path = folder / FILE
    if os.path.lexists(path):
        try:
            theirs = read_json(path)
            shared = theirs["folds"].keys() & ours["folds"].keys()
            same = theirs["test"] == ours["test"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged ({error!r}); put back a copy of it, or give another folder") from error
        if not same or any(theirs["folds"][name] != ours["folds"][name] for name in shared):
            raise InputError(
                f"{folder} belongs to other cases or another seed ({path.name} differs); give another folder, or the "
                "same data, --cases and preset"
            )
        ours["folds"] = {**theirs["folds"], **ours["folds"]}
    write_text(path, json.dumps(ours, indent=2) + "\n")


def _draw(cases: Sequence[Case], count: int, patients: Mapping[str, str], generator: np.random.Generator) -> list[Case]:
    """All cases of as many patients, in random order, as are needed for the count."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(patients[case.name], []).append(case)
    drawn: list[Case] = []
    for group in (list(groups.values())[place] for place in generator.permutation(len(groups))):
        if len(drawn) < count:
            drawn += group
    return drawn


def _by_name(cases: Sequence[Case]) -> tuple[Case, ...]:
    return tuple(sorted(cases, key=lambda case: case.name))
