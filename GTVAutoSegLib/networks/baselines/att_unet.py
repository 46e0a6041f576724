"""Attention U-Net: the decoder says where the encoder's features count (Oktay et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..blocks import conv_bn, conv_bn_relu, double_conv, resize
from ..origin import Origin
from ..resnet import ResNet
from .skips import SkipDecoder
from .unet import EncoderDecoder, decoder_channels, join_channels


class AttentionGate(nn.Module):
    """Additive attention: weighs each pixel of the encoder's features by how they go with the decoder's."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.of_coarse = conv_bn(channels, inner)
        self.of_fine = conv_bn(channels, inner)
        self.weight = conv_bn(inner, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Map two (N, C, H, W) to the second, weighed."""
        return fine * torch.sigmoid(self.weight(torch.relu(self.of_coarse(coarse) + self.of_fine(fine))))


class GatedJoin(nn.Module):
    """Bring the coarse features to the fine ones' channels and size, gate these, and convolve both."""

    def __init__(self, coarse: int, fine: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = conv_bn_relu(coarse, fine)
        self.gate = AttentionGate(fine)
        self.block = double_conv(2 * fine, out_channels)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Map (N, C, h, w) and (N, D, H, W) to (N, out, H, W)."""
        upsampled = resize(self.reduce(coarse), fine.shape[2:])
        output: Tensor = self.block(torch.cat([upsampled, self.gate(upsampled, fine)], dim=1))
        return output


class AttUNet(EncoderDecoder):
    """Attention U-Net on ResNet18: see ``docs/networks.md`` for what differs from the original."""

    ORIGIN = Origin(
        "Oktay et al. 2018",
        "ResNet18 encoder; gates at every skip take the upsampled coarse features; batch normalisation; no "
        "deep supervision",
        published=13.81,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        encoder, steps = ResNet(in_channels, width), decoder_channels(width)
        joins = [GatedJoin(*channels) for channels in join_channels(encoder, steps)]
        super().__init__(encoder, SkipDecoder(joins, double_conv(*steps[-2:])), steps[-1], classes)
