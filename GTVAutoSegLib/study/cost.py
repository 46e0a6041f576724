"""What the networks cost: parameters and multiply-adds. ``python -m GTVAutoSegLib.study.cost`` prints a table."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..networks import CLASSIFIERS, SEGMENTERS, build_network
from ..networks.origin import Origin
from .catalogue import CLASSIFIER_ORIGINS, SEGMENTER_ORIGINS, VOLUME_ORIGINS
from .volumetric.networks import VOLUME_NETWORKS

Shape = tuple[int, ...]
SLICE: Shape = (1, 512, 512)
VOLUME: Shape = (1, 96, 256, 256)  # what the authors' 3D network takes
TABLES = (
    ("Classifiers", CLASSIFIERS, CLASSIFIER_ORIGINS, SLICE),
    ("Segmenters", SEGMENTERS, SEGMENTER_ORIGINS, SLICE),
    ("3D segmenters", VOLUME_NETWORKS, VOLUME_ORIGINS, VOLUME),
)
HEADER = (
    "| name | paper | parameters (M) | Shi et al., table 2 (M) | multiply-adds (G) | what differs from the original |",
    "|---|---|---:|---:|---:|---|",
)


def count_parameters(network: nn.Module) -> int:
    """Trainable or not; buffers do not count."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-adds of convolutions and matrix products for one input, in evaluation mode.

    Nothing is computed: a copy without data is asked for its operations. Interpolation, pooling, normalisation and
    activations are not counted.

    Args:
        network: on any device; it is left as it is.
        shape: of the input without the batch: (C, H, W), or (C, D, H, W) for a 3D network.
    """
    skeleton = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        skeleton(torch.empty(1, *shape, device="meta"))
    count: int = counter.get_total_flops() // 2
    return count


def table() -> str:
    """Markdown: every network, for one slice of 512 x 512 pixels or one volume of 96 x 256 x 256 voxels."""
    return "\n".join(
        line
        for title, registry, origins, shape in TABLES
        for line in (f"### {title}", "", *HEADER, *_rows(registry, origins, shape), "")
    ).rstrip("\n")


def _rows(registry: dict[str, Callable[..., nn.Module]], origins: dict[str, Origin], shape: Shape) -> Iterator[str]:
    for name in registry:
        with torch.device("meta"):
            network = build_network(registry, name, {})
        origin = origins[name]
        published = "" if origin.published is None else f"{origin.published:.2f}"
        adds = multiply_adds(network, shape) / 1e9
        yield (
            f"| `{name}` | {origin.paper} | {count_parameters(network) / 1e6:.3f} | {published} | {adds:.3f} | "
            f"{origin.differs} |"
        )


if __name__ == "__main__":
    print(table())
