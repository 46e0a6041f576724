"""SANet: dilated ResNet18, pyramid pooling and three spatial alignment modules (paper section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import conv_bn, conv_bn_relu
from .resnet import ResNet18

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
        resized = [F.interpolate(p, size=size, mode="bilinear", align_corners=False) for p in pooled]
        return self.dropout(self.bottleneck(torch.cat([*resized, x], dim=1)))


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
        upsampled = F.interpolate(self.squeeze_coarse(coarse), size=size, mode="bilinear", align_corners=False)
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


class SANet(nn.Module):
    """Second network of the cascade: outlines the tumour on one axial slice.

    Args:
        in_channels: channels of the input slice.
        width: channels of the encoder's first stage (64 in the paper: 12,712,770 parameters); the decoder has
            twice as many.
        classes: logits per pixel; 2 is background / tumour.
        compat: follow the authors' code where it differs from the paper's equations: see `SpatialAlignment`, and
            a corner-aligned final upsampling.
    """

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2, *, compat: bool = False) -> None:
        super().__init__()
        self.compat = compat
        self.encoder = ResNet18(in_channels, width, dilate_last=True)
        depth = 2 * width
        lateral_channels = self.encoder.channels[:3]
        self.pyramid = PyramidPooling(self.encoder.channels[3], depth)
        self.laterals = nn.ModuleList([conv_bn_relu(c, depth, bias=True) for c in lateral_channels])
        self.alignments = nn.ModuleList([SpatialAlignment(depth, compat=compat) for _ in lateral_channels])
        self.smoothings = nn.ModuleList([conv_bn_relu(depth, depth, 3) for _ in lateral_channels])
        self.fusion = conv_bn_relu(4 * depth, depth, 3)
        self.head = nn.Conv2d(depth, classes, 1)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes, H, W); any H and W from 32 upwards."""
        *shallow, deep = self.encoder(x)
        current = self.pyramid(deep)
        levels = [current]
        for index in (2, 1, 0):
            lateral = self.laterals[index](shallow[index])
            current = lateral + self.alignments[index](lateral, current)
            levels.append(self.smoothings[index](current))
        size = levels[-1].shape[2:]
        coarse = [F.interpolate(level, size=size, mode="bilinear", align_corners=False) for level in levels[:-1]]
        logits = self.head(self.fusion(torch.cat([levels[-1], *coarse[::-1]], dim=1)))
        return F.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=self.compat)

    def _initialise(self) -> None:
        decoder = (self.pyramid, self.laterals, self.alignments, self.smoothings, self.fusion)
        for part in decoder:
            for module in part.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_uniform_(module.weight, mode="fan_in", nonlinearity="relu")
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.head.weight)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)
        for module in self.modules():
            if isinstance(module, SpatialAlignment) and not self.compat:
                nn.init.zeros_(module.flow.weight)


def _grid_coordinates(count: int, corner_aligned: bool, like: Tensor) -> Tensor:
    """Coordinates of ``count`` pixel centres in [-1, 1]; corner-aligned ones reach -1 and 1 themselves."""
    if corner_aligned:
        return torch.linspace(-1.0, 1.0, count, device=like.device, dtype=like.dtype)
    centres = torch.arange(count, device=like.device, dtype=like.dtype)
    return (2 * centres + 1) / count - 1
