"""Classifiers of training runs beside each other, on the slices that they were validated on.

    python -m GTVAutoSegLib.study.bench.parts.classifiers RUN [RUN ...] [--store DIR]

Each run is the folder of a ``gtvautoseg train``, and its slices are in RUN/slices or in DIR. What is said of the
network of the best epoch: how many tumour slices it finds and how many of those it picks are, at a threshold of 0.5;
and at the highest threshold that finds 98 % of the tumour slices, how many of the normal ones it picks with them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from ....training.configuration import Configuration, read_configuration
from ....training.data.batches import as_input
from ....training.data.slices import SliceSet, StoredCase, open_case

BATCH = 32
WANTED = 0.98


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+")
    parser.add_argument("--store", type=Path)
    arguments = parser.parse_args()
    for run in arguments.runs:
        configuration = read_configuration(run)
        for fold, names in configuration.folds.items():
            slices = SliceSet(stored(arguments.store or run / "slices", configuration, names))
            found = probabilities(configuration, run / fold / "classifier" / "weights.safetensors", slices)
            print(f"{run.name}, {fold}, {configuration.task.classifier.arguments}: {figures(found, slices.abnormal)}")


def stored(store: Path, configuration: Configuration, names: tuple[str, ...]) -> tuple[StoredCase, ...]:
    """The run's cases of these names."""
    folders = [path.parent for name in names for path in store.glob(f"{name}-*/case.json")]
    cases = {
        case.name: case
        for case in map(open_case, folders)
        if (case.content, case.size) == (configuration.cases[case.name], configuration.task.preprocessing.size)
    }
    return tuple(cases[name] for name in names)


@torch.inference_mode()
def probabilities(configuration: Configuration, weights: Path, slices: SliceSet) -> np.ndarray:
    """Of showing tumour, float (n,), in float32."""
    network = configuration.task.build("classifier").eval()
    network.load_state_dict(load_file(weights))
    batches = np.array_split(np.arange(len(slices)), max(1, len(slices) // BATCH))
    images = (as_input(slices.batch(batch)[0], torch.device("cpu")) for batch in batches)
    return np.concatenate([network(batch).softmax(dim=1)[:, 1].numpy() for batch in images])


def figures(probability: np.ndarray, abnormal: np.ndarray) -> str:
    """Both thresholds' figures, for people."""
    picked = probability >= 0.5
    hit = int((picked & abnormal).sum())
    recall, precision = hit / abnormal.sum(), hit / max(1, picked.sum())
    least = np.sort(probability[abnormal])[int((1 - WANTED) * abnormal.sum())]
    return (
        f"{len(abnormal)} slices, {abnormal.sum()} with tumour; at 0.5 recall {recall:.4f}, precision {precision:.4f}, "
        f"F1 {2 * hit / (abnormal.sum() + picked.sum()):.4f}; at {least:.3f}, where recall is {WANTED}, "
        f"{100 * (probability[~abnormal] >= least).mean():.1f} % of the normal slices are picked"
    )


if __name__ == "__main__":
    main()
