"""Batches over slices, and what happens when memory runs out."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from GTVAutoSegLib.cascade.inference import BatchRunner, probabilities, seen_mirrored, vote
from GTVAutoSegLib.errors import OutOfMemoryError, RunError


class Limited(nn.Module):
    """Sums its input; raises what PyTorch raises when more than ``limit`` slices come at once on ``device``."""

    def __init__(self, limit: int, error: Exception | None = None) -> None:
        super().__init__()
        self.limit, self.error, self.batches = limit, error, []

    def forward(self, x):
        if len(x) > self.limit:
            raise self.error or torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(x))
        return torch.stack([x.sum(dim=(1, 2, 3)), torch.zeros(len(x))], dim=1)


def images(indices):
    return torch.tensor(indices, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 32, 32) / 1024


def run(runner, network, count):
    found = {}
    for chosen, output in runner.run("classifying", [network], np.arange(count), images, lambda _: nullcontext()):
        found.update(zip(chosen, output[:, 0].tolist()))
    return found


def test_every_slice_is_answered_once_and_in_order():
    found = run(BatchRunner(torch.device("cpu"), 512), Limited(99), 11)
    expected = torch.sigmoid(torch.arange(11.0)).tolist()
    assert list(found) == list(range(11))
    assert list(found.values()) == pytest.approx(expected)


def test_a_batch_that_does_not_fit_is_halved_and_said():
    network = Limited(2)
    runner = BatchRunner(torch.device("cpu"), 512)
    assert len(run(runner, network, 9)) == 9
    assert max(network.batches) == 2
    assert runner.notes == ["memory ran out on cpu: went on with 2 slices at a time"]


def test_a_gpu_that_cannot_hold_one_slice_hands_over_to_the_cpu():
    class GpuLimited(Limited):
        def forward(self, x):
            if not self.on_cpu:
                raise RuntimeError("MPS backend out of memory")
            return super().forward(x)

        def cpu(self):
            self.on_cpu = True
            return self

        on_cpu = False

    network = GpuLimited(99)
    runner = BatchRunner(torch.device("cpu"), 512, half=True)
    runner.device = FakeGpu()
    network.to = lambda *_, **__: network  # the fake device holds nothing
    assert len(run(runner, network, 6)) == 6
    assert runner.device == torch.device("cpu") and not runner.half
    assert "with a single slice: went on on the CPU" in runner.notes[-1]


class FakeGpu(str):
    """Stands for an accelerator that this machine lacks: tensors asked onto it stay where they are."""

    __slots__ = ()
    type = "mps"

    def __new__(cls):
        return super().__new__(cls, "cpu")


def test_a_cpu_out_of_memory_with_one_slice_is_an_error_to_act_on():
    with pytest.raises(OutOfMemoryError, match="close other programs"):
        run(BatchRunner(torch.device("cpu"), 512), Limited(0), 3)


def test_another_failure_of_the_network_is_not_taken_for_missing_memory():
    with pytest.raises(RunError, match="the network failed on cpu: no kernel image"):
        run(BatchRunner(torch.device("cpu"), 512), Limited(0, RuntimeError("no kernel image")), 3)


def test_what_pytorch_says_without_memory_on_this_cpu_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    with pytest.raises(OutOfMemoryError, match="close other programs"):
        run(BatchRunner(torch.device("cpu"), 512), Limited(0, caught.value), 3)


def test_values_that_are_no_numbers_do_not_pass_for_no_tumour():
    class Broken(Limited):
        def forward(self, x):
            return super().forward(x) * float("nan")

    with pytest.raises(RunError, match="no numbers on cpu"):
        run(BatchRunner(torch.device("cpu"), 512), Broken(99), 3)


class Constant(nn.Module):
    """A member of an ensemble that gives each slice the same probability of tumour."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.tumour = torch.tensor(probabilities)

    def forward(self, x):
        return torch.stack([1 - self.tumour, self.tumour], dim=1).log().expand(len(x), 2)


