"""VB-Net: V-Net with bottleneck blocks (Milletari et al. 2016; Shi et al. 2022), one stage of the paper's cascade."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ....networks.origin import Origin
from .base import VolumeNetwork, conv_bn, initialise

# Of V-Net: convolutions on the way down (levels 2 to 5), and on the way up (levels 4 to 1).
DOWN, UP = (1, 2, 3, 3), (3, 3, 2, 1)


class Residual(nn.Module):
    """Some units after one another, with a shortcut around them all.

    A unit is one 3 x 3 x 3 convolution or, as a bottleneck, one on a fraction of the channels between two 1 x 1 x 1.
    """

    def __init__(self, channels: int, units: int, ratio: int | None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(units):
            layers += [*([nn.ReLU(inplace=True)] if number else []), _unit(channels, ratio)]
        self.units = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, D, H, W) to the same shape."""
        return torch.relu(self.units(x) + x)


class VBNet3D(VolumeNetwork):
    """VB-Net: strided convolutions down, transposed ones up, residual blocks, bottlenecks where channels are many.

    Neither the paper nor Shi et al. give widths. With V-Net's numbers of convolutions, bottlenecks on the two deepest
    levels, a width of 28 and a bottleneck ratio of 3, two stages have 25.88 million parameters, as in table 2.

    Args:
        in_channels: channels of the input.
        width: channels of the first level (28: 12,941,948 parameters).
        classes: logits per voxel.
        ratio: channels of a block for each one inside its bottleneck.
    """

    ORIGIN = Origin(
        "Shi et al. 2022",
        "one of two stages; V-Net with bottlenecks on its two deepest levels; width and ratio, which no "
        "paper gives, are those that make the published size",
        published=25.88,
    )

    def __init__(self, in_channels: int = 1, width: int = 28, classes: int = 2, ratio: int = 3) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(5)]
        self.stem = nn.Sequential(conv_bn(in_channels, width, 3), nn.ReLU(inplace=True))
        self.shrink = nn.ModuleList(
            [
                nn.Sequential(conv_bn(fine, coarse, 2, stride=2), nn.ReLU(inplace=True))
                for fine, coarse in pairwise(channels)
            ]
        )
        deep = 8 * width
        self.down = nn.ModuleList(
            [Residual(c, units, ratio if c >= deep else None) for c, units in zip(channels[1:], DOWN)]
        )
        # On the way up, a level holds its own features and as many that come from below.
        above = channels[-2::-1]
        inputs = [channels[-1], *(2 * c for c in above[:-1])]
        self.grow = nn.ModuleList([_grow(i, o) for i, o in zip(inputs, above)])
        self.up = nn.ModuleList([Residual(2 * c, units, ratio if c >= deep else None) for c, units in zip(above, UP)])
        self.head = nn.Conv3d(2 * width, classes, 1)
        initialise(self)

    def logits(self, x: Tensor) -> Tensor:
        """Map (N, C, D, H, W) to logits; every side is a multiple of 16."""
        x = self.stem(x)
        features = [x]
        for shrink, block in zip(self.shrink, self.down):
            x = block(shrink(x))
            features.append(x)
        for grow, block, skip in zip(self.grow, self.up, features[-2::-1]):
            x = block(torch.cat([grow(x), skip], dim=1))
        output: Tensor = self.head(x)
        return output


def _unit(channels: int, ratio: int | None) -> nn.Sequential:
    if ratio is None:
        return conv_bn(channels, channels, 3)
    inner = max(1, channels // ratio)
    return nn.Sequential(
        conv_bn(channels, inner, 1),
        nn.ReLU(inplace=True),
        conv_bn(inner, inner, 3),
        nn.ReLU(inplace=True),
        conv_bn(inner, channels, 1),
    )


def _grow(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose3d(in_channels, out_channels, 2, stride=2, bias=False),
        nn.BatchNorm3d(out_channels),
        nn.ReLU(inplace=True),
    )
