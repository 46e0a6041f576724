"""The two stages of the cascade, as a type: ``for stage in CascadeStage``."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class HasBothStages(Protocol[T_co]):
    """What holds something of the same kind for each stage: a task, a preset, a model's description."""

    @property
    def classifier(self) -> T_co:
        """That of the first stage."""

    @property
    def segmenter(self) -> T_co:
        """That of the second stage."""


class CascadeStage(str, Enum):
    """A stage; also the name of its key in JSON and of its folder in a training run."""

    CLASSIFIER = "classifier"
    SEGMENTER = "segmenter"

    def __str__(self) -> str:
        return self.value

    def of(self, both: HasBothStages[T]) -> T:
        """This stage's part of what holds both."""
        return both.classifier if self is CascadeStage.CLASSIFIER else both.segmenter
