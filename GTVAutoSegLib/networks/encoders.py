"""Encoders that the slice classifier and SANet take by name.

Each is called with ``in_channels``, ``width`` and ``dilate_last``, and has four stages, at 1/4, 1/8, 1/16 and 1/32 of
the input size; with ``dilate_last`` the last one stays at 1/16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .baselines.swin import Swin
from .blocks import Encoder
from .efficientnet import EfficientNetLite0
from .resnet import Bottleneck, ResNet

ENCODERS: dict[str, Callable[..., Encoder]] = {
    "resnet18": ResNet,
    "resnet34": partial(ResNet, counts=(3, 4, 6, 3)),
    "resnet50": partial(ResNet, block=Bottleneck, counts=(3, 4, 6, 3)),
    "swin": Swin,
    "efficientnet-lite0": EfficientNetLite0,
    "efficientnet-lite0-short": partial(EfficientNetLite0, last=1),
}


def build_encoder(name: str, in_channels: int, width: int, *, dilate_last: bool = False) -> Encoder:
    """Build an encoder.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in ENCODERS:
        raise ValueError(f"encoder '{name}' is unknown; expected one of {', '.join(ENCODERS)}")
    return ENCODERS[name](in_channels, width, dilate_last=dilate_last)
