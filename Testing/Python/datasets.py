"""Tiny data sets in StructSeg's layout, for tests."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from phantoms import body_ct

from GTVAutoSegLib.images.volume import Volume

SIDE = 40


def write_case(folder: Path, seed: int, *, slices: int = 6, tumour: bool = True) -> Path:
    """A phantom CT of 40 x 44 pixels with its bright ball as label, or an empty label."""
    folder.mkdir(parents=True)
    hu = body_ct((slices, SIDE, SIDE + 4), seed)
    z = np.arange(slices)[:, None, None]
    label = (hu > 85) & (abs(z - slices / 2) < slices / 3) & tumour
    save(hu, folder / "data.nii.gz")
    save(label.astype(np.uint8), folder / "label.nii.gz")
    return folder


def save(array: np.ndarray, path: Path, spacing: tuple[float, float, float] = (1.0, 1.0, 3.0)) -> None:
    """Write an array (z, y, x) as an image file."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, path)


def write_dataset(root: Path, cases: int = 3, **options) -> Path:
    """A data set of ``patient0``, ``patient1``, ..."""
    for number in range(cases):
        write_case(root / f"patient{number}", number, **options)
    return root


def write_task(path: Path, **changes) -> Path:
    """A task with networks of width 4 at 32 x 32 pixels and no dropout in the classifier."""
    task = {
        "id": "phantom",
        "title": "Ball in a phantom",
        "site": "Phantom",
        "roi": "GTVp",
        "terminology": "a~b^c^d~e^f^g~^^~h~^^~^^",
        "color": [1, 0, 0],
        "intended_use": "tests",
        "licence": "CC0",
        "data": "phantoms",
        "preprocessing": {"window": [-160, 240], "size": 32},
        "classifier": {"network": "resnet18", "arguments": {"dropout": 0.0}},
        "segmenter": {"network": "sanet"},
        "width": 4,
    }
    path.write_text(json.dumps({**task, **changes}))
    return path


def write_preset(path: Path, **changes) -> Path:
    """Two epochs, eight slices a step."""
    stage = {"epochs": 2, "batch": 8, "patience": 5, "restart_epochs": 2, **changes}
    preset = {"classifier": {**stage, "loss": "ce"}, "segmenter": stage, "choose_threshold": True}
    path.write_text(json.dumps(preset))
    return path


def watched(monkeypatch, module) -> list[int]:
    """How many volumes that a module has read are held each time when it reads the next one."""
    read, volumes, held = module.read_volume, [], []

    def watch(path: Path) -> Volume:
        held.append(sum(volume() is not None for volume in volumes))
        volume = read(path)
        volumes.append(weakref.ref(volume))
        return volume

    monkeypatch.setattr(module, "read_volume", watch)
    return held
