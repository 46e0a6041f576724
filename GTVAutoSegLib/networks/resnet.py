"""ResNet18: the encoder of SANet and the slice classifier (He et al. 2016; paper section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import conv_bn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with an identity or 1 x 1 projection shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = conv_bn(in_channels, out_channels, 3, stride, dilation)
        self.conv2 = conv_bn(out_channels, out_channels, 3, dilation=dilation)
        same = stride == 1 and in_channels == out_channels
        self.shortcut = nn.Identity() if same else conv_bn(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride)."""
        y = torch.relu(self.conv1(x))
        return torch.relu(self.conv2(y) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet18 trunk without its head.

    Args:
        in_channels: channels of the input slice.
        width: channels of the first stage; the others have 2, 4 and 8 times as many.
        dilate_last: keep the last stage at 1/16 of the input size and dilate it by 2 (SANet's encoder).
    """

    def __init__(self, in_channels: int = 1, width: int = 64, *, dilate_last: bool = False) -> None:
        super().__init__()
        self.channels = (width, 2 * width, 4 * width, 8 * width)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        last_stride, last_dilation = (1, 2) if dilate_last else (2, 1)
        self.stages = nn.ModuleList(
            [
                _stage(width, self.channels[0], 1, 1),
                _stage(self.channels[0], self.channels[1], 2, 1),
                _stage(self.channels[1], self.channels[2], 2, 1),
                _stage(self.channels[2], self.channels[3], last_stride, last_dilation),
            ]
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, C, H, W) to the four stages' features, at 1/4, 1/8, 1/16 and 1/32 (dilated: 1/16)."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class SliceClassifier(nn.Module):
    """First network of the cascade: does this axial slice show tumour?

    Args:
        in_channels: channels of the input slice.
        width: channels of the first stage (64 in the paper: 11,171,266 parameters).
        classes: logits per slice; 2 is normal / abnormal.
        dropout: probability before the last layer.
    """

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.trunk = ResNet18(in_channels, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.trunk.channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes)."""
        pooled = self.trunk(x)[-1].mean(dim=(2, 3))
        return self.head(self.dropout(pooled))


def _stage(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        BasicBlock(in_channels, out_channels, stride, dilation),
        BasicBlock(out_channels, out_channels, 1, dilation),
    )
