"""SANet with two tasks goes through the one training loop."""

from __future__ import annotations

import pytest
import torch
from datasets import write_dataset
from safetensors.torch import load_file

from GTVAutoSegLib.networks import SEGMENTERS, build_network
from GTVAutoSegLib.system.settings import PreprocessSettings
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.slice_store import build_store
from GTVAutoSegLib.training.data.slices import SliceSet
from GTVAutoSegLib.training.engine.engine import make_engine
from GTVAutoSegLib.training.loop import Job, fit
from GTVAutoSegLib.training.presets import TrainSettings
from GTVAutoSegLib.training.stages import STAGES


def build() -> torch.nn.Module:
    return build_network(SEGMENTERS, "sanet-mtl", {"width": 4})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_heads_are_trained_and_kept(precision, tmp_path):
    stored = build_store(
        find_cases(write_dataset(tmp_path / "data", 2)), PreprocessSettings(size=32), tmp_path / "store"
    )
    settings = TrainSettings(loss="dice", batch=8, epochs=1, ema=0.5)
    slices = SliceSet(tuple(stored))
    (record,) = fit(
        Job(STAGES["segmenter"], build, slices, slices, settings, "1"), tmp_path, make_engine("cpu", precision)
    )
    # The Dice loss alone is below 1, and a new slice head's entropy about log 2.
    assert 1.2 < record["loss"] < 2.5
    torch.manual_seed(0)  # the job's
    fresh, kept = build().state_dict(), load_file(tmp_path / "weights.safetensors")
    for name in ("slice_head.weight", "head.weight", "encoder.stages.3.1.conv2.0.weight"):
        assert not torch.equal(fresh[name], kept[name])


def test_only_the_outline_is_returned_outside_of_training():
    network, images = build(), torch.rand(2, 1, 64, 64)
    assert network(images).slices.shape == (2,)
    assert network.eval()(images).shape == (2, 2, 64, 64)
