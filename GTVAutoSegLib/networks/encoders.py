"""Encoders that the slice classifier and SANet take by name.

Each is called with ``in_channels``, ``width`` and ``dilate_last``, and has four stages, at 1/4, 1/8, 1/16 and 1/32 of
the input size; with ``dilate_last`` the last one stays at 1/16.
"""

from __future__ import annotations

from collections.abc import Callable

from .baselines.swin import Swin
from .blocks import Encoder
from .efficientnet import EfficientNetLite0
from .origin import Origin, variant
from .resnet import Bottleneck, ResNet

RESNET50 = Origin(ResNet.ORIGIN.paper, "as resnet18; the stride lies in the 3 x 3 convolution")
SHORT = Origin(EfficientNetLite0.ORIGIN.paper, "as efficientnet-lite0, with one block of 192 channels instead of four")
ENCODERS: dict[str, Callable[..., Encoder]] = {
    "resnet18": ResNet,
    "resnet34": variant(ResNet, Origin(ResNet.ORIGIN.paper, "as resnet18"), counts=(3, 4, 6, 3)),
    "resnet50": variant(ResNet, RESNET50, block=Bottleneck, counts=(3, 4, 6, 3)),
    "swin": Swin,
    "efficientnet-lite0": EfficientNetLite0,
    "efficientnet-lite0-short": variant(EfficientNetLite0, SHORT, last=1),
}


def build_encoder(name: str, in_channels: int, width: int, *, dilate_last: bool = False) -> Encoder:
    """Build an encoder.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in ENCODERS:
        raise ValueError(f"encoder '{name}' is unknown; expected one of {', '.join(ENCODERS)}")
    return ENCODERS[name](in_channels, width, dilate_last=dilate_last)
