"""The completer's network: a small U-Net that corrects the shape interpolated between drawn slices."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .blocks import conv_bn_relu, double_conv, resize

DEPTHS = (1, 2, 4, 6, 8)  # channels of the levels, finest first, in widths


class CompleterUNet(nn.Module):
    """Corrects the logit of an interpolated shape (U-Net of Ronneberger et al. 2015 with skips that are added).

    The last convolution is zero at first: untrained, it is the interpolation itself.

    Args:
        in_channels: of the input; the first is the interpolated shape, see `base_logit`.
        width: channels of the finest level.
    """

    def __init__(self, in_channels: int, width: int = 16) -> None:
        super().__init__()
        channels = [width * depth for depth in DEPTHS]
        before = [in_channels, *channels[:-1]]
        self.down = nn.ModuleList(double_conv(a, b) for a, b in zip(before, channels))
        self.narrow = nn.ModuleList(conv_bn_relu(b, a) for a, b in pairwise(channels))
        self.up = nn.ModuleList(double_conv(a, a) for a in channels[:-1])
        self.head = nn.Conv2d(width, 1, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def correction(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W), H and W multiples of 16, to what is added to the logit of tumour, (N, 1, H, W)."""
        skips = []
        for level, down in enumerate(self.down):
            x = down(x if level == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for level in range(len(self.up) - 1, -1, -1):
            x = self.up[level](skips[level] + resize(self.narrow[level](x), skips[level].shape[2:]))
        output: Tensor = self.head(x)
        return output

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, 2, H, W) of background and tumour."""
        logit = base_logit(x) + self.correction(x)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


# An interpolated distance of this share of the square's side is where its logit ends.
FARTHEST_SHARE = 1 / 8
FARTHEST_LOGIT = 6.0


def base_logit(x: Tensor) -> Tensor:
    """The interpolated shape's logit (N, 1, H, W), from the first input channel, which is the logit within [-1, 1]."""
    return x[:, :1] * FARTHEST_LOGIT
