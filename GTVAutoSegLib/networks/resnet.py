"""Residual networks, the encoders of most systems (He et al. 2016; paper section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Encoder, conv_bn
from .origin import Origin


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with an identity or 1 x 1 projection shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = conv_bn(in_channels, out_channels=out_channels, kernel=3, stride=stride, dilation=dilation)
        self.conv2 = conv_bn(out_channels, out_channels, 3, dilation=dilation)
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        y = torch.relu(self.conv1(x))
        return torch.relu(self.conv2(y) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolution, the inner two four times narrower; the 3 x 3 one has the stride."""

    expansion = 4

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        inner = out_channels // self.expansion
        self.conv1 = conv_bn(in_channels, inner)
        self.conv2 = conv_bn(inner, out_channels=inner, kernel=3, stride=stride, dilation=dilation)
        self.conv3 = conv_bn(inner, out_channels)
        self.shortcut = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        y = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return torch.relu(self.conv3(y) + self.shortcut(x))


class ResNet(Encoder):
    """Residual trunk without its head; ResNet18 by default.

    Args:
        in_channels: channels of the input slice.
        width: channels of the stem; the four stages have 1, 2, 4 and 8 times as many, times the block's expansion.
        block: what a stage is made of.
        counts: blocks of each stage; fewer than four leave the last stages out.
        dilate_last: keep the last stage at 1/16 of the input size and dilate it by 2 (SANet's encoder).
    """

    ORIGIN = Origin(
        "He et al. 2016",
        "dropout 0.2 before the last layer, as in the authors' code",
    )

    def __init__(
        self,
        in_channels: int = 1,
        width: int = 64,
        *,
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock,
        counts: tuple[int, ...] = (2, 2, 2, 2),
        dilate_last: bool = False,
    ) -> None:
        super().__init__()
        self.stem_channels = width
        self.channels = tuple(width * block.expansion * factor for factor in (1, 2, 4, 8)[: len(counts)])
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        strides, dilations = ((1, 2, 2, 1), (1, 1, 1, 2)) if dilate_last else ((1, 2, 2, 2), (1, 1, 1, 1))
        before = (width, *self.channels[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(
                block(entering, leaving, stride, dilation),
                *(block(leaving, leaving, 1, dilation) for _ in range(count - 1)),
            )
            for entering, leaving, count, stride, dilation in zip(before, self.channels, counts, strides, dilations)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, C, H, W) to the four stages' features, at 1/4, 1/8, 1/16 and 1/32 (dilated: 1/16)."""
        return self.levels(x)[1:]

    def levels(self, x: Tensor) -> list[Tensor]:
        """As ``forward``, with the stem's features at 1/2 in front."""
        features = [self.stem[:3](x)]
        x = self.stem[3](features[0])
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    same = stride == 1 and in_channels == out_channels
    return nn.Identity() if same else conv_bn(in_channels, out_channels, 1, stride)
