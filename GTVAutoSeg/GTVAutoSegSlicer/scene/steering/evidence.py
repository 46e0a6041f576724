"""What a run saw, kept in the tags of its segment: the probability of each voxel and slice, and where it looked."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from GTVAutoSegLib.images.masks.stored import around
from GTVAutoSegLib.images.probability import LEVELS, Probability, kept_probability, probability_of
from GTVAutoSegLib.images.volume import Volume, cut_out
from GTVAutoSegLib.system.tags import (
    MASK_THRESHOLD_TAG,
    PROBABILITY_SLICES_TAG,
    PROBABILITY_TAG,
    RANGE_TAG,
    SLICE_PROBABILITY_TAG,
    mine_of,
    mine_text,
)

from ..ownership import tags_of

# Beyond it a segment's tags would make its file slow to read everywhere.
LARGEST = 8_000_000
# Between these probabilities a voxel is uncertain.
UNCERTAIN = (0.1, 0.9)


@dataclass(frozen=True)
class Evidence:
    """What is known about a segment beside its voxels.

    Attributes:
        probability: of each voxel; None where there is none, as for what a person drew.
        covered: the slices that it speaks of.
        threshold: the mask threshold a person has chosen, or None for the model's own.
        slice_probability: of each slice, NaN where the classifier was not asked; empty when nothing is known.
        looked_at: the slices the last run was asked for, the first and the one after the last; None for all.
    """

    probability: Probability | None = None
    covered: tuple[int, ...] = ()
    threshold: float | None = None
    slice_probability: tuple[float, ...] = ()
    looked_at: tuple[int, int] | None = None

    @classmethod
    def of(cls, segment: Any) -> Evidence:
        """What the tags of a vtkSegment say; what cannot be read in them counts as not there."""
        tags = tags_of(segment)
        probability, threshold = kept_probability(tags)
        known = tags.get(SLICE_PROBABILITY_TAG, "").split(",")
        return cls(
            probability,
            mine_of(tags.get(PROBABILITY_SLICES_TAG, "")),
            threshold=threshold,
            slice_probability=tuple(float(part) if part else math.nan for part in known),
            looked_at=_pair(tags.get(RANGE_TAG, "")),
        )

    def tags(self, volume: Volume) -> dict[str, str | None]:
        """The evidence as tags; None where there is nothing to say."""
        content = base64.b64encode(self.probability.to_bytes(volume)).decode("ascii") if self.probability else ""
        kept = 0 < len(content) <= LARGEST
        known = not all(math.isnan(value) for value in self.slice_probability)
        return {
            PROBABILITY_TAG: content if kept else None,
            PROBABILITY_SLICES_TAG: mine_text(self.covered) if kept else None,
            MASK_THRESHOLD_TAG: None if self.threshold is None else f"{self.threshold:g}",
            SLICE_PROBABILITY_TAG: _texts(self.slice_probability) if known else None,
            RANGE_TAG: "{}:{}".format(*self.looked_at) if self.looked_at else None,
        }

    @property
    def uncertainty(self) -> float:
        """Number of uncertain voxels over that of the voxels which the model's own threshold outlines."""
        if self.probability is None:
            return 0.0
        low, high = (round(bound * LEVELS) for bound in UNCERTAIN)
        values = self.probability.values
        outlined = np.count_nonzero(self.probability.cut()[0])
        return float(np.count_nonzero((values >= low) & (values < high)) / max(outlined, 1))

    def with_run(self, run: Evidence, slices: range, volume: Volume) -> Evidence:
        """This evidence, with that of a run on some slices in its place there."""
        probability, covered = run.probability, set(run.covered)
        if self.probability is not None and run.probability is not None:
            probability = _joined(self.probability, run.probability, slices, volume)
            covered |= set(self.covered) - set(slices)
        known = list(self.slice_probability)
        if len(known) == len(run.slice_probability):
            for index in slices:
                known[index] = run.slice_probability[index]
        else:
            known = list(run.slice_probability)
        return replace(
            run, probability=probability, covered=tuple(sorted(covered)), slice_probability=tuple(known), threshold=None
        )


def _joined(before: Probability, new: Probability, slices: range, volume: Volume) -> Probability:
    region = around(before.box, new.box)
    levels, found = (cut_out(one.values, one.box, region) for one in (before, new))
    first = region[volume.axial.axes[0]].start
    taken = slice(max(slices.start - first, 0), max(slices.stop - first, 0))
    by_slice = volume.axial.by_slice
    by_slice(levels)[taken] = by_slice(found)[taken]
    joined = probability_of(levels, new.threshold, new.keep_components)
    z, y, x = (side.start + start for side, start in zip(region, joined.start))
    return replace(joined, start=(z, y, x), shape=new.shape)


def _texts(values: Iterable[float]) -> str:
    return ",".join("" if math.isnan(value) else f"{value:.4g}" for value in values)


def _pair(text: str) -> tuple[int, int] | None:
    parts: Sequence[str] = text.split(":")
    return (int(parts[0]), int(parts[1])) if len(parts) == 2 and all(part.isdecimal() for part in parts) else None
