"""A data set as nnU-Net v2 expects it, with the folds of our own training, so that both can be compared."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..images.itk import write_image
from ..images.read import read_volume
from ..images.volume import check_ct
from ..system.files import make_folder, whole_folder
from ..system.progress import Progress, followed
from ..training.data.dataset import Case, read_label, read_patients
from ..training.data.folds import FILE as FOLDS
from ..training.data.folds import Abnormal, Fold, as_folds, load_folds, make_folds, read_dataset
from ..training.presets import load_preset

ENDING = ".nii.gz"
SPLITS = "splits_final.json"
LARGEST_ID = 999


def export_nnunet(
    dataset: Path,
    output: Path,
    number: int,
    run: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write ``<output>/DatasetNNN_Name``, whole or not at all.

    All cases lie in ``imagesTr`` and ``labelsTr``, and ``splits_final.json`` says which of them each of nnU-Net's folds
    learns from and validates on. Of a data set with the folders ``train`` and ``val``, which is one fold, the cases of
    ``val`` lie in ``imagesTs`` and ``labelsTs`` as well, to be predicted.

    Args:
        dataset: folder; only read.
        output: nnU-Net's folder of raw data sets; made if need be.
        number: NNN, 1 to 999.
        run: a run of ours whose folds are taken; without one they are those that a new run would have.
        progress: called with "exporting", cases done and cases in all.

    Returns:
        The folder.

    Raises:
        InputError: the data set or the number cannot be used, a CT's geometry does not go into NIfTI, or the output is
            not writable or has a data set of that number.
        DiskError: the disk is full or went away.
    """
    cases, brought = read_dataset(dataset)
    if not 1 <= number <= LARGEST_ID:
        raise InputError(f"the id is {number}; expected 1 to {LARGEST_ID}")
    if run is not None and brought:
        raise InputError(f"{dataset} brings its own division along; leave --run out")
    if run is not None and not (run / FOLDS).is_file():
        raise InputError(f"{run} has no {FOLDS}; expected the folder of a run of 'gtvautoseg train'")
    make_folder(output)
    taken = sorted(output.glob(f"Dataset{number:03d}_*"))
    if taken:
        raise InputError(f"{taken[0]} exists already; remove it, or give another --id")
    target = output / f"Dataset{number:03d}_{_name(dataset)}"
    with whole_folder(target, "free space on the disk, or give another folder") as part:
        exported = _write_cases(cases, part, progress)
        folds = brought or _folds(dataset, exported, run)
        if len(brought) == 1:
            _copy_test(brought[0], part)
        _write_json(part / SPLITS, [{"train": list(fold.training), "val": list(fold.validation)} for fold in folds])
        _write_json(part / "dataset.json", _describe(target.name, len(cases)))
    return target


def _write_cases(cases: Sequence[Case], part: Path, progress: Progress | None) -> dict[str, list[bool]]:
    images, labels = part / "imagesTr", part / "labelsTr"
    images.mkdir()
    labels.mkdir()
    exported = {}
    for case in followed(cases, "exporting", progress, len(cases)):
        volume = read_volume(case.image)
        check_ct(volume)
        if volume.sheared:
            raise InputError(
                f"{case.image} has axes that are not at right angles (tilted gantry), which nnU-Net's NIfTI files "
                "cannot hold; remove the case, or resample it"
            )
        mask = read_label(case, volume)
        write_image(volume.array, volume, images / f"{case.name}_0000{ENDING}")
        write_image(mask.astype(np.uint8), volume, labels / f"{case.name}{ENDING}")
        exported[case.name] = [bool(plane.any()) for plane in volume.axial.of(mask)]
    return exported


def _folds(dataset: Path, exported: Abnormal, run: Path | None) -> list[Fold]:
    preset = load_preset("paper")
    patients = read_patients(dataset, exported)
    if run is not None:
        return load_folds(run, abnormal=exported, count=preset.folds, seed=preset.seed, patients=patients)
    return as_folds(make_folds(exported, preset.folds, preset.seed, patients), exported)


def _copy_test(split: Fold, part: Path) -> None:
    for kind, ending in (("images", f"_0000{ENDING}"), ("labels", ENDING)):
        (part / f"{kind}Ts").mkdir()
        for name in split.validation:
            shutil.copyfile(part / f"{kind}Tr" / f"{name}{ending}", part / f"{kind}Ts" / f"{name}{ending}")


def _describe(name: str, cases: int) -> dict[str, object]:
    return {
        "name": name,
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": cases,
        "file_ending": ENDING,
    }


def _name(dataset: Path) -> str:
    """Of the folder, in letters and digits."""
    return re.sub(r"[^A-Za-z0-9]+", "", dataset.resolve().name) or "GTV"


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
