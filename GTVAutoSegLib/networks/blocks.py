"""Building blocks shared by the networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Encoder(nn.Module):
    """A trunk that maps (N, C, H, W) to the feature maps of its stages, finest first.

    Attributes:
        channels: of the stages.
    """

    channels: tuple[int, ...]


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


def resize(x: Tensor, size: Sequence[int], *, corner_aligned: bool = False) -> Tensor:
    """Bilinear interpolation of (N, C, h, w) to (N, C, H, W)."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=corner_aligned)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (N, C, H, W) until height and width are multiples of ``multiple``."""
    height, width = x.shape[2:]
    if height % multiple == 0 and width % multiple == 0:
        return x
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def initialise_decoder(parts: Iterable[nn.Module]) -> None:
    """Draw the kernels of layers followed by a ReLU, as He et al. 2015; biases are zero."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def initialise_head(head: nn.Conv2d) -> None:
    """Draw the kernels of a last layer, as Glorot and Bengio 2010; its bias is zero."""
    nn.init.xavier_uniform_(head.weight)
    if head.bias is not None:
        nn.init.zeros_(head.bias)


def channels_last(network: nn.Module) -> nn.Module:
    """Store the kernels with channels last, which convolutions on CPUs and tensor cores prefer; in place."""
    in_3d = any(parameter.ndim == 5 for parameter in network.parameters())
    order = torch.channels_last_3d if in_3d else torch.channels_last
    return network.to(memory_format=order)  # type: ignore[call-overload]
