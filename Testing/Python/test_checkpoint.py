"""What a training keeps of a network: the weights that go into a bundle."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from GTVAutoSegLib.training.checkpoint import save_weights, write_halved


def test_weights_are_halved_but_for_those_that_are_too_large_for_float16(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        network[1].running_var[1] = 1e6
    save_weights(tmp_path, network)
    write_halved(tmp_path / "half.safetensors", tmp_path)
    found = load_file(tmp_path / "half.safetensors")
    assert found["0.weight"].dtype == torch.float16
    assert torch.allclose(found["0.weight"].float(), network[0].weight, atol=1e-3)
    assert found["1.running_var"].dtype == torch.float32 and torch.equal(found["1.running_var"], network[1].running_var)
    assert found["1.num_batches_tracked"].dtype == torch.int64
