"""Where corrected cases are collected, and where trainings on them are kept."""

from __future__ import annotations

from pathlib import Path

import slicer

from GTVAutoSegLib.model.bundle import user_folder

FOLDER_SETTING = "GTVAutoSeg/TrainingSet"
TRAININGS = "-trainings"


def chosen_dataset() -> Path:
    """Folder of the training set: the one the user chose, else beside the user's models."""
    return Path(slicer.util.settingsValue(FOLDER_SETTING, "") or user_folder().parent / "TrainingSet")


def choose_dataset(folder: str) -> None:
    """Remember the user's training set."""
    slicer.app.settings().setValue(FOLDER_SETTING, folder)


def trainings_folder(dataset: Path) -> Path:
    """Where trainings on a data set are kept: beside it, as a data set holds nothing but cases."""
    return dataset.with_name(dataset.name + TRAININGS)
