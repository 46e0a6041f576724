"""What a run has to train: the networks, their epochs and steps, known before the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...model.stages import CascadeStage
from ..configuration import Run
from ..data.batches import cut
from ..data.folds import Abnormal, Fold
from ..data.sampling import balanced_indices

# Batch normalisation after a global pooling needs two slices.
SMALLEST_BATCH = 2
NORMAL_IN_BOX = 1.0  # normal slices in a box for each abnormal one, about; only the estimated time depends on it


@dataclass(frozen=True)
class NetworkPlan:
    """One network to train.

    Attributes:
        fold: name, "" where there are no folds.
        network: "classifier", "segmenter" or "completer".
        epochs: at most.
        steps: of an epoch.
        slices: of an epoch, to learn from.
        validation: slices that every epoch is judged on.
    """

    fold: str
    network: str
    epochs: int
    steps: int
    slices: int
    validation: int

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.fold}, {self.network}" if self.fold else self.network


def plan_networks(run: Run, folds: Sequence[Fold], abnormal: Abnormal) -> list[NetworkPlan]:
    """The networks of some folds, in the order in which they are trained.

    Args:
        run: what is trained.
        folds: to train.
        abnormal: which axial slices of each case show tumour.
    """
    return [_plan(run, CascadeStage(stage), fold, abnormal) for fold in folds for stage in run.stages]


def steps_of(slices: int, batch: int) -> int:
    """Steps of an epoch of so many slices."""
    return len(cut(np.arange(slices), batch, SMALLEST_BATCH))


def _plan(run: Run, stage: CascadeStage, fold: Fold, abnormal: Abnormal) -> NetworkPlan:
    settings = stage.of(run.preset)
    taught = np.concatenate([np.array(abnormal[name], bool) for name in fold.training])
    judged = np.concatenate([np.array(abnormal[name], bool) for name in fold.validation])
    slices = len(balanced_indices(taught, stage.of(run.task).theta, 0, 0))
    validation = len(judged)
    if run.task.preprocessing.crops is not None:
        validation = min(validation, round(int(judged.sum()) * (1 + NORMAL_IN_BOX)))
    return NetworkPlan(
        fold=fold.name,
        network=str(stage),
        epochs=settings.epochs,
        steps=steps_of(slices, settings.batch),
        slices=slices,
        validation=validation,
    )
