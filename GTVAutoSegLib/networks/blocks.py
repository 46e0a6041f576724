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


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3 x 3 convolutions."""
    return nn.Sequential(conv_bn_relu(in_channels, out_channels, 3), conv_bn_relu(out_channels, out_channels, 3))


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


def initialise_head(head: nn.Conv2d | nn.Linear) -> None:
    """Draw the kernels of a last layer, as Glorot and Bengio 2010; its bias is zero."""
    nn.init.xavier_uniform_(head.weight)
    if head.bias is not None:
        nn.init.zeros_(head.bias)


# Channels that a register of AVX2 holds.
AVX2_CHANNELS = 8


class NarrowStridedConv2d(nn.Conv2d):
    """A 1 x 1 convolution with a stride, computed as one without a stride on every n-th pixel; the same numbers.

    On a CPU with AVX2 but no AVX-512, PyTorch 2.13 (oneDNN 3.12) computes a wrong gradient of the kernel of such a
    convolution and writes beyond its memory, if it has fewer than 8 input channels and its input has channels last.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H / stride, W / stride), rounded up."""
        down, across = self.stride
        return F.conv2d(x[:, :, ::down, ::across], self.weight, self.bias, groups=self.groups)


def channels_last(network: nn.Module) -> nn.Module:
    """Store the kernels with channels last, which convolutions on CPUs and tensor cores prefer; in place.

    The one place where a network gets this order, so also where what cannot be computed in it is put right.
    """
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_narrow_and_strided(module):
            module.__class__ = NarrowStridedConv2d
    in_3d = any(parameter.ndim == 5 for parameter in network.parameters())
    order = torch.channels_last_3d if in_3d else torch.channels_last
    ordered: nn.Module = network.to(memory_format=order)  # type: ignore[call-overload]
    return ordered


def _is_narrow_and_strided(conv: nn.Conv2d) -> bool:
    pointwise = conv.kernel_size == (1, 1) and conv.padding in ((0, 0), "valid")
    return pointwise and max(conv.stride) > 1 and conv.in_channels // conv.groups < AVX2_CHANNELS