@pytest.mark.parametrize(
    ("members", "share"),
    [
        ((0.6, 0.6, 0.6, 0.1, 0.1), 0.6),  # the mean, 0.4, would say no
        ((0.9, 0.9, 0.4, 0.4, 0.4), 0.4),  # the mean, 0.6, would say yes
        ((0.9, 0.1), 0.5),  # a tie reaches a threshold of one half
        ((0.5,), 1.0),
    ],
)
def test_by_vote_the_probability_is_the_share_of_members_for_tumour(members, share):
    runner = BatchRunner(torch.device("cpu"), 512)
    networks = [Constant(probability) for probability in members]
    ((_, output),) = runner.run("classifying", networks, np.arange(3), images, lambda _: nullcontext(), combine="vote")
    assert torch.allclose(output, torch.tensor([[1 - share, share]]).expand(3, 2))


def test_five_votes_outline_what_most_members_do():
    torch.manual_seed(0)
    members = torch.randn(5, 2, 2, 8, 8).softmax(dim=2)
    assert torch.equal(vote(members)[:, 1] >= 0.5, (members.argmax(dim=2).sum(dim=0) > 2))


def test_a_member_without_numbers_is_no_vote_against_tumour():
    runner = BatchRunner(torch.device("cpu"), 512)
    networks = [Constant(0.9), Constant(float("nan")), Constant(0.9)]
    with pytest.raises(RunError, match="no numbers on cpu"):
        list(runner.run("classifying", networks, np.arange(1), images, lambda _: nullcontext(), combine="vote"))


def test_in_half_precision_the_network_gets_halves_and_probabilities_are_floats():
    class Seen(Limited):
        def forward(self, x):
            assert x.dtype == torch.float16
            return super().forward(x).half()

    runner = BatchRunner(torch.device("cpu"), 512, half=True)
    outputs = [
        output for _, output in runner.run("classifying", [Seen(99)], np.arange(6), images, lambda _: nullcontext())
    ]
    assert {output.dtype for output in outputs} == {torch.float32}
    assert torch.allclose(torch.cat(outputs)[:, 0], torch.sigmoid(torch.arange(6.0)), atol=1e-2)


@pytest.mark.parametrize("half", [True, False])
def test_networks_that_another_run_left_in_other_numbers_are_taken_back(half):
    network = nn.Sequential(nn.Conv2d(1, 2, 32), nn.Flatten())
    network = network if half else network.half()
    runner = BatchRunner(torch.device("cpu"), 512, half=half)
    assert len(run(runner, network, 2)) == 2
    assert network[0].weight.dtype == (torch.float16 if half else torch.float32)


def test_a_gpu_hands_a_batch_over_only_when_the_next_one_is_under_way():
    network, given = Limited(99), []
    runner = BatchRunner(torch.device("cpu"), 512, lambda _, done, __: given.append((done, len(network.batches))))
    runner.device = FakeGpu()
    network.to = lambda *_, **__: network  # the fake device holds nothing
    run(runner, network, 10)
    assert given == [(0, 0), (4, 2), (8, 3), (10, 3)]


class Brightness(torch.nn.Module):
    """Tumour where it is bright, and the more to the left the more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = 4 * x[:, 0] - torch.linspace(0, 2, x.shape[3])
        return torch.stack([torch.zeros_like(logits), logits], dim=1)


def test_a_mirrored_look_is_brought_back_and_knows_no_side():
    torch.manual_seed(0)
    images = torch.rand(2, 1, 6, 6)
    found = seen_mirrored(Brightness(), images)
    assert torch.allclose(seen_mirrored(Brightness(), images.flip(3)).flip(3), found, atol=1e-6)
    assert torch.allclose(seen_mirrored(Brightness(), images.flip(2)).flip(2), found, atol=1e-6)
    plain = probabilities(Brightness(), images)
    assert not torch.allclose(found, plain, atol=0.01)
    assert torch.allclose(found, (plain + probabilities(Brightness(), images.flip(3)).flip(3)) / 2, atol=1e-6)


def test_the_probability_of_a_mirrored_slice_stays_that_of_the_slice():
    mean = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 2))
    images = torch.rand(3, 1, 6, 6)
    expected = torch.stack([probabilities(mean, images.flip(axes)) for axes in ((), (3,), (2,), (2, 3))]).mean(0)
    assert torch.allclose(seen_mirrored(mean, images), expected, atol=1e-6)
