"""Tasks: what is outlined and how its CTs are seen, as data. The shipped ones lie in ``Resources/Tasks``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from ...errors import InputError
from ...model.info import LONGEST_ROI, check_combination
from ...model.stages import CascadeStage
from ...networks import CLASSIFIERS, SEGMENTERS, build_network
from ...system.resources import load_resource
from ...system.settings import PostprocessSettings, PreprocessSettings
from .sampling import RATIOS

REGISTRIES = {CascadeStage.CLASSIFIER: CLASSIFIERS, CascadeStage.SEGMENTER: SEGMENTERS}
TERMINOLOGY_PARTS = 7


@dataclass(frozen=True)
class StageTask:
    """One stage of the cascade for a task.

    Attributes:
        network: registry name.
        theta: Balance-Sampling Strategy ratio (paper section 3.4): "0", "1", "2", "4" or "n".
        arguments: further arguments of the network, beside its width and input channels.
        combine: how the folds' networks become one in a bundle: "mean" or "vote".
        flips: whether the model sees every slice mirrored as well.
    """

    network: str
    theta: str = "1"
    arguments: dict[str, Any] = field(default_factory=dict)
    combine: str = "mean"
    flips: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError when the ratio, or how to combine, is unknown."""
        if self.theta not in RATIOS:
            raise ValueError(f"theta is '{self.theta}', expected one of: {', '.join(RATIOS)}")
        check_combination(self.combine)


@dataclass(frozen=True)
class Task:
    """A task; ``docs/guides/training.md`` explains how to write one.

    Attributes:
        id: its name, also that of the model bundle trained for it: letters, digits and hyphens.
        title: for people.
        site: anatomy, for people.
        roi: name of the segment and of the RTSTRUCT ROI, at most 16 characters (AAPM TG-263).
        terminology: DICOM codes in Slicer's notation, context names included.
        color: of the segment, red, green, blue in [0, 1].
        intended_use: what the model may be used for.
        licence: of the models trained for it; see `origin.trained_on` for when it is believed.
        data: data set, its licence and attribution; the same.
        preprocessing: window, box rule; ``size`` holds unless the preset says otherwise.
        classifier: first stage.
        segmenter: second stage.
        width: of both networks, unless the preset says otherwise.
        version: of the models trained for it.
        postprocessing: what is done to the stacked mask.
    """

    id: str
    title: str
    site: str
    roi: str
    terminology: str
    color: tuple[float, float, float]
    intended_use: str
    preprocessing: PreprocessSettings
    classifier: StageTask = field(default_factory=lambda: StageTask("resnet18"))
    segmenter: StageTask = field(default_factory=lambda: StageTask("sanet"))
    width: int = 32
    version: str = "1.0.0"
    licence: str = ""
    data: str = ""
    postprocessing: PostprocessSettings = field(default_factory=PostprocessSettings)

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        if not self.id or not all(c.isascii() and (c.isalnum() or c == "-") for c in self.id):
            raise ValueError(f"id is '{self.id}', expected letters, digits and hyphens")
        if not 1 <= len(self.roi) <= LONGEST_ROI:
            raise ValueError(f"roi is '{self.roi}', expected 1 to {LONGEST_ROI} characters")
        if len(self.terminology.split("~")) != TERMINOLOGY_PARTS:
            raise ValueError(
                f"terminology has not {TERMINOLOGY_PARTS} parts joined by '~', see docs/guides/training.md"
            )
        if not all(0 <= part <= 1 for part in self.color):
            raise ValueError(f"color is {list(self.color)}, expected three numbers from 0 to 1")
        for stage in CascadeStage:
            self._check_network(stage)

    def _check_network(self, stage: CascadeStage) -> None:
        info, registry = stage.of(self), REGISTRIES[stage]
        if info.network not in registry:
            raise ValueError(f"{stage}.network is '{info.network}', expected one of: {', '.join(sorted(registry))}")
        if self.width < 1:
            raise ValueError(f"width is {self.width}, expected at least 1")

    def arguments(self, stage: str) -> dict[str, Any]:
        """Keyword arguments of a stage's network."""
        own = CascadeStage(stage).of(self).arguments
        return {"in_channels": self.preprocessing.input_channels, "width": self.width, **own}

    def build(self, stage: str) -> nn.Module:
        """A freshly initialised network.

        Raises:
            InputError: ``arguments`` do not fit the network.
        """
        which = CascadeStage(stage)
        try:
            return build_network(REGISTRIES[which], which.of(self).network, self.arguments(which))
        except ValueError as error:
            raise InputError(f"task {self.id}: {stage}: {error}; correct 'arguments'") from error

    def resized(self, size: int | None, width: int | None) -> Task:
        """The task with another input size and network width where these are given.

        Raises:
            InputError: the size or width makes no sense.
        """
        try:
            preprocessing = replace(self.preprocessing, size=self.preprocessing.size if size is None else size)
            return replace(self, preprocessing=preprocessing, width=self.width if width is None else width)
        except ValueError as error:
            raise InputError(f"the preset's {error}") from error


def load_task(name: str) -> Task:
    """A shipped task by its name, or a user's own by the path of its .json file.

    Raises:
        InputError: there is none, or a key or value in it is wrong; the message names it and lists what is allowed.
    """
    return load_resource(Task, name, "Tasks")
