"""Collected cases train, evaluate and compare as they lie there, and the data set stays as it is."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from bundles import make_bundle
from datasets import save, write_case, write_preset, write_task
from dicom_samples import patient_array, write_series

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.model.bundle import read_bundle


@pytest.fixture
def collected(tmp_path, monkeypatch) -> Path:
    """Four cases: two CTs of one patient as DICOM, two image files, one of them collected again after a correction.

    Beside them lies what an import that was killed was writing.
    """
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "user"))
    dataset = tmp_path / "set"
    for number in range(2):
        ct = tmp_path / f"ct{number}"
        write_series(ct, patient_array(seed=number), PatientID="MRN1", SeriesInstanceUID=pydicom.uid.generate_uid())
        collect(ct, outline(ct, tmp_path / f"gtv{number}.nrrd"), dataset)
    for number in (2, 3):
        case = write_case(tmp_path / f"case{number}", number)
        collect(case / "data.nii.gz", case / "label.nii.gz", dataset)
    again = read_volume(tmp_path / "case3" / "label.nii.gz")
    save(np.where(np.arange(6)[:, None, None] == 3, 0, again.array), tmp_path / "corrected.nii.gz")
    collect(tmp_path / "case3" / "data.nii.gz", tmp_path / "corrected.nii.gz", dataset)
    shutil.copytree(tmp_path / "case2", dataset / ".gtv-killed")
    return dataset


def collect(ct: Path, mask: Path, dataset: Path) -> None:
    assert main(["collect", str(ct), str(mask), str(dataset), "--accept"]) == 0


def outline(ct: Path, path: Path) -> Path:
    volume = read_volume(ct)
    mask = np.zeros(volume.array.shape, np.uint8)
    mask[1:4, 5:10, 6:11] = 1
    write_mask(mask, volume, path)
    return path


def hashes(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_a_collected_data_set_goes_through_train_evaluate_and_compare_untouched(collected, tmp_path):
    assert (collected / ".earlier").is_dir()
    before = hashes(collected)
    task, preset = write_task(tmp_path / "task.json"), write_preset(tmp_path / "preset.json", epochs=1)
    options = ["--preset", preset, "--device", "cpu", "--fold", "0"]
    assert main(list(map(str, ["train", task, collected, tmp_path / "run", *options]))) == 0
    folds = json.loads((tmp_path / "run" / "run.json").read_text())["folds"]
    assert sorted(map(len, folds.values())) == [1, 1, 2]  # the two CTs of one patient stay together
    assert read_bundle(tmp_path / "run" / "phantom").info.training_data.cases == 4 - len(folds["fold_0"])
    for arguments in (
        ["evaluate", collected, "--run", tmp_path / "run"],
        ["compare", collected, make_bundle(tmp_path / "old", size=32), tmp_path / "run"],
    ):
        out = tmp_path / str(arguments[0])
        assert main(list(map(str, [*arguments, "--output", out, "--device", "cpu"]))) == 0
    rows = list(csv.DictReader((tmp_path / "compare" / "comparison.csv").read_text().splitlines()))
    assert [row["case"] for row in rows] == folds["fold_0"]
    assert hashes(collected) == before
