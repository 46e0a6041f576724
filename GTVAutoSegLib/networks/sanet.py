"""SANet: dilated encoder, pyramid pooling and three spatial alignment modules (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import conv_bn, conv_bn_relu, initialise_decoder, initialise_head, resize
from .encoders import build_encoder
from .origin import Origin

POOL_SIZES = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """Pyramid pooling module (paper section 3.2.2; Zhao et al. 2017)."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.branches = nn.ModuleList([conv_bn(in_channels, out_channels) for _ in POOL_SIZES])
        self.bottleneck = conv_bn_relu(in_channels + len(POOL_SIZES) * out_channels, out_channels)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in, H, W) to (N, out, H, W)."""
        size = x.shape[2:]
        pooled = [branch(F.adaptive_avg_pool2d(x, bins)) for bins, branch in zip(POOL_SIZES, self.branches)]
        resized = [resize(p, size) for p in pooled]
        output: Tensor = self.dropout(self.bottleneck(torch.cat([*resized, x], dim=1)))
        return output


class SpatialAlignment(nn.Module):
    """Spatial alignment module (paper section 3.2.3, equations 1 to 3).

    A flow field predicted from the fine and the upsampled coarse features says where each fine pixel samples the
    coarse map. One unit of flow is half a fine pixel.

    Args:
        channels: channels of both inputs.
        compat: use the sampling grid of the authors' code (corner-aligned coordinates read with half-pixel
            conventions, zero padding, randomly initialised flow) instead of the consistent one, in which a zero
            flow is exactly bilinear interpolation.
    """

    def __init__(self, channels: int, *, compat: bool = False) -> None:
        super().__init__()
        self.compat = compat
        self.squeeze_fine = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.squeeze_coarse = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow = nn.Conv2d(2 * (channels // 2), 2, 3, padding=1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Resample ``coarse`` (N, C, h, w) onto the grid of ``fine`` (N, C, H, W)."""
        size = fine.shape[2:]
        # The 1 x 1 convolution commutes with bilinear upsampling, so it runs on the smaller map.
        upsampled = resize(self.squeeze_coarse(coarse), size)
        flow = self.flow(torch.cat([self.squeeze_fine(fine), upsampled], dim=1))
        return self.warp(coarse, flow)

    def warp(self, coarse: Tensor, flow: Tensor) -> Tensor:
        """Sample ``coarse`` (N, C, h, w) at the uniform grid plus ``flow`` (N, 2, H, W); returns (N, C, H, W)."""
        height, width = flow.shape[2:]
        y = _grid_coordinates(height, self.compat, flow)
        x = _grid_coordinates(width, self.compat, flow)
        grid_x = x.view(1, 1, width) + flow[:, 0] / width
        grid_y = y.view(1, height, 1) + flow[:, 1] / height
        grid = torch.stack([grid_x, grid_y], dim=-1)
        padding = "zeros" if self.compat else "border"
        return F.grid_sample(coarse, grid, mode="bilinear", padding_mode=padding, align_corners=False)


class BilinearUpsampling(nn.Module):
    """What takes the place of spatial alignment where that is switched off (paper, table 5)."""

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Bring ``coarse`` (N, C, h, w) to the grid of ``fine`` (N, C, H, W)."""
        return resize(coarse, fine.shape[2:])


class SANet(nn.Module):
    """Second network of the cascade: outlines the tumour on one axial slice.

    Args:
        in_channels: channels of the input slice.
        width: channels of the encoder's first stage (64 in the paper: 12,712,770 parameters); the decoder has
            twice as many.
        classes: logits per pixel; 2 is background / tumour.
        compat: follow the authors' code where it differs from the paper's equations: see `SpatialAlignment`, and
            a corner-aligned final upsampling.
        encoder: one of `ENCODERS`.
        alignment: False leaves the spatial alignment modules out; features are interpolated bilinearly.
        pyramid: False leaves pyramid pooling out; a 1 x 1 convolution brings the features to the decoder's channels.
        dilate_last: False lets the encoder's last stage go down to 1/32 of the input size.
    """

    ORIGIN = Origin(
        "Shi et al. 2024",
        "topology of the authors' code, as 12.82 cannot be reached from the paper's description; sampling "
        "grid without the code's half-pixel shift",
        published=12.82,
    )

    def __init__(
        self,
        in_channels: int = 1,
        width: int = 64,
        classes: int = 2,
        *,
        compat: bool = False,
        encoder: str = "resnet18",
        alignment: bool = True,
        pyramid: bool = True,
        dilate_last: bool = True,
    ) -> None:
        super().__init__()
        self.compat = compat
        self.encoder = build_encoder(encoder, in_channels, width, dilate_last=dilate_last)
        depth = 2 * width
        *lateral_channels, deepest = self.encoder.channels
        self.pyramid = PyramidPooling(deepest, depth) if pyramid else conv_bn(deepest, depth)
        self.laterals = nn.ModuleList([conv_bn_relu(c, depth, bias=True) for c in lateral_channels])
        self.alignments = nn.ModuleList(
            [SpatialAlignment(depth, compat=compat) if alignment else BilinearUpsampling() for _ in lateral_channels]
        )
        self.smoothings = nn.ModuleList([conv_bn_relu(depth, depth, 3) for _ in lateral_channels])
        self.fusion = conv_bn_relu(4 * depth, depth, 3)
        self.head = nn.Conv2d(depth, classes, 1)
        initialise_decoder((self.pyramid, self.laterals, self.alignments, self.smoothings, self.fusion))
        initialise_head(self.head)
        for module in self.alignments:
            if isinstance(module, SpatialAlignment) and not compat:
                nn.init.zeros_(module.flow.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes, H, W); any H and W from 32 upwards."""
        return self.decode(self.encoder(x), x.shape[2:])

    def decode(self, features: list[Tensor], size: Sequence[int]) -> Tensor:
        """Map the encoder's features to logits (N, classes, H, W) of the size (H, W)."""
        *shallow, deep = features
        current = self.pyramid(deep)
        levels = [current]
        for index in (2, 1, 0):
            lateral = self.laterals[index](shallow[index])
            current = lateral + self.alignments[index](lateral, current)
            levels.append(self.smoothings[index](current))
        coarse = [resize(level, levels[-1].shape[2:]) for level in levels[:-1]]
        logits = self.head(self.fusion(torch.cat([levels[-1], *coarse[::-1]], dim=1)))
        return resize(logits, size, corner_aligned=self.compat)


def _grid_coordinates(count: int, corner_aligned: bool, like: Tensor) -> Tensor:
    """Coordinates of ``count`` pixel centres in [-1, 1]; corner-aligned ones reach -1 and 1 themselves."""
    if corner_aligned:
        return torch.linspace(-1.0, 1.0, count, device=like.device, dtype=like.dtype)
    centres = torch.arange(count, device=like.device, dtype=like.dtype)
    return (2 * centres + 1) / count - 1
