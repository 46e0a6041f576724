"""Every system's masks of the test cases against the labels, on the native grid; a JSON file a system and fold.

A cascade's mask is the segmenter's without the slices that the classifier drops. From which probability it keeps one is
chosen, where the preset says so, on the validation cases of the same fold; test cases choose nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ....cascade.cascade import fill_gaps
from ....errors import RunError
from ....images.metrics import compare, count_slices
from ....images.read import read_volume
from ....images.runs import keep_largest
from ....model.info import Thresholds
from ....system.files import make_folder, write_text
from ....system.progress import Progress
from ....system.settings import PostprocessSettings
from ....training.data.dataset import Case, read_label
from ....training.results.threshold import best_threshold
from ..kept import read_kept
from ..parts import Part, Setup
from .pool import over_cases
from .predictions import PREDICTIONS, figures_of, load_predictions, unpack

SCORES = "scores"


@dataclass(frozen=True)
class Pair:
    """A trained system of one fold: its segmenter, and the classifier in front of it if there is one."""

    segmenter: Part
    classifier: Part | None = None

    def path(self, setup: Setup) -> Path:
        """Its file below the run's folder; another one for other rules of picking slices and cleaning the mask."""
        rules = [setup.preset.choose_threshold, asdict(setup.task.postprocessing)]
        names = [part.folder.name for part in (self.classifier, self.segmenter) if part is not None]
        key = hashlib.sha256(json.dumps([names, rules]).encode()).hexdigest()[:12]
        return setup.folder / SCORES / f"{self.segmenter.recipe.network}-{self.segmenter.fold.name}-{key}.json"


@dataclass(frozen=True)
class Mask:
    """Where a pair's mask of any test case comes from.

    Attributes:
        segmenter: predictions.
        classifier: predictions; None keeps every slice.
        threshold: slice probability from which a slice is kept.
    """

    segmenter: Path
    classifier: Path | None
    threshold: float

    def read(self, case: str, rules: PostprocessSettings) -> tuple[np.ndarray, np.ndarray | None]:
        """The mask, uint8 (slices, y, x) in axial order, and the slice probabilities if there are any.

        Raises:
            RunError: a file with predictions is damaged.
        """
        mask = unpack(load_predictions(self.segmenter, [case])[case])
        probability = None
        if self.classifier is not None:
            probability = load_predictions(self.classifier, [case])[case]
            mask[~picked(probability, self.threshold, rules)] = 0
        if rules.keep_components:
            keep_largest(mask, rules.keep_components)
        return mask, probability


def picked(probability: np.ndarray, threshold: float, rules: PostprocessSettings) -> np.ndarray:
    """Which slices the cascade segments, bool (slices,)."""
    return fill_gaps(probability >= threshold, np.ones(len(probability), bool), rules.fill_gaps)


def score_pairs(pairs: Sequence[Pair], setup: Setup, jobs: int, progress: Progress | None = None) -> dict[Pair, str]:
    """Measure what is not measured yet; every label is read once for all of them.

    Args:
        pairs: trained.
        setup: of all.
        jobs: processes, a case each.
        progress: called with cases done, and cases in all.

    Returns:
        The pairs that could not be measured, and why; they stop no other.

    Raises:
        InputError: a test case cannot be read.
        DiskError: the figures cannot be written.
    """
    failures: dict[Pair, str] = {}
    masks: dict[Pair, Mask] = {}
    for pair in dict.fromkeys(pairs):
        if read_scores(pair, setup) is None:
            try:
                masks[pair] = mask_of(pair, setup)
            except RunError as error:
                failures[pair] = str(error)
    if not masks:
        return failures
    make_folder(setup.folder / SCORES)
    cases = [setup.cases[name] for name in setup.test]
    measure = partial(score_case, masks=list(masks.values()), rules=setup.task.postprocessing)
    found, died = over_cases(measure, cases, jobs, progress)
    for number, (pair, mask) in enumerate(masks.items()):
        scores = {name: rows[number] for name, rows in found.items()}
        failure = died or next((row for row in scores.values() if isinstance(row, str)), "")
        if failure:
            failures[pair] = failure
            continue
        content = {
            "segmenter": pair.segmenter.title,
            "classifier": None if pair.classifier is None else pair.classifier.title,
            "threshold": mask.threshold,
            "cases": scores,
        }
        write_text(pair.path(setup), json.dumps(content, indent=1, allow_nan=False) + "\n")
    return failures


def mask_of(pair: Pair, setup: Setup) -> Mask:
    """Choose a pair's slice threshold as a model bundle's is, on the fold's validation cases.

    Raises:
        RunError: a file with predictions is damaged.
    """
    segmenter = pair.segmenter.folder / PREDICTIONS
    if pair.classifier is None:
        return Mask(segmenter, None, 0.0)
    classifier = pair.classifier.folder / PREDICTIONS
    threshold = Thresholds.slice
    if setup.preset.choose_threshold:
        names = pair.segmenter.fold.validation
        slices, areas = (load_predictions(path, names) for path in (classifier, segmenter))
        threshold = best_threshold(figures_of(slices[name], areas[name]) for name in names)
    return Mask(segmenter, classifier, threshold)


def score_case(case: Case, masks: Sequence[Mask], rules: PostprocessSettings) -> list[dict[str, Any] | str]:
    """Measure every mask of one case; JSON-ready, None stands for undefined, a sentence for a mask that is damaged."""
    volume = read_volume(case.image)
    label = read_label(case, volume)
    abnormal = np.asarray(volume.axial.of(label).any(axis=(1, 2)))
    rows: list[dict[str, Any] | str] = []
    for source in masks:
        try:
            mask, probability = source.read(case.name, rules)
        except RunError as error:
            rows.append(str(error))
            continue
        agreement = compare(volume.axial.undo(mask), label, volume)
        row: dict[str, Any] = {
            "dsc": agreement.dsc,
            "ji": agreement.ji,
            "hd95_mm": None if math.isnan(agreement.hd95_mm) else agreement.hd95_mm,
            "empty": agreement.empty,
            "slices": len(mask),
            "picked": len(mask),
        }
        if probability is not None:
            kept = picked(probability, source.threshold, rules)
            row["picked"] = int(kept.sum())
            row["counts"] = asdict(count_slices(kept, abnormal))
            row["counts_at_half"] = asdict(count_slices(probability >= Thresholds.slice, abnormal))
        rows.append(row)
    return rows


def read_scores(pair: Pair, setup: Setup) -> dict[str, Any] | None:
    """What `score_pairs` wrote; None when it did not, or its file is damaged."""
    return read_kept(pair.path(setup), ("threshold", "cases"))
