"""Building blocks shared by the networks."""

from __future__ import annotations

import torch
from torch import nn


def conv_bn(in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Bias-free convolution, padded to keep the size at stride 1, and batch normalisation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def conv_bn_relu(in_channels: int, out_channels: int, kernel: int = 1, *, bias: bool = False) -> nn.Sequential:
    """Convolution (``Conv-BN-ReLU operator cluster`` of the paper, section 3.2.2)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def channels_last(network: nn.Module) -> nn.Module:
    """Store the kernels with channels last, which convolutions on CPUs and tensor cores prefer; in place."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
