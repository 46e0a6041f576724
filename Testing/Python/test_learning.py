"""A training, end to end, that must learn: balls nobody could miss are found in patients it has not seen."""

from __future__ import annotations

import numpy as np
from datasets import save, write_preset, write_task

from GTVAutoSegLib import load_model, read_volume
from GTVAutoSegLib.commands.cli import main

SHAPE = (12, 48, 52)


def write_patient(folder, seed: int):
    """A body, and somewhere in it a ball 14 to 18 mm wide that is much brighter than the rest."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    z, y, x = np.ogrid[tuple(slice(side) for side in SHAPE)]
    body = ((y - 25) / 20) ** 2 + ((x - 26) / 23) ** 2 < 1
    radius = random.uniform(7, 9)
    place = (random.uniform(4, 8), *(random.uniform(18, 32, 2)))
    ball = sum(((axis - middle) * step) ** 2 for axis, middle, step in zip((z, y, x), place, (3, 1, 1))) < radius**2
    hu = np.where(body, 20.0, -1000.0) + 180.0 * (ball & body) + random.normal(0, 10, SHAPE)
    save(hu.round().astype(np.int16), folder / "data.nii.gz")
    save((ball & body).astype(np.uint8), folder / "label.nii.gz")
    return folder


def test_a_small_cascade_learns_to_outline_balls_in_patients_it_has_not_seen(tmp_path):
    for number in range(10):
        write_patient(tmp_path / "data" / ("train" if number < 8 else "val") / f"patient{number}", number)
    task = write_task(tmp_path / "task.json", width=8, preprocessing={"window": [-160, 240], "size": 48})
    mild = {"rotation": 0.0, "distortion": 0.0, "erasing": 0.0, "noise": 0.0}
    epochs = {"epochs": 18, "restart_epochs": 18, "patience": 18}
    preset = write_preset(tmp_path / "preset.json", learning_rate=4e-3, ema=0.9, augmentation=mild, **epochs)
    arguments = ["train", task, tmp_path / "data", tmp_path / "run", "--preset", preset, "--device", "cpu"]
    assert main([str(argument) for argument in arguments]) == 0

    model = load_model(tmp_path / "run" / "phantom", device="cpu", precision="fp32")
    found = []
    for number in range(100, 104):
        folder = write_patient(tmp_path / "unseen" / str(number), number)
        label = read_volume(folder / "label.nii.gz").array > 0
        mask = model.segment(read_volume(folder / "data.nii.gz")).mask > 0
        found.append(2 * (mask & label).sum() / (mask.sum() + label.sum()))
    assert np.mean(found) >= 0.9, found
