"""Convolutions of the 3D networks."""

from __future__ import annotations

import pytest
import torch

from GTVAutoSegLib.networks import channels_last
from GTVAutoSegLib.study.volumetric import SYSTEMS, VolumeSettings
from GTVAutoSegLib.study.volumetric.systems import build


@pytest.mark.parametrize("name", SYSTEMS)
def test_half_precision_gives_a_shallow_volume_s_kernels_the_gradient_of_float32(name):
    torch.manual_seed(0)
    network = channels_last(build(name, VolumeSettings(width=8)))
    shallow = calls_on_shallow_volumes(network, torch.rand(2, 1, 16, 32, 32))
    assert shallow
    for convolution, x, shape in shallow:
        pull, gradients = torch.randn(shape), []
        for half in (False, True):
            leave_no_numbers_in_free_memory()
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                y = convolution(x)
            gradients += torch.autograd.grad(y, convolution.weight, pull.to(y.dtype))
        exact, rounded = gradients
        assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()


def calls_on_shallow_volumes(network, images):
    """Each convolution that was given a volume shallower than its kernel, with that volume and the answer's shape."""
    calls = []

    def keep(module, given, answer):
        if given[0].shape[2] < module.kernel_size[0]:
            calls.append((module, given[0].detach(), answer.shape))

    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv3d)]
    hooks = [module.register_forward_hook(keep) for module in convolutions]
    network(images)
    for hook in hooks:
        hook.remove()
    return calls


def leave_no_numbers_in_free_memory():
    """What is not written by the next computation is then no number, and not by chance a zero."""
    for power in range(6, 20):
        torch.full((3, 2**power), float("nan"))
