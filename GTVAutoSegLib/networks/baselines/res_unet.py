"""Res-UNet: a U-Net whose decoder is made of residual blocks too (Xiao et al. 2018)."""

from __future__ import annotations

from ..origin import Origin
from ..resnet import BasicBlock, ResNet
from .skips import Concatenation, SkipDecoder
from .unet import EncoderDecoder, decoder_channels, join_channels


class ResUNet(EncoderDecoder):
    """Res-UNet on ResNet18: see ``docs/networks.md`` for what differs from the original."""

    ORIGIN = Origin(
        "Xiao et al. 2018",
        "ResNet18 encoder, residual blocks in the decoder; without its weighting of the region of interest",
        published=14.58,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        encoder, steps = ResNet(in_channels, width), decoder_channels(width)
        joins = [Concatenation(BasicBlock(c + f, out)) for c, f, out in join_channels(encoder, steps)]
        super().__init__(encoder, SkipDecoder(joins, BasicBlock(*steps[-2:])), steps[-1], classes)
