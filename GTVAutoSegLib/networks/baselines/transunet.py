"""TransUNet: a transformer between a convolutional encoder and a U-Net's decoder (Chen et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..blocks import conv_bn_relu, double_conv, initialise_decoder, initialise_head, resize
from ..origin import Origin
from ..resnet import Bottleneck, ResNet
from .skips import Concatenation, SkipDecoder

HEADS, LAYERS = 12, 12
# A position is learned for each pixel of the 32 x 32 map of a 512 x 512 slice; for other sizes the map of positions is
# interpolated.
GRID = 32


class TokenTransformer(nn.Module):
    """ViT (Dosovitskiy et al. 2021) over the pixels of a feature map; ViT-B at width 64.

    Args:
        in_channels: channels of the feature map.
        width: a token has 12 times as many channels.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.channels = HEADS * width
        self.embedding = nn.Conv2d(in_channels, self.channels, 1)
        self.position = nn.Parameter(0.02 * torch.randn(1, self.channels, GRID, GRID))
        self.dropout = nn.Dropout(0.1)
        layer = nn.TransformerEncoderLayer(
            self.channels, HEADS, 4 * self.channels, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(self.channels), enable_nested_tensor=False)
        for parameter in self.layers.parameters():  # PyTorch copies one layer, weights included: draw each anew
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, h, w) to (N, channels, h, w)."""
        size = x.shape[2:]
        embedded = self.embedding(x) + resize(self.position, size)
        tokens = self.layers(self.dropout(embedded.flatten(2).transpose(1, 2)))
        output: Tensor = tokens.transpose(1, 2).unflatten(2, size)
        return output


class TransUNet(nn.Module):
    """TransUNet with R50-ViT-B/16: see ``docs/networks.md`` for what differs from the original."""

    ORIGIN = Origin(
        "Chen et al. 2021",
        "R50-ViT-B/16 from scratch: batch normalisation in the ResNet, where the original has group "
        "normalisation and standardised kernels for its pretraining; positions interpolated from a 32 x 32 "
        "grid",
        published=105.91,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        super().__init__()
        self.encoder = ResNet(in_channels, width, block=Bottleneck, counts=(3, 4, 9))
        self.transformer = TokenTransformer(self.encoder.channels[-1], width)
        coarse = (8 * width, 4 * width, 2 * width, width)
        fine = (*self.encoder.channels[-2::-1], self.encoder.stem_channels)
        joins = [Concatenation(double_conv(c + f, out)) for c, f, out in zip(coarse, fine, coarse[1:])]
        last = max(1, width // 4)
        self.bridge = conv_bn_relu(self.transformer.channels, coarse[0], 3)
        self.decoder = SkipDecoder(joins, double_conv(coarse[-1], last))
        self.head = nn.Conv2d(last, classes, 3, padding=1)
        initialise_decoder([self.bridge, self.decoder])
        initialise_head(self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes, H, W); any H and W."""
        *shallow, deep = self.encoder.levels(x)
        bridge = self.bridge(self.transformer(deep))
        output: Tensor = self.head(self.decoder([x, *shallow, bridge]))
        return output
