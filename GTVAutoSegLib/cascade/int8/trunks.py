"""The encoders in 8-bit integers.

Each maps float (N, C, H, W) in [0, 1] to the four stages' features, uint8, and says in ``made`` what the largest of
each stands for and in ``zero`` which level stands for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from ...networks.efficientnet import LEVELS as GROUPS_SHOWN
from ...networks.efficientnet import EfficientNetLite0
from ...networks.resnet import BasicBlock, ResNet
from .layers import LEVELS, MIDDLE, QuantisedConv, level, max_pool, to_levels

Ranges = Mapping[str, float]


class NotQuantisableError(ValueError):
    """There is no 8-bit form of this network; the message says why."""


class QuantisedBlock(nn.Module):
    """`BasicBlock`; ``taken`` is the largest activation it is given."""

    def __init__(self, block: Any, ranges: Ranges, name: str, taken: float) -> None:
        super().__init__()
        inner, made = ranges[f"{name}.conv1"], ranges[name]
        self.conv1 = QuantisedConv(*pair(block.conv1), taken, inner, relu=True)
        if isinstance(block.shortcut, nn.Identity):
            self.shortcut: nn.Module = block.shortcut
            added, zero = taken, 0
        else:
            added, zero = ranges[f"{name}.shortcut"], MIDDLE
            self.shortcut = QuantisedConv(*pair(block.shortcut), taken, added)
        self.conv2 = QuantisedConv(*pair(block.conv2), inner, made, relu=True, added=added, added_zero=zero)

    def forward(self, x: Tensor) -> Tensor:
        """Map uint8 (N, in, H, W) to uint8 (N, out, H / stride, W / stride)."""
        output: Tensor = self.conv2(self.conv1(x), self.shortcut(x))
        return output


class QuantisedResNet(nn.Module):
    """`ResNet` of `BasicBlock`; ``name`` is its name in the network."""

    zero = 0

    def __init__(self, trunk: Any, ranges: Ranges, name: str) -> None:
        super().__init__()
        if not isinstance(trunk.get_submodule("stages.0.0"), BasicBlock):
            raise NotQuantisableError(f"encoder {type(trunk).__name__} of this kind has no 8-bit form")
        taken = ranges[f"{name}.stem.3"]
        self.stem = QuantisedConv(trunk.stem[0], trunk.stem[1], 1.0, taken, relu=True)
        self.stages = nn.ModuleList()
        self.made = []
        for number, stage in enumerate(trunk.stages):
            blocks = nn.Sequential()
            for place, block in enumerate(stage):
                point = f"{name}.stages.{number}.{place}"
                blocks.append(QuantisedBlock(block, ranges, point, taken))
                taken = ranges[point]
            self.stages.append(blocks)
            self.made.append(taken)

    def forward(self, x: Tensor) -> list[Tensor]:
        """See the module."""
        x = max_pool(self.stem(to_levels(x * LEVELS)))
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class QuantisedResidual(nn.Module):
    """`InvertedResidual`, whose output has no activation and lies on both sides of 0.

    ``taken`` is the largest activation it is given, ``zero`` the level that stands for 0 in it.
    """

    def __init__(self, block: Any, ranges: Ranges, name: str, taken: float, zero: int) -> None:
        super().__init__()
        self.expand: nn.Module = nn.Identity()
        first = taken
        if not isinstance(block.expand, nn.Identity):
            first = ranges[f"{name}.expand"]
            self.expand = QuantisedConv(*pair(block.expand), taken, first, relu=True, taken_zero=zero)
        inner, made = ranges[f"{name}.depthwise"], ranges[name]
        self.depthwise = QuantisedConv(*pair(block.depthwise), first, inner, relu=True)
        self.shortcut = block.shortcut
        self.project = QuantisedConv(*pair(block.project), inner, made, added=taken, added_zero=zero)

    def forward(self, x: Tensor) -> Tensor:
        """Map uint8 (N, in, H, W) to uint8 (N, out, H / stride, W / stride) around `MIDDLE`."""
        output: Tensor = self.project(self.depthwise(self.expand(x)), x if self.shortcut else None)
        return output


class QuantisedEfficientNet(nn.Module):
    """`EfficientNetLite0`. Its ReLU6 needs no step of its own: no range is above 6, and uint8 ends there."""

    zero = MIDDLE

    def __init__(self, trunk: Any, ranges: Ranges, name: str) -> None:
        super().__init__()
        taken, zero = ranges[f"{name}.stem"], 0
        self.stem = QuantisedConv(*pair(trunk.stem), 1.0, taken, relu=True)
        self.groups = nn.ModuleList()
        self.made = []
        for number, group in enumerate(trunk.groups):
            blocks = nn.Sequential()
            for place, block in enumerate(group):
                point = f"{name}.groups.{number}.{place}"
                blocks.append(QuantisedResidual(block, ranges=ranges, name=point, taken=taken, zero=zero))
                taken, zero = ranges[point], MIDDLE
            self.groups.append(blocks)
            if number in GROUPS_SHOWN:
                self.made.append(taken)

    def forward(self, x: Tensor) -> list[Tensor]:
        """See the module."""
        x = self.stem(to_levels(x * LEVELS))
        features = []
        for number, group in enumerate(self.groups):
            x = group(x)
            if number in GROUPS_SHOWN:
                features.append(x)
        return features


class FloatEfficientNet(nn.Module):
    """`EfficientNetLite0` in float32, its features in 8 bits."""

    zero = MIDDLE

    def __init__(self, trunk: Any, ranges: Ranges, name: str) -> None:
        super().__init__()
        self.trunk = trunk
        self.made = [ranges[f"{name}.groups.{number}"] for number in GROUPS_SHOWN]

    def forward(self, x: Tensor) -> list[Tensor]:
        """See the module."""
        return [to_levels(values / level(made, MIDDLE) + MIDDLE) for values, made in zip(self.trunk(x), self.made)]


TRUNKS: dict[type[nn.Module], Callable[..., Any]] = {
    ResNet: QuantisedResNet,
    EfficientNetLite0: QuantisedEfficientNet,
}


# A pixel needs more exact features than a whole slice: with these in 8 bits, masks had a DSC of 0.990 with float32's.
FINE_TRUNKS: dict[type[nn.Module], Callable[..., Any]] = {**TRUNKS, EfficientNetLite0: FloatEfficientNet}


def quantised_trunk(trunk: Any, ranges: Ranges, name: str, *, fine: bool = False) -> Any:
    """The 8-bit form of an encoder, ``name`` being its name in the network.

    Args:
        trunk: in evaluation mode.
        ranges: largest activation by point.
        name: of the trunk in the network.
        fine: whether pixels are judged by its features, and not slices.

    Raises:
        NotQuantisableError: there is none.
    """
    known = FINE_TRUNKS if fine else TRUNKS
    if type(trunk) not in known:
        raise NotQuantisableError(f"encoder {type(trunk).__name__} has no 8-bit form")
    return known[type(trunk)](trunk, ranges, name)


def pair(part: Any) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Convolution and normalisation of a layer."""
    return part[0], part[1]
