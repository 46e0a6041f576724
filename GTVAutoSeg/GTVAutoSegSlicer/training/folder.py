"""A training's folder: all that is needed to go on with it, whatever ended it, and what came of it.

It holds ``plan.json`` (what was asked for), ``task.json``, ``run/`` (the library's run), ``end.json`` (the model and
its report, once there are), and ``comparison/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from GTVAutoSegLib.errors import DiskError, InputError, ModelError
from GTVAutoSegLib.model.bundle import model_folders, read_bundle
from GTVAutoSegLib.model.versions import versions
from GTVAutoSegLib.system.files import make_folder, write_json, written
from GTVAutoSegLib.system.json_text import read_json
from GTVAutoSegLib.system.leftovers import remove_folder, sweep
from GTVAutoSegLib.system.lock import locked
from GTVAutoSegLib.system.settings import as_json, parse_settings

from ..models import chosen_folder
from .places import chosen_dataset

PLAN, TASK, RUN, END, COMPARISON = "plan.json", "task.json", "run", "end.json", "comparison"


@dataclass(frozen=True)
class ModelName:
    """A model as it was when a training began: its id may stand for another version later."""

    id: str
    version: str
    digest: str

    def path(self) -> Path:
        """Where it lies now, in use or kept aside.

        Raises:
            ModelError: it is no longer on this computer.
        """
        for version in versions(self.id, chosen_folder()):
            if version.digest == self.digest:
                return version.path
        raise ModelError(
            f"the model {self.id} {self.version} ({self.digest[:8]}), which the training began with, is no longer on "
            "this computer; install it again"
        )


@dataclass(frozen=True)
class TrainingPlan:
    """What was asked for.

    Attributes:
        title: of the task.
        dataset: folder of the training set.
        version: that the new model bears.
        begun_at: ISO 8601.
        preset: name or path, or "auto".
        fold: number of a fold, or "all".
        device: as for a run.
        start: the model whose weights it begins with; None for random ones.
        present: the model that the new one is compared with; None when there was none.
    """

    title: str
    dataset: str
    version: str
    begun_at: str
    preset: str = "auto"
    fold: str = "0"
    device: str = "auto"
    start: ModelName | None = None
    present: ModelName | None = None


@dataclass(frozen=True)
class TrainingEnd:
    """What a training made: paths of the model and of its report."""

    model: str
    report: str


@dataclass(frozen=True)
class TrainingFolder:
    """One training on disk."""

    path: Path

    @classmethod
    def make(cls, trainings: Path, task: dict[str, Any], plan: TrainingPlan) -> TrainingFolder:
        """A new folder with plan and task.

        Raises:
            DiskError: it cannot be written.
        """
        make_folder(trainings)
        sweep(trainings)  # what `discard` could not end
        folder = cls(_new_folder(trainings, str(task["id"])))
        write_json(folder.path / TASK, task)
        write_json(folder.path / PLAN, as_json(plan))
        return folder

    @property
    def plan(self) -> TrainingPlan:
        """What was asked for; raises InputError when it cannot be read."""
        return self._read(TrainingPlan, PLAN)

    @property
    def task(self) -> Path:
        """The task's file."""
        return self.path / TASK

    @property
    def sees_boxes(self) -> bool:
        """Whether the model is one that looks inside a box around the tumour."""
        data = self._decoded(TASK)
        preprocessing = data.get("preprocessing") if isinstance(data, dict) else None
        return isinstance(preprocessing, dict) and bool(preprocessing.get("crops"))

    @property
    def run(self) -> Path:
        """The library's run."""
        return self.path / RUN

    @property
    def comparison(self) -> Path:
        """Where the comparison with the present model lies."""
        return self.path / COMPARISON

    @property
    def cancel(self) -> Path:
        """The file that asks the child to stop."""
        return self.path / "cancel"

    @property
    def is_begun(self) -> bool:
        """Whether there is something to go on with."""
        return self.run.is_dir()

    @property
    def end(self) -> TrainingEnd | None:
        """What it made; None until it has."""
        return self._read(TrainingEnd, END) if (self.path / END).is_file() else None

    @property
    def compared(self) -> dict[str, Any] | None:
        """The comparison, decoded; None until there is one."""
        path = self.comparison / "comparison.json"
        try:
            data = read_json(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error}); remove {self.comparison} and resume") from error
        return data if isinstance(data, dict) else None

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left to be done; raises InputError when that cannot be read."""
        return self.end is not None and (self.plan.present is None or self.compared is not None)

    @property
    def is_installed(self) -> bool:
        """Whether the model that it made is among those on this computer, in use or kept aside."""
        try:
            bundle = read_bundle(self.end.model) if self.end is not None else None
            known = versions(bundle.info.id, chosen_folder()) if bundle is not None else []
        except ModelError:
            return False
        return bundle is not None and any(one.digest == bundle.digest for one in known)

    def write_end(self, end: TrainingEnd) -> None:
        """Keep what was made; raises DiskError."""
        write_json(self.path / END, as_json(end))

    def discard(self) -> None:
        """Remove it whole or not at all.

        Raises:
            InputError: another Slicer is at work in it, or the user's models or training set lie in it.
            DiskError: it cannot be removed; it is as it was.
        """
        for kept in (chosen_folder(), *model_folders(), chosen_dataset()):
            if kept.resolve().is_relative_to(self.path.resolve()):
                raise InputError(
                    f"{self.path} is not removed, since {kept} lies in it, which holds models or a training set; "
                    "expected it elsewhere, so choose another folder for it first"
                )
        with self.held():
            pass  # Windows renames no folder with a file that is open, as the lock is
        try:
            remove_folder(self.path)
        except OSError as error:
            raise DiskError(
                f"{self.path} cannot be removed ({error.strerror or error}) and is as it was; close what has its files "
                "open, and discard it again"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other Slicer out of it; raises InputError when one is at work in it."""
        with locked(self.path):
            yield

    def _read(self, cls: Any, name: str) -> Any:
        try:
            return parse_settings(cls, self._decoded(name), name)
        except ValueError as error:
            raise InputError(f"{self.path / name} is damaged ({error}); begin a new training") from error

    def _decoded(self, name: str) -> Any:
        path = self.path / name
        try:
            return read_json(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read ({error}); begin a new training") from error


def _new_folder(trainings: Path, task: str) -> Path:
    """The first number that is free; two Slicers that ask at once get one each."""
    number = 1
    with written(trainings):
        while True:
            folder = trainings / f"{task}-{number}"
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder


def last_training(trainings: Path) -> TrainingFolder | None:
    """The training begun last; None where there is none."""
    try:
        found = [TrainingFolder(path.parent) for path in trainings.glob(f"[!.]*/{PLAN}")]
        begun = [folder for folder in found if folder.is_begun]
        return max(begun, key=lambda folder: (folder.path / PLAN).stat().st_mtime_ns, default=None)
    except OSError:
        return None
