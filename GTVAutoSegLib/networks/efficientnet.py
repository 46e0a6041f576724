"""EfficientNet-lite0 as an encoder (Tan and Le 2019; the lite variants have no squeeze-and-excitation, and ReLU6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Encoder
from .origin import Origin

STEM = 32
# Of each group of blocks: expansion, kernel, stride, channels, blocks. The last group (320 channels) and the head are
# left out: two thirds of the original's parameters, of little use on inputs of 128 pixels.
GROUPS = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
)
# Groups after which there is a feature map at 1/4, 1/8, 1/16 and 1/32.
LEVELS = (1, 2, 4, 5)
EPSILON = 1e-3


class Depthwise(nn.Conv2d):
    """A kernel for each channel; in float32 where a CPU trains, whose gradients in bfloat16 take five times as long."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H / stride, W / stride)."""
        if not (self.training and x.device.type == "cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; with a shortcut where the shape stays (Sandler et al. 2018)."""

    def __init__(self, entering: int, leaving: int, expansion: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        inner = entering * expansion
        self.expand = _layer(entering, inner) if expansion > 1 else nn.Identity()
        self.depthwise = _layer(inner, leaving=inner, kernel=kernel, stride=stride, dilation=dilation, groups=inner)
        self.project = _layer(inner, leaving, active=False)
        self.shortcut = stride == 1 and entering == leaving

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, entering, H, W) to (N, leaving, H / stride, W / stride)."""
        y = self.project(self.depthwise(self.expand(x)))
        output: Tensor = x + y if self.shortcut else y
        return output


class EfficientNetLite0(Encoder):
    """The trunk down to 1/32, without its last group and head.

    Args:
        in_channels: channels of the input slice.
        width: not used: the channels are those of the original.
        last: blocks of the last group, 4 in the original.
        dilate_last: keep the last group at 1/16 of the input size and dilate it by 2.
    """

    ORIGIN = Origin(
        "Tan and Le 2019",
        "without its last group of blocks (320 channels) and head; symmetric padding; its channels do not "
        "scale with the width; dropout as resnet18",
    )

    def __init__(self, in_channels: int = 1, width: int = 64, *, last: int = 4, dilate_last: bool = False) -> None:
        super().__init__()
        del width
        self.channels = tuple(GROUPS[level][3] for level in LEVELS)
        self.stem = _layer(in_channels, STEM, 3, 2)
        self.groups = nn.ModuleList()
        entering = STEM
        for number, (expansion, kernel, stride, leaving, count) in enumerate(GROUPS):
            deepest = number == len(GROUPS) - 1
            dilation = 2 if deepest and dilate_last else 1
            blocks = []
            for block in range(last if deepest else count):
                steps = stride if block == 0 and dilation == 1 else 1
                blocks.append(
                    InvertedResidual(
                        entering, leaving=leaving, expansion=expansion, kernel=kernel, stride=steps, dilation=dilation
                    )
                )
                entering = leaving
            self.groups.append(nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, C, H, W) to features at 1/4, 1/8, 1/16 and 1/32 (dilated: 1/16)."""
        x = self.stem(x)
        features = []
        for number, group in enumerate(self.groups):
            x = group(x)
            if number in LEVELS:
                features.append(x)
        return features


def _layer(
    entering: int,
    leaving: int,
    kernel: int = 1,
    stride: int = 1,
    dilation: int = 1,
    *,
    groups: int = 1,
    active: bool = True,
) -> nn.Sequential:
    convolution = Depthwise if groups > 1 else nn.Conv2d
    padding = dilation * (kernel // 2)
    parts: list[nn.Module] = [
        convolution(entering, leaving, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(leaving, eps=EPSILON),
    ]
    return nn.Sequential(*parts, *([nn.ReLU6(inplace=True)] if active else []))
