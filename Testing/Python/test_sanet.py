"""SANet: alignment, its parts as switches, its encoders."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from GTVAutoSegLib.networks import SANet
from GTVAutoSegLib.networks.encoders import ENCODERS
from GTVAutoSegLib.networks.sanet import SpatialAlignment
from GTVAutoSegLib.study.cost import count_parameters

FULL = 12_712_770
ALIGNMENTS, PYRAMID, REDUCTION = 56_064, 394_496, 512 * 128 + 2 * 128


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({}, FULL),
        ({"compat": True}, FULL),
        ({"alignment": False}, FULL - ALIGNMENTS),
        ({"pyramid": False}, FULL - PYRAMID + REDUCTION),
        ({"alignment": False, "pyramid": False}, FULL - ALIGNMENTS - PYRAMID + REDUCTION),
    ],
)
def test_a_part_that_is_switched_off_is_gone_and_the_rest_works(switches, expected):
    with torch.device("meta"):
        assert count_parameters(SANet(**switches)) == expected
    network = SANet(in_channels=3, width=4, **switches)
    logits = network(torch.rand(2, 3, 65, 47))
    assert logits.shape == (2, 2, 65, 47)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_sanet_takes_every_encoder(encoder):
    network = SANet(width=4, encoder=encoder).eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 1, 65, 47)).shape == (1, 2, 65, 47)


def test_an_unknown_encoder_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="'vgg' is unknown; expected one of resnet18, "):
        SANet(encoder="vgg")


def test_a_dilated_stage_stays_at_a_sixteenth():
    image = torch.rand(1, 1, 64, 64)
    assert SANet(width=4).encoder(image)[-1].shape[2:] == (4, 4)
    assert SANet(width=4, dilate_last=False).encoder(image)[-1].shape[2:] == (2, 2)


@pytest.mark.parametrize("sizes", [((8, 8), (16, 16)), ((7, 9), (15, 17)), ((8, 8), (8, 8))])
def test_an_alignment_without_flow_is_bilinear_interpolation(sizes):
    coarse_size, fine_size = sizes
    coarse = torch.rand(2, 6, *coarse_size)
    warped = SpatialAlignment(6).warp(coarse, torch.zeros(2, 2, *fine_size))
    expected = F.interpolate(coarse, size=fine_size, mode="bilinear", align_corners=False)
    assert (warped - expected).abs().max() < 1e-6


def test_a_flow_of_two_moves_the_sampling_by_one_fine_pixel():
    coarse = torch.rand(1, 2, 8, 8)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2.0
    warped = SpatialAlignment(2).warp(coarse, flow)
    assert torch.allclose(warped[..., :-1], coarse[..., 1:], atol=1e-6)


def test_a_new_sanet_starts_without_flow_and_the_authors_with_one():
    assert all(not a.flow.weight.any() for a in SANet(width=4).alignments)
    assert all(a.flow.weight.any() for a in SANet(width=4, compat=True).alignments)


def test_the_authors_grid_halves_the_border():
    coarse = torch.ones(1, 2, 8, 8)
    warped = SpatialAlignment(2, compat=True).warp(coarse, torch.zeros(1, 2, 16, 16))
    assert warped[0, 0, 0, 0] == pytest.approx(0.25, abs=1e-5)
    assert warped[0, 0, 8, 8] == pytest.approx(1.0, abs=1e-5)
