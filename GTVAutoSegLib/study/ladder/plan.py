"""What a ladder is, as data: one small configuration, and rungs that each change one thing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...model.stages import CascadeStage
from ...system.resources import read_json_settings, read_resource

JOINT = "joint"
OWN, FOLDS = "own", "folds"
FLIPS, Z_HEAD = "flips", "z-head"
# Ways that train networks which later rungs can build on.
TRAINED = (OWN, JOINT)
WAYS = (*TRAINED, FOLDS, FLIPS, Z_HEAD)


@dataclass(frozen=True)
class Site:
    """A data set of the ladder, a folder with ``train`` and ``val``.

    Attributes:
        task: id of the shipped task whose names it has.
        epochs: by stage.
    """

    task: str
    epochs: dict[str, int]


@dataclass(frozen=True)
class Rung:
    """One change.

    Attributes:
        name: also that of its folder.
        title: for people.
        change: new values by dotted key of task or preset, such as ``task.preprocessing.channels``.
        way: ``own``, trained for each data set; ``joint``, one network for all; ``folds``, networks for each fold of
            the training patients, as an ensemble; ``flips``, the networks below see their slices mirrored as well;
            ``z-head``, their classifier gets a head along z.
        encoder_weights: whether the encoders begin with weights of photographs.
        ends: whether later rungs build on the one below it instead, also when it pays.
        seeds: which of the ladder's it is made with; all when none is given.
    """

    name: str
    title: str
    change: dict[str, Any] = field(default_factory=dict)
    way: str = OWN
    encoder_weights: bool = False
    ends: bool = False
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError when the way is unknown."""
        if self.way not in WAYS:
            raise ValueError(f"way is '{self.way}', expected one of: {', '.join(WAYS)}")
        if self.way not in TRAINED and not self.ends:
            raise ValueError(f"ends is false, expected true for the way '{self.way}', on which nothing can be built")


@dataclass(frozen=True)
class Ladder:
    """All rungs, the first one being where it begins.

    Attributes:
        sites: data sets by the name of their folder.
        joint: task and epochs of one network for all of them.
        boxes: mm of slack of the boxes that are measured.
        seeds: each rung is trained with each, unless it names its own.
        change: what all rungs change in the shipped tasks and in ``preset``, by dotted key.
        preset: of the training, without epochs.
        rungs: in order.
    """

    sites: dict[str, Site]
    joint: Site
    boxes: tuple[float, ...]
    seeds: tuple[int, ...]
    change: dict[str, Any]
    preset: dict[str, Any]
    rungs: tuple[Rung, ...]

    def __post_init__(self) -> None:
        """Raise ValueError when there is nothing to train or two rungs have one name."""
        names = [rung.name for rung in self.rungs]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"rungs are {names}, expected at least one, each of another name")
        if not self.sites or not self.boxes or not self.seeds:
            raise ValueError("sites, boxes and seeds are needed, expected at least one of each")
        for rung in self.rungs:
            if not set(rung.seeds) <= set(self.seeds) or (rung.seeds and not rung.ends):
                raise ValueError(
                    f"seeds of {rung.name} are {list(rung.seeds)}, expected some of {list(self.seeds)}, and of a rung "
                    "that ends only"
                )

    def seeds_of(self, rung: Rung) -> tuple[int, ...]:
        """What a rung is made with."""
        return rung.seeds or self.seeds

    def named(self, name: str) -> Rung:
        """A rung by its name.

        Raises:
            InputError: there is none.
        """
        for rung in self.rungs:
            if rung.name == name:
                return rung
        raise InputError(f"rung '{name}' does not exist; expected one of: {', '.join(one.name for one in self.rungs)}")


def read_ladder(path: Path) -> Ladder:
    """A ladder from its .json file.

    Raises:
        InputError: it cannot be read, or a key or value in it is wrong.
    """
    return read_json_settings(Ladder, path)


def settings_of(ladder: Ladder, site: Site, rungs: Sequence[Rung], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task and preset as JSON: the shipped task, the ladder's changes, and those of some rungs, in order.

    Raises:
        InputError: a rung changes a key that is in no task or preset.
    """
    _, task = read_resource(site.task, "Tasks")
    settings: dict[str, Any] = {"task": dict(task), "preset": {**ladder.preset, "seed": seed}}
    for change in (ladder.change, *(rung.change for rung in rungs)):
        for key, value in change.items():
            settings = _changed(settings, key.split("."), value, key)
    for stage in map(str, CascadeStage):
        epochs = site.epochs[stage]
        # One cosine cycle that ends with the training; all epochs are trained.
        cycle = {"epochs": epochs, "patience": epochs, "restart_epochs": epochs, "restart_factor": 1}
        settings["preset"][stage] = {**settings["preset"][stage], **cycle}
    return settings["task"], settings["preset"]


def _changed(settings: Mapping[str, Any], keys: Sequence[str], value: Any, whole: str) -> dict[str, Any]:
    first, *rest = keys
    if not rest:
        return {**settings, first: value}
    inner = settings.get(first)
    if not isinstance(inner, Mapping):
        raise InputError(f"'{whole}' changes nothing: there is no '{first}'; expected a key of the task or the preset")
    return {**settings, first: _changed(inner, rest, value, whole)}
