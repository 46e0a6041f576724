"""What a training step, the moving average and the choice of weights come to, against numbers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from GTVAutoSegLib.training.engine.engine import make_engine
from GTVAutoSegLib.training.engine.weights import average_weights, parameter_groups
from GTVAutoSegLib.training.loop import CLIP_NORM, Job, fit
from GTVAutoSegLib.training.presets import TrainSettings
from GTVAutoSegLib.training.progress.monitor import Monitor
from GTVAutoSegLib.training.stages import STAGES


class Constant(nn.Module):
    """Answers (-steepness * value, steepness * value) for every slice, whatever it is shown."""

    def __init__(self, value: float = 0.0, steepness: float = 1.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))
        self.steepness = steepness

    def forward(self, x):
        logit = self.steepness * self.value
        return torch.stack([-logit, logit], dim=1).expand(len(x), 2)


class Slices:
    """Black slices that all show tumour."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def batch(self, indices):
        return torch.zeros(len(indices), 1, 8, 8, dtype=torch.uint8), torch.ones(len(indices), 8, 8, dtype=torch.bool)

    def draw(self, *_, static):
        return np.arange(self.count)


class Watched(Monitor):
    """Notes the network's value and gradient after each step."""

    def __init__(self, network: Constant) -> None:
        super().__init__()
        self.network = network
        self.values: list[float] = []
        self.gradients: list[float] = []

    def step(self, *_):
        self.values.append(float(self.network.value.detach()))
        self.gradients.append(float(self.network.value.grad))


def trained(folder, network: Constant, steps: int = 1, **settings):
    """One epoch of so many steps; its record, what was seen after each step, and the value that is kept."""
    watched, slices = Watched(network), Slices(2 * steps)
    job = Job(
        STAGES["classifier"],
        lambda: network,
        slices,
        slices,
        TrainSettings(**{"loss": "ce", "batch": 2, "epochs": 1, "weight_decay": 0.0, **settings}),
        theta="1",
    )
    (record,) = fit(job, folder, make_engine("cpu"), watched)
    return record, watched, float(load_file(folder / "weights.safetensors")["value"])


def test_the_average_keeps_the_decay_s_share_of_itself_and_takes_the_rest_from_the_network():
    network, average = Constant(1.0), Constant(5.0)
    average.requires_grad_(False)
    average_weights(network, average, 0.75)
    assert float(average.value) == 0.75 * 5 + 0.25 * 1
    assert float(network.value.detach()) == 1.0


def test_the_average_s_statistics_are_averaged_and_its_counters_taken_over():
    network, average = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    network.num_batches_tracked += 7
    network.running_mean += 4.0
    average_weights(network, average.requires_grad_(False), 0.75)
    assert (int(average.num_batches_tracked), float(average.running_mean)) == (7, 1.0)


def test_the_average_is_saved_and_follows_fast_at_first(tmp_path):
    _, watched, kept = trained(tmp_path, Constant(0.0), learning_rate=0.5, ema=0.9)
    # AdamW's first step is as long as the learning rate. The average keeps (1 + 1) / (10 + 1) of itself, and not 0.9.
    assert watched.values == pytest.approx([0.5], rel=1e-5)
    assert kept == pytest.approx(2 / 11 * 0.0 + 9 / 11 * 0.5, rel=1e-5)


def test_after_the_first_steps_the_average_has_the_decay_that_was_asked_for(tmp_path):
    _, watched, kept = trained(tmp_path, Constant(0.0), steps=4, learning_rate=0.5, ema=0.3)
    average = 0.0
    for decay, value in zip((2 / 11, 3 / 12, 0.3, 0.3), watched.values, strict=True):  # then 4/13 and 5/14 are more
        average = decay * average + (1 - decay) * value
    assert kept == pytest.approx(average, rel=1e-5)


def test_without_an_average_the_network_itself_is_saved(tmp_path):
    _, watched, kept = trained(tmp_path, Constant(0.0), steps=2, learning_rate=0.5)
    assert kept == watched.values[-1]


def test_the_average_is_validated_and_not_the_network(tmp_path):
    record, watched, kept = trained(tmp_path, Constant(-1.0), learning_rate=1.1, ema=0.9)
    # The network finds the tumour by now, the average does not: -1 * 2/11 + 0.1 * 9/11.
    assert watched.values == pytest.approx([0.1], rel=1e-4)
    assert kept == pytest.approx(-0.1, rel=1e-4)
    assert record["validation"] == 0.0


def test_weights_that_are_multiplied_decay_and_those_that_are_added_do_not():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    decaying, staying = parameter_groups(network, 0.25)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert [names[id(one)] for one in decaying["params"]] == ["0.weight", "3.weight"]
    assert [names[id(one)] for one in staying["params"]] == ["0.bias", "1.weight", "1.bias", "3.bias"]
    assert (decaying["weight_decay"], staying["weight_decay"]) == (0.25, 0.0)


@pytest.mark.parametrize(("steepness", "gradient"), [(3.0, -3.0), (1000.0, -CLIP_NORM)])
def test_a_gradient_is_shortened_to_the_norm_that_is_allowed_and_a_short_one_stays(tmp_path, steepness, gradient):
    # Cross-entropy is log(1 + exp(-2 * steepness * value)), whose slope at 0 is -steepness.
    _, watched, _ = trained(tmp_path, Constant(0.0, steepness))
    assert CLIP_NORM == 20 and watched.gradients == pytest.approx([gradient], rel=1e-4)
