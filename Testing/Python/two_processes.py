"""Trains both stages without dropout and writes what came out; run alone or under torchrun by test_training.

python two_processes.py DATASET OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from GTVAutoSegLib.networks import SANet, SliceClassifier
from GTVAutoSegLib.system.settings import PreprocessSettings
from GTVAutoSegLib.training.data.batches import as_input
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.slice_store import build_store
from GTVAutoSegLib.training.data.slices import SliceSet
from GTVAutoSegLib.training.engine.engine import make_engine
from GTVAutoSegLib.training.loop import Job, fit
from GTVAutoSegLib.training.presets import TrainSettings
from GTVAutoSegLib.training.stages import STAGES


def build(stage: str) -> nn.Module:
    network = SliceClassifier(width=4) if stage == "classifier" else SANet(width=4)
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.p = 0.0
    return network


def main(dataset: Path, output: Path) -> None:
    engine = make_engine("cpu")
    with engine.rank_zero_first():
        stored = build_store(find_cases(dataset), PreprocessSettings(window=(-160, 240), size=32), output / "slices")
    training, validation = SliceSet(tuple(stored[:-1])), SliceSet(tuple(stored[-1:]))
    # Nine training slices in batches of at most seven: the processes' shares are not equal.
    settings = {"batch": 7, "epochs": 2, "ema": 0.5}
    for stage, loss in (("classifier", "ce"), ("segmenter", "cr")):
        folder = output / stage
        folder.mkdir(parents=True, exist_ok=True)
        job = Job(
            STAGES[stage],
            lambda stage=stage: build(stage),
            training,
            validation,
            TrainSettings(loss=loss, **settings),
            theta="2",
        )
        history = fit(job, folder, engine)
        if engine.is_global_zero:
            from safetensors.torch import load_file

            network = build(stage).eval()
            network.load_state_dict(load_file(folder / "weights.safetensors"))
            images, _ = validation.batch(np.arange(len(validation)))
            with torch.inference_mode():
                np.save(folder / "probability.npy", network(as_input(images, engine.device)).softmax(1).numpy())
            (folder / "history.json").write_text(json.dumps(history))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
