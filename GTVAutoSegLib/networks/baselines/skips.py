"""The decoder that U-Net's relatives share: upsampling step by step, each time joined with the encoder's features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from ..blocks import resize


class Concatenation(nn.Module):
    """Join by upsampling, concatenating, and a block of layers over both."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Map (N, C, h, w) and (N, D, H, W) to (N, out, H, W)."""
        output: Tensor = self.block(torch.cat([resize(coarse, fine.shape[2:]), fine], dim=1))
        return output


class SkipDecoder(nn.Module):
    """Coarse to fine over the encoder's features, then up to the size of the input.

    Args:
        joins: called with the coarse and the next finer features, one for each of the encoder's features but the
            coarsest, coarsest first.
        last: applied at full size.
    """

    def __init__(self, joins: Iterable[nn.Module], last: nn.Module) -> None:
        super().__init__()
        self.joins = nn.ModuleList(joins)
        self.last = last

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the input and the encoder's features, finest first, to (N, out, H, W)."""
        x = features[-1]
        for join, fine in zip(self.joins, features[-2:0:-1]):
            x = join(x, fine)
        output: Tensor = self.last(resize(x, features[0].shape[2:]))
        return output
