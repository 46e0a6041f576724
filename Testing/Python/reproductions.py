"""Small reproductions for tests: what is asked for, and the setup that comes of it."""

from __future__ import annotations

from pathlib import Path

from datasets import write_dataset, write_preset, write_task

from GTVAutoSegLib.study.reproduce.parts import Setup
from GTVAutoSegLib.study.reproduce.request import Request
from GTVAutoSegLib.study.reproduce.run import prepare
from GTVAutoSegLib.training.data.tasks import load_task
from GTVAutoSegLib.training.presets import load_preset


def write_inputs(folder: Path) -> Path:
    """Ten phantoms, a task and a preset."""
    write_dataset(folder / "phantoms", 10)
    write_task(folder / "task.json")
    write_preset(folder / "preset.json")
    return folder


def request_of(data: Path, folder: Path, **changes) -> Request:
    values = {
        "tables": ("table6",),
        "dataset": data / "phantoms",
        "folder": folder,
        "store": data / "slices",
        "task": load_task(str(data / "task.json")),
        "preset": load_preset(str(data / "preset.json")),
        "task_name": str(data / "task.json"),
        "preset_name": "tiny",
        "device": "cpu",
        "folds": 2,
    }
    return Request(**{**values, **changes})


def prepared(data: Path, folder: Path, **changes) -> Setup:
    folder.mkdir(exist_ok=True)
    return prepare(request_of(data, folder, **changes), lambda text: None).setup
