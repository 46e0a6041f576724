"""What ``model.json`` says of a model: task, networks, thresholds, training data.

Nothing here imports torch, so that Slicer's own process can read it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from ..images.segment_info import SegmentInfo
from ..system.settings import PostprocessSettings, PreprocessSettings
from .precision import Calibration

LONGEST_ROI = 16
COMBINATIONS = ("mean", "vote")


@dataclass(frozen=True)
class TaskInfo:
    """What the model outlines.

    Attributes:
        id: of the task.
        site: anatomy, for people.
        roi: name of the segment and of the RTSTRUCT ROI, at most 16 characters (AAPM TG-263).
        terminology: DICOM codes in Slicer's notation, context names included.
        color: of the segment, red, green, blue in [0, 1].
    """

    id: str
    site: str
    roi: str
    terminology: str
    color: tuple[float, float, float]

    def __post_init__(self) -> None:
        """Raise ValueError for what no result could be written with: before a run, not after it."""
        SegmentInfo(self.roi, self.color, self.terminology)
        if len(self.roi) > LONGEST_ROI:
            raise ValueError(f"roi is '{self.roi}', expected at most {LONGEST_ROI} characters")


def check_combination(combine: str) -> None:
    """Raise ValueError for a way to combine an ensemble that does not exist."""
    if combine not in COMBINATIONS:
        raise ValueError(f"combine is '{combine}', expected one of: {', '.join(COMBINATIONS)}")


@dataclass(frozen=True)
class NetworkInfo:
    """One stage of the cascade.

    Attributes:
        network: registry name.
        arguments: of the network.
        files: weights, one file for each member of the ensemble.
        combine: what the members' probabilities become: their "mean", or by "vote" the share of members for tumour.
        flips: every slice is also seen mirrored left-right and upside down, and the mean counts.
    """

    network: str
    arguments: dict[str, Any]
    files: tuple[str, ...]
    combine: str = "mean"
    flips: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError when there are no weights, or no such way to combine them."""
        if not self.files:
            raise ValueError("files is empty, expected at least one weight file")
        check_combination(self.combine)


@dataclass(frozen=True)
class Thresholds:
    """Probability from which a slice, and a pixel, counts as tumour."""

    slice: float = 0.5
    mask: float = 0.5

    def __post_init__(self) -> None:
        """Raise ValueError for what is no probability, or would make every pixel tumour."""
        if not (0 <= self.slice <= 1 and 0 < self.mask <= 1):
            raise ValueError(f"slice is {self.slice} and mask {self.mask}, expected probabilities, the latter above 0")


@dataclass(frozen=True)
class TrainingData:
    """What the model has seen, for the applicability check.

    Attributes:
        description: data set, licence, attribution.
        cases: number of patients.
        spacing_mm: smallest and largest spacing of the axial x, y and z axes.
        extent_mm: smallest and largest extent along them; of the boxes, where the model was trained on crops.
        hu_percentiles: smallest and largest 1st, and smallest and largest 99th percentile of a patient's voxels, HU.
        voxels_sha256: what the CTs are known by, 16 digits each, see `training.data.imports.voxels`: so that nobody
            measures the model on what it has learned from.
        chosen_on: the same of CTs that it has not learned from, but on which its epochs or thresholds were chosen.
        every_ct: whether both hold all CTs there are, including those of a model that it began with.
    """

    description: str
    cases: int
    spacing_mm: tuple[tuple[float, float], ...]
    extent_mm: tuple[tuple[float, float], ...]
    hu_percentiles: tuple[tuple[float, float], tuple[float, float]]
    voxels_sha256: tuple[str, ...] = ()
    chosen_on: tuple[str, ...] = ()
    every_ct: bool = False

    def learned_from(self, voxels: str) -> bool | None:
        """Whether a CT is among them; None where nobody knows."""
        if voxels in self.voxels_sha256:
            return True
        return False if self.every_ct else None


@dataclass(frozen=True)
class Description(ABC):
    """What every ``model.json`` says, whatever it describes; `sha256` holds that of each weight file by its name."""

    schema: int
    id: str
    title: str
    version: str
    licence: str
    intended_use: str
    sha256: dict[str, str]

    @property
    @abstractmethod
    def weight_files(self) -> tuple[str, ...]:
        """Names of all weight files."""


@dataclass(frozen=True)
class ModelInfo(Description):
    """``model.json`` of a cascade, decoded."""

    task: TaskInfo
    preprocessing: PreprocessSettings
    classifier: NetworkInfo
    segmenter: NetworkInfo
    training_data: TrainingData
    thresholds: Thresholds = field(default_factory=Thresholds)
    postprocessing: PostprocessSettings = field(default_factory=PostprocessSettings)
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        """Raise ValueError when a network expects other channels than preprocessing gives."""
        for stage in (self.classifier, self.segmenter):
            taken = stage.arguments.get("in_channels", self.preprocessing.input_channels)
            if taken != self.preprocessing.input_channels:
                raise ValueError(
                    f"network '{stage.network}' has in_channels {taken}, expected those of preprocessing, "
                    f"{self.preprocessing.input_channels}"
                )

    @property
    def weight_files(self) -> tuple[str, ...]:
        """Names of all weight files, classifiers first."""
        return (*self.classifier.files, *self.segmenter.files)
