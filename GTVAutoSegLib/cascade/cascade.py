"""The cascade: a classifier picks the axial slices that show tumour, a segmenter outlines it on those only."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..errors import InputError
from ..images.placement import border_warnings, range_warnings, voxels_ml
from ..images.probability import Probability, check_mask_threshold, probability_of
from ..images.region import axial_spacing, whole
from ..images.volume import Volume, check_ct
from ..system.progress import Progress
from ..system.settings import CropSettings, check_threshold
from .applicability import applicability_warnings, check_box
from .crops import crop_input, crop_rectangle
from .device import describe
from .inference import BatchRunner
from .preprocess import Box, body_box, network_input, paste_back
from .result import CascadeResult, reason_for_nothing

if TYPE_CHECKING:
    from ..images.region import Region
    from ..model.bundle import Bundle
    from ..model.info import NetworkInfo


@dataclass(frozen=True)
class Cascade:
    """A model bundle, loaded.

    Attributes:
        bundle: where it came from; holds preprocessing, thresholds and identity.
        classifiers: slice classifiers, an ensemble where there are several.
        segmenters: segmentation networks, the same.
        device: where they run.
        precision: "fp32", "int8" or "fp16".
        notes: what was found at loading, as sentences for the user; every result carries them as warnings.
    """

    bundle: Bundle
    classifiers: tuple[nn.Module, ...]
    segmenters: tuple[nn.Module, ...]
    device: torch.device
    precision: str = "fp32"
    notes: tuple[str, ...] = ()

    def segment(
        self,
        volume: Volume,
        *,
        progress: Progress | None = None,
        slices: range | None = None,
        threshold: float | None = None,
        picked: np.ndarray | None = None,
        cancelled: Callable[[], bool] | None = None,
        region: Region | None = None,
        mask_threshold: float | None = None,
    ) -> CascadeResult:
        """Outline the tumour on a CT.

        Args:
            volume: the CT, in any axis order.
            progress: called with stage ("classifying" or "segmenting"), slices done, and slices in all.
            slices: only look at these slice indices; the others stay empty.
            threshold: slice probability from which a slice is segmented; the bundle's own by default.
            picked: bool (slices,), segment just these slices; the classifier is not asked. For measuring the stages
                apart.
            cancelled: asked between batches; the run stops when it returns True.
            region: the box that the tumour lies in; nothing outside it is outlined. A model trained on crops sees this
                box and its margin, another one whole slices.
            mask_threshold: probability from which a voxel is tumour; the bundle's own by default.

        Raises:
            InputError: the volume is not a usable CT, ``slices``, ``region`` or a threshold are out of range, or the
                model needs a box and there is none.
            Cancelled: ``cancelled`` returned True.
            RunError: memory ran out on the CPU as well.
        """
        run = _Run(self, volume=volume, progress=progress, cancelled=cancelled, region=region)
        check_box(volume, self.bundle.info, region)
        if mask_threshold is not None:
            check_mask_threshold(mask_threshold)
        return run.result(slices, threshold, picked, mask_threshold)

    def classify(
        self,
        volume: Volume,
        *,
        region: Region | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> np.ndarray:
        """Probability of each slice to show tumour, without outlining it; float32 (slices,), NaN outside of a box.

        Args:
            volume: the CT, in any axis order.
            region: the box that the tumour lies in, as for `segment`.
            progress: the same.
            cancelled: the same.

        Raises:
            InputError: the volume is not a usable CT, or the box does not meet it.
            Cancelled: ``cancelled`` returned True.
        """
        return _Run(self, volume=volume, progress=progress, cancelled=cancelled, region=region).slice_probability()


class _Run:
    """One pass of a cascade over one volume; everything in here counts axial slices."""

    def __init__(
        self,
        cascade: Cascade,
        volume: Volume,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
        region: Region | None = None,
    ) -> None:
        check_ct(volume)
        self.info = cascade.bundle.info
        self.cascade = cascade
        self.volume = volume
        self.hu = volume.axial.of(volume.array)
        self.region = region
        self.box = whole(self.hu.shape) if region is None else region.index_box(volume)
        self.crops = self.info.preprocessing.crops
        self.boxes: dict[int, Box] = {}
        self.timings: dict[str, float] = defaultdict(float)
        self.half = cascade.precision == "fp16"
        self.runner = BatchRunner(cascade.device, self.info.preprocessing.size, progress, cancelled, half=self.half)

    def result(
        self, slices: range | None, threshold: float | None, given: np.ndarray | None, mask_threshold: float | None
    ) -> CascadeResult:
        if threshold is None:
            threshold = self.info.thresholds.slice
        check_threshold(threshold)
        started = time.perf_counter()
        wanted = self._wanted(slices)
        probability = self._classify(wanted if given is None else np.zeros_like(wanted))
        # NaN compares false: slices left out are never picked.
        picked = fill_gaps(probability >= threshold, wanted, self.info.postprocessing.fill_gaps)
        if given is not None:
            picked = wanted & self._as_stored(given)
        # It holds the probabilities first and the mask afterwards, as a large CT has no room for both.
        stored = np.zeros(self.volume.array.shape, np.uint8)
        levels = self.volume.axial.of(stored)
        self._segment(np.flatnonzero(picked), levels)
        self._clear_outside(levels)
        kept = probability_of(stored, self.info.thresholds.mask, self.info.postprocessing.keep_components)
        stored[:] = 0
        stored[kept.box], left_out = self._cut(kept, mask_threshold)
        self.timings["total"] = time.perf_counter() - started
        found = applicability_warnings(self.volume, self.info, self.region)
        ends = [*border_warnings(stored, self.volume), *range_warnings(stored, self.volume, slices)]
        return CascadeResult(
            mask=stored,
            slice_probability=self._as_stored(probability),
            threshold=threshold,
            picked=self._as_stored(picked),
            reason=reason_for_nothing(stored, self._as_stored(probability), int(picked.sum()), threshold),
            warnings=(*self.volume.notes, *self.cascade.notes, *found, *self.runner.notes, *left_out, *ends),
            device=describe(self.runner.device),
            # In half precision a run that had to move to the CPU went on in float32.
            precision="fp32" if self.half and not self.runner.half else self.cascade.precision,
            timings=dict(self.timings),
            probability=kept,
            mask_threshold=kept.threshold if mask_threshold is None else mask_threshold,
        )

    def slice_probability(self) -> np.ndarray:
        """The classifier's judgement of every slice, in stored order."""
        return self._as_stored(self._classify(self._wanted(None)))

    def _wanted(self, slices: range | None) -> np.ndarray:
        count = len(self.hu)
        slices = range(count) if slices is None else slices
        if len(slices) == 0 or min(slices) < 0 or max(slices) >= count:
            raise InputError(f"slices {slices.start}:{slices.stop} are not in this volume, expected some of 0:{count}")
        wanted = np.zeros(count, bool)
        wanted[slices] = True
        wanted = self._as_stored(wanted)
        first, last = self.box.lower[0], self.box.upper[0]
        wanted[:first] = wanted[last:] = False
        if not wanted.any():
            raise InputError("the slices asked for do not meet the box; expected some that lie in it")
        return wanted

    def _as_stored(self, values: np.ndarray) -> np.ndarray:
        """Slice values from axial to stored order; the same the other way."""
        return values[::-1].copy() if 0 in self.volume.axial.flips else values

    def _classify(self, wanted: np.ndarray) -> np.ndarray:
        probability = np.full(len(self.hu), np.nan, np.float32)
        stage = self._run("classifying", self.cascade.classifiers, self.info.classifier, np.flatnonzero(wanted))
        for chosen, output in stage:
            probability[chosen] = output[:, 1].numpy()
        return probability

    def _segment(self, indices: np.ndarray, levels: np.ndarray) -> None:
        for chosen, output in self._run("segmenting", self.cascade.segmenters, self.info.segmenter, indices):
            with self._timed("back-projection"):
                for index, probability in zip(chosen, output[:, 1]):
                    paste_back(probability, self.boxes[index], levels[index])

    def _run(
        self, stage: str, networks: Sequence[nn.Module], info: NetworkInfo, indices: np.ndarray
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        return self.runner.run(
            stage,
            networks=networks,
            indices=indices,
            make_input=self._input,
            timed=self._timed,
            combine=info.combine,
            flips=info.flips,
        )

    def _input(self, indices: Sequence[int]) -> torch.Tensor:
        settings = self.info.preprocessing
        with self._timed("preprocess"):
            if self.crops is not None:
                return self._cropped(indices, self.crops)
            for index in indices:
                # Not in threads: numpy's steps on one slice are so short that threads only wait for each other.
                if index not in self.boxes:
                    self.boxes[index] = body_box(self.hu[index], settings)
            return network_input(self.hu, indices, [self.boxes[index] for index in indices], settings)

    def _cropped(self, indices: Sequence[int], crops: CropSettings) -> torch.Tensor:
        spacing = axial_spacing(self.volume)
        self.boxes.update(dict.fromkeys(indices, crop_rectangle(self.box, crops, spacing, self.hu.shape)))
        settings = self.info.preprocessing
        return torch.stack(
            [crop_input(self.hu, index=index, box=self.box, spacing=spacing, settings=settings) for index in indices]
        )

    def _clear_outside(self, levels: np.ndarray) -> None:
        """The margin around the box is seen and never outlined."""
        inside = levels[self.box.slices].copy()
        levels[:] = 0
        levels[self.box.slices] = inside

    def _cut(self, probability: Probability, threshold: float | None) -> tuple[np.ndarray, list[str]]:
        """The mask within the crop of a probability, and a sentence when parts were left out."""
        mask, count, dropped = probability.cut(threshold)
        keep = probability.keep_components
        if count <= keep:
            return mask, []
        removed = voxels_ml(dropped, self.volume)
        amount = f"{removed:.1f} mL" if removed >= 0.1 else "less than 0.1 mL"
        more = count - keep
        parts = f"{more} smaller parts of {amount} in all were" if more > 1 else f"1 smaller part of {amount} was"
        largest = "the largest only" if keep == 1 else f"the {keep} largest"
        return mask, [f"{parts} left out: this model keeps {largest}"]

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.timings[step] += time.perf_counter() - started


def fill_gaps(picked: np.ndarray, wanted: np.ndarray, longest: int) -> np.ndarray:
    """Also pick runs of up to ``longest`` rejected slices between two picked ones."""
    filled = picked.copy()
    chosen = np.flatnonzero(picked)
    for before, after in pairwise(chosen):
        if after - before - 1 <= longest:
            filled[before:after] = True
    return np.asarray(filled & wanted)
