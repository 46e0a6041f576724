"""A data set in figures: how many cases of how many patients, and how much of their outlines a person changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..dataset import find_cases, read_patients
from .case import read_collected


@dataclass(frozen=True)
class DatasetSummary:
    """A data set in figures.

    Attributes:
        cases: how many.
        patients: how many; a case of which nobody knows whose it is counts as a patient of its own.
        measured: cases of which it is known how much a person changed of a model's outline.
        added_path_length_mm: their mean (Vaassen et al. 2020); None without such cases.
        volume_change_ml: the mean of how much larger or smaller the outline became; None without such cases.
    """

    cases: int = 0
    patients: int = 0
    measured: int = 0
    added_path_length_mm: float | None = None
    volume_change_ml: float | None = None


def summarise_dataset(dataset: Path) -> DatasetSummary:
    """The figures of a data set; of a folder that is not there or empty, none.

    Raises:
        InputError: a case has no label, or a record is damaged.
    """
    if not _holds_something(dataset):
        return DatasetSummary()
    names = [case.name for case in find_cases(dataset)]
    edits = [case.provenance.edited for name, case in read_collected(dataset).items() if name in names]
    known = [edit for edit in edits if edit is not None]
    changes = [abs(edit.volume_after_ml - edit.volume_before_ml) for edit in known]
    return DatasetSummary(
        cases=len(names),
        patients=len(set(read_patients(dataset, names).values())),
        measured=len(known),
        added_path_length_mm=_mean([edit.added_path_length_mm for edit in known]),
        volume_change_ml=_mean(changes),
    )


def _holds_something(dataset: Path) -> bool:
    return dataset.is_dir() and any(not path.name.startswith(".") for path in dataset.iterdir())


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
