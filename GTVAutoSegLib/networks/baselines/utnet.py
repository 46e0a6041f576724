"""UTNet: a U-Net with linear self-attention at every level (Gao et al. 2021, MICCAI)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..blocks import resize
from ..origin import Origin

HEADS = 4
# Keys and values are brought to this many rows and columns, which makes attention linear in the pixels.
REDUCED = 8
LEVELS = 4


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, each behind batch normalisation and ReLU (He et al. 2016, ECCV)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = _before_conv(in_channels, out_channels, 3)
        self.conv2 = _before_conv(out_channels, out_channels, 3)
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else _before_conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        output: Tensor = self.conv2(self.conv1(x)) + self.shortcut(x)
        return output


class EfficientAttention(nn.Module):
    """Every pixel of one map attends to a reduced grid of another, with a learned bias by relative position.

    Args:
        queries: channels of the map that asks, and of the result.
        keys: channels of the map that is asked.
    """

    def __init__(self, queries: int, keys: int) -> None:
        super().__init__()
        self.query = _separable(queries, queries)
        self.key_value = _separable(keys, 2 * queries)
        self.out = _separable(queries, queries)
        self.bias = nn.Parameter(0.02 * torch.randn(HEADS, 2 * REDUCED - 1, 2 * REDUCED - 1))
        offset = torch.arange(REDUCED)[:, None] - torch.arange(REDUCED)[None, :] + REDUCED - 1
        self.register_buffer("offset", offset, persistent=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Map (N, queries, H, W) and (N, keys, h, w) to (N, queries, H, W)."""
        size = fine.shape[2:]
        key_value = resize(self.key_value(coarse), (REDUCED, REDUCED))
        query, key, value = (_heads(part) for part in (self.query(fine), *key_value.chunk(2, dim=1)))
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + self._position(size)
        attended = scores.softmax(dim=-1) @ value
        output: Tensor = self.out(attended.transpose(2, 3).flatten(1, 2).unflatten(2, size))
        return output

    def _position(self, size: torch.Size) -> Tensor:
        """Bias (1, heads, H W, reduced grid): each query pixel has that of the cell it lies in."""
        offset = self.get_buffer("offset")
        # (heads, query row, key row, query column, key column)
        table = self.bias[:, offset[:, :, None, None], offset[None, None]]
        cells = table.permute(0, 2, 4, 1, 3).flatten(1, 2)
        return F.interpolate(cells, size=size).flatten(2).transpose(1, 2)[None]


class TransformerBlock(nn.Module):
    """Attention of a map to itself and a pixel-wise layer, each with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.attention = EfficientAttention(channels, channels)
        self.mlp = _before_conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        normed = self.norm(x)
        x = x + self.attention(normed, normed)
        output: Tensor = x + self.mlp(x)
        return output


class TransformerJoin(nn.Module):
    """One step of the decoder: the encoder's features ask the coarse ones, then both are convolved."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.norm_coarse = nn.BatchNorm2d(coarse)
        self.norm_fine = nn.BatchNorm2d(fine)
        self.attention = EfficientAttention(fine, coarse)
        self.reduce = nn.Conv2d(coarse, fine, 1, bias=False)
        self.mlp = _before_conv(fine, fine, 1)
        self.block = ResidualBlock(2 * fine, fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Map (N, C, h, w) and (N, D, H, W) to (N, D, H, W)."""
        attended = self.attention(self.norm_fine(fine), self.norm_coarse(coarse))
        joined = attended + resize(self.reduce(coarse), fine.shape[2:])
        output: Tensor = self.block(torch.cat([joined + self.mlp(joined), fine], dim=1))
        return output


class UTNet(nn.Module):
    """UTNet: see ``docs/networks.md`` for what differs from the original.

    ``width`` 64 makes the first level 32 channels wide, as in the paper.
    """

    ORIGIN = Origin(
        "Gao et al. 2021",
        "attention at all four levels, 4 heads, keys and values on 8 x 8; position bias by nearest cell; no "
        "auxiliary losses; width 64 is a base of 32 channels",
        published=10.02,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        super().__init__()
        # Each head needs as many channels as the others.
        channels = [HEADS * max(1, width // (2 * HEADS)) * 2**level for level in range(LEVELS + 1)]
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, channels[0], 3, padding=1, bias=False), ResidualBlock(channels[0], channels[0])
        )
        self.downs = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), ResidualBlock(fine, coarse), TransformerBlock(coarse))
            for fine, coarse in pairwise(channels)
        )
        self.ups = nn.ModuleList(
            TransformerJoin(coarse, fine) for fine, coarse in zip(channels[-2::-1], channels[:0:-1])
        )
        self.head = nn.Conv2d(channels[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes, H, W); any H and W from 16 upwards."""
        features = [self.stem(x)]
        for down in self.downs:
            features.append(down(features[-1]))
        current = features.pop()
        for up in self.ups:
            current = up(current, features.pop())
        output: Tensor = self.head(current)
        return output


def _before_conv(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """Batch normalisation and ReLU in front of a convolution."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
    )


def _separable(in_channels: int, out_channels: int) -> nn.Sequential:
    """3 x 3 convolution of each channel, then 1 x 1 across them."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
    )


def _heads(x: Tensor) -> Tensor:
    """(N, heads * d, H, W) as (N, heads, H W, d)."""
    output: Tensor = x.flatten(2).unflatten(1, (HEADS, -1)).transpose(2, 3)
    return output
