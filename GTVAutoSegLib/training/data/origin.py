"""What a model says of its data and their licence: those it is really trained on, and nothing that was made up.

The ``data`` and ``licence`` of a shipped task are those of the model that ships. Whoever trains that task, or a copy of
its file, on other CTs gets a model of other data. So a shipped text is never believed; the data set says itself what it
is in ``dataset.json`` (as nnU-Net's: ``description``, ``reference``, ``licence``), or its cases are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import InputError
from ...model.bundle import Bundle
from ...model.completer import CompleterBundle
from ...model.info import ModelInfo
from ...system.files import sha256_of
from ...system.json_text import read_json
from ...system.names import counted
from ...system.resources import resource_folders
from .collected.case import read_collected
from .dataset import read_patients
from .folds import read_dataset
from .imports.nnunet import DESCRIPTION, raw_folder, read_description
from .tasks import Task

if TYPE_CHECKING:
    from ..completer import CompleterTask

NOT_TOLD = "not told"


T = TypeVar("T", Task, "CompleterTask")


def trained_on(task: T, datasets: Sequence[Path]) -> T:
    """The task with what its model will say of data and licence.

    Data are as the data sets' ``dataset.json`` describes them; else as the task says in words of its own; else counted.
    The licence is the task's own; else that of ``dataset.json``; else not told.

    Args:
        task: as it was read.
        datasets: that it is trained on.

    Raises:
        InputError: a data set cannot be used, or its ``dataset.json`` is damaged.
    """
    is_shipped = " ".join(task.data.split()) in _shipped_texts()
    data, licence = ("", "") if is_shipped else (task.data, task.licence)
    told = [_described(dataset) for dataset in datasets]
    if not data or all(text for text, _ in told):
        data = "; ".join(text or _counted(dataset) for (text, _), dataset in zip(told, datasets))
    licences = dict.fromkeys(one or NOT_TOLD for _, one in told)
    return replace(task, data=data, licence=licence or "; ".join(licences))


def began_with(task: T, start: Bundle | CompleterBundle) -> T:
    """The task with the model named in its ``data``, which the new model, the report and ``run.json`` repeat.

    The data a model was trained on, with their licence and attribution, are in every model that began with it, and so
    is its own licence.
    """
    info = start.info
    origin = f"began with the weights of {info.id} {info.version} ({start.digest[:12]}), whose data are"
    licence = task.licence
    if info.licence not in licence:
        licence = f"{licence}; of the weights it began with: {info.licence}"
    data = info.training_data.description if isinstance(info, ModelInfo) else info.data
    return replace(task, data=f"{task.data}; {origin}: {data}", licence=licence)


def encoders_began_with(task: Task, path: Path) -> Task:
    """The task with the file of the encoders' first weights named in its ``data``.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected weights, .safetensors") from error
    return replace(task, data=f"{task.data}; encoders began with {path.name} ({digest[:12]})")


def _described(dataset: Path) -> tuple[str, str]:
    """What ``dataset.json`` says of data and licence, "" where it does not; raises InputError for a damaged one."""
    root = _root(dataset)
    if not (root / DESCRIPTION).is_file():
        return "", ""
    told = read_description(root)
    description, reference, licence, license_ = (
        str(told.get(key) or "").strip() for key in ("description", "reference", "licence", "license")
    )
    data = "; ".join(text for text in (description, reference) if text) if description else ""
    return data, licence or license_


def _counted(dataset: Path) -> str:
    names = [case.name for case in read_dataset(dataset)[0]]
    patients = len(set(read_patients(dataset, names).values()))
    root = _root(dataset)
    cases, people = counted(len(names), "case"), counted(patients, "patient")
    text = f"{cases} of {people} in the data set '{root.resolve().name}'"
    collected = len(read_collected(root).keys() & set(names))
    return text + (f", {collected} of them collected from outlines that people approved or accepted" * bool(collected))


def _root(dataset: Path) -> Path:
    raw = raw_folder(dataset)
    return dataset if raw is None else raw.root


def _shipped_texts() -> set[str]:
    """What the shipped tasks, and that of the completer, say of their data."""
    files = [path for folder in resource_folders("Tasks") for path in folder.glob("*.json")]
    files += [folder / "training.json" for folder in resource_folders("Completer")]
    return {" ".join(read_json(path)["data"].split()) for path in files if path.is_file()}
