"""What the 3D networks share: volumes of any size, and the convolutions of two of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 5
# Four halvings from the input to the deepest level.
SHRINKAGE = 2 ** (LEVELS - 1)


class VolumeNetwork(nn.Module):
    """Base of the 3D networks: `forward` brings any size to one that can be halved four times, and back."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, D, H, W) to logits (N, classes, D, H, W)."""
        size = x.shape[2:]
        rest = [-side % SHRINKAGE for side in size]
        if all(side + more == SHRINKAGE for side, more in zip(size, rest)):
            rest[-1] += SHRINKAGE  # normalisation over a volume needs two voxels at the deepest level
        before = [more // 2 for more in rest]
        # Zero is the bottom of the window, air.
        pads = [side for low, more in zip(before[::-1], rest[::-1]) for side in (low, more - low)]
        logits = self.logits(F.pad(x, pads))
        d, h, w = (slice(low, low + side) for low, side in zip(before, size))
        return logits[:, :, d, h, w]

    def logits(self, x: Tensor) -> Tensor:
        """Map (N, C, D, H, W) to logits; every side is a multiple of 16."""
        raise NotImplementedError


class ShallowConv3d(nn.Conv3d):
    """A convolution that pads a volume shallower than its kernel by itself, and else is PyTorch's own.

    On a CPU, PyTorch 2.13 (oneDNN 3.12) leaves a part of the bfloat16 gradient of such a kernel unwritten: it is
    whatever lay in that memory, numbers or not.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, D, H, W) as `nn.Conv3d` does."""
        if x.shape[2] >= self.kernel_size[0] or isinstance(self.padding, str):
            return super().forward(x)
        pads = [side for padding in reversed(self.padding) for side in (padding, padding)]
        return F.conv3d(F.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def pad_shallow_volumes(network: nn.Module) -> nn.Module:
    """Make every convolution a `ShallowConv3d`, in place."""
    for module in network.modules():
        if type(module) is nn.Conv3d:
            module.__class__ = ShallowConv3d
    return network


def conv_bn(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, bias: bool = False) -> nn.Sequential:
    """Convolution, padded to keep the size at stride 1, and batch normalisation."""
    padding = kernel // 2 if stride == 1 else 0
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, kernel, stride, padding, bias=bias), nn.BatchNorm3d(out_channels)
    )


def initialise(network: nn.Module) -> None:
    """Kaiming initialisation of all convolutions, for ReLU."""
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def double_conv(in_channels: int, middle: int, out_channels: int) -> nn.Sequential:
    """Two 3 x 3 x 3 convolutions with bias, each with batch normalisation and ReLU."""
    return nn.Sequential(
        conv_bn(in_channels, middle, 3, bias=True),
        nn.ReLU(inplace=True),
        conv_bn(middle, out_channels, 3, bias=True),
        nn.ReLU(inplace=True),
    )


def upsampled(coarse: Tensor, fine: Tensor) -> Tensor:
    """Features of the finer level, and behind them those of the coarser one, brought to its size."""
    resized = F.interpolate(coarse, size=fine.shape[2:], mode="trilinear", align_corners=False)
    return torch.cat([fine, resized], dim=1)
