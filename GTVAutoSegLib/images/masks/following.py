"""Smooth outlines of a run follow the probability behind its mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..probability import Probability, level_of
from .structure import Structure


def following(structure: Structure, probability: Probability | None, threshold: float | None = None) -> Structure:
    """The structure with the probability behind it, whose level its smooth outlines then follow.

    Args:
        structure: of a run.
        probability: of the same run; None leaves the structure as it is.
        threshold: from which a voxel was tumour; None for the model's own.
    """
    if probability is None:
        return structure
    values = np.zeros(probability.shape, np.uint8)
    values[probability.box] = probability.values
    level = level_of(probability.threshold if threshold is None else threshold) - 0.5
    return replace(structure, probability=values, threshold=level)
