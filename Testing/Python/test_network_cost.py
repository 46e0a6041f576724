"""Multiply-adds, and the table of the networks in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from GTVAutoSegLib.networks import CLASSIFIERS, SEGMENTERS, build_network
from GTVAutoSegLib.study.catalogue import CLASSIFIER_ORIGINS, SEGMENTER_ORIGINS, VOLUME_ORIGINS
from GTVAutoSegLib.study.cost import multiply_adds, table
from GTVAutoSegLib.study.volumetric.networks import VOLUME_NETWORKS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "networks.md"


def test_a_convolution_costs_its_kernel_at_every_pixel_and_stays_as_it_is():
    network = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert multiply_adds(network, (3, 10, 20)) == 3 * 5 * 9 * 10 * 20
    assert network.weight.device.type == "cpu" and network.training


def test_a_convolution_in_3d_counts_too():
    assert multiply_adds(torch.nn.Conv3d(2, 4, 1), (2, 3, 5, 7)) == 2 * 4 * 3 * 5 * 7


def test_attention_counts_its_two_matrix_products():
    tokens, channels = 6, 8
    layer = torch.nn.TransformerEncoderLayer(channels, 2, 16, batch_first=True)
    projections = tokens * channels * (4 * channels + 2 * 16)
    assert multiply_adds(layer, (tokens, channels)) == projections + 2 * tokens**2 * channels


@pytest.mark.parametrize(
    ("registry", "name", "shape", "expected"),
    [
        (CLASSIFIERS, "resnet18", (1, 512, 512), 9.064),
        (SEGMENTERS, "sanet", (1, 512, 512), 28.994),
        (VOLUME_NETWORKS, "vnet3d", (1, 96, 256, 256), 1315.9),
    ],
)
def test_the_networks_of_the_authors_code_cost_what_they_do_there(registry, name, shape, expected):
    with torch.device("meta"):
        network = build_network(registry, name, {})
    assert multiply_adds(network, shape) / 1e9 == pytest.approx(expected, rel=5e-5)


def test_a_classifier_at_half_resolution_costs_a_quarter():
    with torch.device("meta"):
        whole, half = (build_network(CLASSIFIERS, "resnet18", {"shrink": shrink}) for shrink in (1, 2))
    assert multiply_adds(half, (1, 512, 512)) == pytest.approx(multiply_adds(whole, (1, 512, 512)) / 4, rel=1e-3)


def test_every_network_says_where_it_comes_from():
    assert list(CLASSIFIER_ORIGINS) == list(CLASSIFIERS)
    assert list(SEGMENTER_ORIGINS) == list(SEGMENTERS)
    assert list(VOLUME_ORIGINS) == list(VOLUME_NETWORKS)


def test_the_documentation_holds_the_table_as_printed():
    assert table() in DOCUMENT.read_text(encoding="utf-8")
