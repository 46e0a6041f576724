"""``python -m GTVAutoSegLib.study.thresholds MODEL DATASET``: mean DSC of a model by its slice and mask thresholds.

The model is asked as it is used, mirrored slices and all folds included, inside the boxes that a training chooses its
thresholds on: three for each case, with faces as far away as in training. Both thresholds are varied, each with the
other one as the model has it, and the best pair is named.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..cascade.assembly import load_cascade
from ..cascade.cascade import Cascade
from ..cascade.inference import ensemble_probabilities
from ..model.bundle import verify_model
from ..training.data.crop_set import samples_of
from ..training.data.dataset import find_cases
from ..training.data.slice_store import build_store
from ..training.results.bundles import BOXES
from ..training.results.threshold import ByMask, Look, best_thresholds, measure_case, threshold_curves

SHOWN = ("0.05", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.85", "0.9")


def stages_of(cascade: Cascade) -> tuple[Look, Look]:
    """Both stages of a loaded model, as `measure_case` asks for them."""
    info = cascade.bundle.info
    pairs = ((info.classifier, cascade.classifiers), (info.segmenter, cascade.segmenters))
    classify, segment = (
        partial(ensemble_probabilities, networks, combine=stage.combine, flips=stage.flips) for stage, networks in pairs
    )
    return classify, segment


def measured(cascade: Cascade, dataset: Path, store: Path) -> list[ByMask]:
    """What a model makes of every case of a data set, in each of its boxes.

    Raises:
        InputError: the data set or the store cannot be used.
    """
    settings = cascade.bundle.info.preprocessing
    boxes = range(1 if settings.crops is None else BOXES)
    cases = build_store(find_cases(dataset), settings, store)
    samples = [samples_of((case,), settings, fixed=box) for case in cases for box in boxes]
    return [measure_case(slices, *stages_of(cascade), cascade.device) for slices in samples]


def table(cascade: Cascade, cases: Sequence[ByMask]) -> str:
    """As Markdown."""
    own = cascade.bundle.info.thresholds
    curves = threshold_curves(cases, own)
    names = {"slice": f"slice, mask threshold {own.mask:g}", "mask": f"mask, slice threshold {own.slice:g}"}
    lines = ["| probability | " + " | ".join(SHOWN) + " |", "|---|" + "---:|" * len(SHOWN)]
    for which, name in names.items():
        values = (curves[which].get(threshold) for threshold in SHOWN)
        lines.append(f"| {name} | " + " | ".join("" if value is None else f"{value:.3f}" for value in values) + " |")
    best = best_thresholds(cases)
    reached = threshold_curves(cases, best)["slice"][f"{best.slice:g}"]
    lines.append(f"\nThe best pair is slice {best.slice:g} and mask {best.mask:g}: {reached:.3f}.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m GTVAutoSegLib.study.thresholds", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="id or path")
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="folder with <case>/data and <case>/label")
    given = parser.parse_args(arguments)
    cascade = load_cascade(verify_model(given.model), "cpu", "fp32")
    with tempfile.TemporaryDirectory() as store:
        print(table(cascade, measured(cascade, given.dataset, Path(store))))


if __name__ == "__main__":
    main()
