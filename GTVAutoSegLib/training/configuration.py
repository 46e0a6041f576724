"""What a run trains and where, and ``run.json``: what was trained on which cases, so that nothing else is mixed in."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..model.bundle import Bundle
from ..system.files import write_json
from ..system.json_text import read_json
from ..system.settings import parse_settings
from .data.tasks import Task
from .presets import Preset
from .stages import STAGES

FILE = "run.json"
MOST_SHOWN = 60
SHOWN_BEFORE = 20
WORDS = ("data", "licence")
DIGEST = re.compile(r"\(([0-9a-f]{12})\)")


@dataclass(frozen=True)
class Run:
    """What to train, and where.

    Attributes:
        task: with the preset's size and width.
        preset: hyper-parameters.
        dataset: folder, only read.
        folder: the run's own.
        store: slice store; ``folder / "slices"`` unless shared between runs.
        stages: names.
        fold: number of a fold, or None for all.
        resume: continue networks that were begun.
        start: the model whose weights the networks begin with; the task's data name it, see `origin.began_with`.
        encoder: a file of weights that the encoders begin with, see `starting.take_encoder`.
    """

    task: Task
    preset: Preset
    dataset: Path
    folder: Path
    store: Path
    stages: tuple[str, ...] = tuple(STAGES)
    fold: int | None = None
    resume: bool = False
    start: Bundle | None = None
    encoder: Path | None = None


@dataclass(frozen=True)
class Configuration:
    """What a run folder belongs to.

    Attributes:
        task: with the size and width that are trained.
        preset: hyper-parameters.
        cases: hash of image and label of each case, by name; see `slice_store.content_of`.
        folds: names of the validation cases of each fold, by its folder's name.
        training: names of the training cases, of folds that do not train on all other cases.
    """

    task: Task
    preset: Preset
    cases: dict[str, str]
    folds: dict[str, tuple[str, ...]]
    training: dict[str, tuple[str, ...]] = field(default_factory=dict)


def save_configuration(folder: Path, configuration: Configuration) -> None:
    """Write ``run.json``."""
    write_json(folder / FILE, asdict(configuration))


def read_configuration(folder: Path) -> Configuration:
    """Read ``run.json``; settings that are younger than the file have their defaults.

    Raises:
        InputError: the folder is no run, or the file is damaged.
    """
    path = folder / FILE
    try:
        return parse_settings(Configuration, read_json(path), FILE)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); expected the folder of a run of 'gtvautoseg train'"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); put back a copy of it, or train into another folder") from error


def check_configuration(folder: Path, ours: Configuration) -> None:
    """Check that a run folder that has a configuration has this one, whatever it says of data and licence.

    Raises:
        InputError: it has another one, the first difference named, or a damaged one.
    """
    if not os.path.lexists(folder / FILE):
        return
    difference = _difference(comparable(asdict(read_configuration(folder))), comparable(asdict(ours)))
    if difference is not None:
        key, there, now = difference[0], *_short(*difference[1:])
        raise InputError(
            f"{folder} belongs to another configuration: {key} is {there} there and {now} now; "
            "give another folder, or the same data and settings"
        )


def comparable(configuration: Any) -> Any:
    """A configuration as JSON, without what its task says for people of data and licence.

    Such words change, with a data set's ``dataset.json`` or with this program, and no network does. The weights that
    the networks began with are named among them, see `origin.began_with`, and stay.
    """
    if not isinstance(configuration, dict) or not isinstance(configuration.get("task"), dict):
        return configuration
    task = {key: value for key, value in configuration["task"].items() if key not in WORDS}
    return {**configuration, "task": task, "first weights": DIGEST.findall(str(configuration["task"].get("data")))}


def _difference(theirs: Any, ours: Any, where: str = "") -> tuple[str, Any, Any] | None:
    """The first key that differs, with both values."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            found = _difference(theirs.get(key), ours.get(key), f"{where}.{key}" if where else key)
            if found is not None:
                return found
        return None
    return None if theirs == ours else (where, theirs, ours)


def _short(*values: Any) -> list[str]:
    """Two values that differ as text, long ones from shortly before the place where they do."""
    texts = ["absent" if value is None else json.dumps(value) for value in values]
    same = next((n for n, (one, other) in enumerate(zip(*texts)) if one != other), 0) - SHOWN_BEFORE
    if max(map(len, texts)) <= MOST_SHOWN or same <= 0:
        return [_cut(text) for text in texts]
    return ["..." + _cut(text[same:]) for text in texts]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."
