"""Presets: how a cascade is trained, as data. The shipped ones lie in ``Resources/Presets``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..model.stages import CascadeStage
from ..system.json_text import read_json
from ..system.resources import load_resource, shipped
from .data.augmentation import AugmentationSettings
from .losses import LOSSES, SLICE_LOSSES

PAPER = "paper"
# PyTorch takes 64 bits; folds and epochs add to it.
LARGEST_SEED = 2**62


@dataclass(frozen=True)
class TrainSettings:
    """Hyper-parameters of one stage; the defaults are the paper's for the segmenter (section 4.2).

    Attributes:
        loss: name in `losses.LOSSES`.
        epochs: upper limit.
        patience: stop after so many epochs without a better validation figure.
        batch: slices per step, over all processes.
        learning_rate: of AdamW at the start of each cosine cycle.
        weight_decay: of AdamW, on matrices and kernels only.
        restart_epochs: length of the first cosine cycle.
        restart_factor: each cycle is so many times longer than the one before.
        ema: decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves.
        static_sampling: draw the normal slices once and not for every epoch, see `sampling.balanced_indices`.
        augmentation: strengths.
    """

    loss: str = "cr"
    epochs: int = 120
    patience: int = 30
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    restart_epochs: int = 20
    restart_factor: int = 2
    ema: float = 0.0
    static_sampling: bool = False
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        if self.loss not in LOSSES:
            raise ValueError(f"loss is '{self.loss}', expected one of: {', '.join(LOSSES)}")
        for name in ("epochs", "patience", "restart_epochs", "restart_factor"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.batch < 2:
            raise ValueError(
                f"batch is {self.batch}, expected at least 2: batch normalisation needs more than one slice"
            )
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}, expected from 0 to below 1")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise ValueError(
                f"learning_rate is {self.learning_rate} and weight_decay {self.weight_decay}, "
                "expected above 0 and at least 0"
            )


@dataclass(frozen=True)
class Preset:
    """How both stages are trained.

    Attributes:
        classifier: first stage.
        segmenter: second stage.
        size: side of the network input, pixels; the task's when null.
        width: of both networks; the task's when null.
        folds: of the cross-validation.
        seed: of folds, initialisation, sampling and augmentation.
        choose_threshold: take the slice probability that is best on the validation cases, and not 0.5.
    """

    classifier: TrainSettings
    segmenter: TrainSettings
    size: int | None = None
    width: int | None = None
    folds: int = 5
    seed: int = 0
    choose_threshold: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        if self.classifier.loss not in SLICE_LOSSES:
            raise ValueError(f"classifier.loss is '{self.classifier.loss}', expected one of: {', '.join(SLICE_LOSSES)}")
        if self.folds < 2:
            raise ValueError(f"folds is {self.folds}, expected at least 2")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed is {self.seed}, expected from 0 to {LARGEST_SEED}")


def load_preset(name: str) -> Preset:
    """A shipped preset by its name, or a user's own by the path of its .json file.

    What a stage leaves out is what the paper trains that stage with, and differs between the two: loss and batch.

    Raises:
        InputError: there is none, or a key or value in it is wrong; the message names it and lists what is allowed.
    """
    return load_resource(Preset, name, "Presets", _with_the_papers)


def _with_the_papers(data: Any) -> Any:
    """A preset's JSON with the paper's values for what its stages leave out; what is no preset stays as it is."""
    if not isinstance(data, dict):
        return data
    paper = read_json(shipped("Presets")[PAPER])
    completed = dict(data)
    for stage in CascadeStage:
        given = data.get(stage, {})
        completed[stage] = {**paper[stage], **given} if isinstance(given, dict) else given
    return completed
