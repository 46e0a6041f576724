"""Networks: parameter counts, shapes, gradients, alignment, saving."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from GTVAutoSegLib.networks import CLASSIFIERS, SEGMENTERS, build_network
from GTVAutoSegLib.networks.sanet import SpatialAlignment

ALL = [(CLASSIFIERS, name) for name in CLASSIFIERS] + [(SEGMENTERS, name) for name in SEGMENTERS]


def parameter_count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_classifier_has_the_paper_s_parameter_count():
    assert parameter_count(build_network(CLASSIFIERS, "resnet18", {})) == 11_171_266


@pytest.mark.parametrize("compat", [False, True])
def test_sanet_has_the_parameter_count_of_the_authors_code(compat):
    assert parameter_count(build_network(SEGMENTERS, "sanet", {"compat": compat})) == 12_712_770


@pytest.mark.parametrize("size", [(64, 64), (65, 63), (97, 32), (33, 70)])
@pytest.mark.parametrize("compat", [False, True])
def test_a_segmenter_answers_on_the_grid_it_was_given(size, compat):
    network = build_network(SEGMENTERS, "sanet", {"width": 4, "in_channels": 3, "compat": compat}).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize("size", [(64, 64), (65, 63), (33, 70)])
def test_a_classifier_gives_two_logits_at_any_size(size):
    network = build_network(CLASSIFIERS, "resnet18", {"width": 4}).eval()
    assert network(torch.rand(3, 1, *size)).shape == (3, 2)


@pytest.mark.parametrize(("registry", "name"), ALL)
def test_the_gradient_reaches_every_parameter(registry, name):
    torch.manual_seed(0)
    network = build_network(registry, name, {"width": 8})
    # A zero flow has no gradient towards what it was computed from until its first step has been taken.
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images, weights = torch.rand(4, 1, 64, 64), None
    for _ in range(2):
        optimizer.zero_grad()
        output = network(images)
        logits = torch.cat([part.flatten() for part in output]) if isinstance(output, tuple) else output
        weights = torch.randn(logits.shape) if weights is None else weights
        (logits * weights).sum().backward()
        optimizer.step()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize(("registry", "name"), ALL)
def test_saved_and_loaded_weights_give_the_same_output(registry, name, tmp_path):
    network = build_network(registry, name, {"width": 4}).eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    other = build_network(registry, name, {"width": 4}).eval()
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    images = torch.rand(2, 1, 64, 64)
    assert torch.equal(network(images), other(images))


@pytest.mark.parametrize(("registry", "name"), ALL)
def test_channels_last_changes_nothing(registry, name):
    network = build_network(registry, name, {"width": 4}).eval()
    images = torch.rand(2, 1, 64, 64)
    expected = network(images)
    network.to(memory_format=torch.channels_last)
    assert torch.allclose(network(images.to(memory_format=torch.channels_last)), expected, atol=1e-5)


@pytest.mark.parametrize("sizes", [((8, 8), (16, 16)), ((7, 9), (15, 17)), ((8, 8), (8, 8))])
def test_an_alignment_without_flow_is_bilinear_interpolation(sizes):
    coarse_size, fine_size = sizes
    coarse = torch.rand(2, 6, *coarse_size)
    warped = SpatialAlignment(6).warp(coarse, torch.zeros(2, 2, *fine_size))
    expected = F.interpolate(coarse, size=fine_size, mode="bilinear", align_corners=False)
    assert (warped - expected).abs().max() < 1e-6


def test_a_flow_of_two_moves_the_sampling_by_one_fine_pixel():
    coarse = torch.rand(1, 1, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2.0
    warped = SpatialAlignment(1).warp(coarse, flow)
    assert torch.allclose(warped[..., :-1], coarse[..., 1:], atol=1e-6)


def test_a_new_sanet_starts_without_flow_and_the_authors_with_one():
    assert all(not a.flow.weight.any() for a in build_network(SEGMENTERS, "sanet", {"width": 4}).alignments)
    compat = build_network(SEGMENTERS, "sanet", {"width": 4, "compat": True})
    assert all(a.flow.weight.any() for a in compat.alignments)


def test_the_authors_grid_halves_the_border():
    coarse = torch.ones(1, 1, 8, 8)
    warped = SpatialAlignment(1, compat=True).warp(coarse, torch.zeros(1, 2, 16, 16))
    assert warped[0, 0, 0, 0] == pytest.approx(0.25, abs=1e-5)
    assert warped[0, 0, 8, 8] == pytest.approx(1.0, abs=1e-5)


def test_an_unknown_network_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="'unet9' is unknown; expected one of .*sanet, "):
        build_network(SEGMENTERS, "unet9", {})


def test_an_argument_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="'sanet' does not take .*depth"):
        build_network(SEGMENTERS, "sanet", {"depth": 3})
