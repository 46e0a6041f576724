"""The networks, by the names a model bundle uses; ``docs/networks.md`` lists them with their papers.

All take ``in_channels`` of the input slice and ``classes``, logits per pixel or slice; ``width`` counts the channels of
the encoder's first stage, 64 in the papers, where a network's own docstring says nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from .baselines.att_unet import AttUNet
from .baselines.res_unet import ResUNet
from .baselines.sfnet import SFNet
from .baselines.transunet import TransUNet
from .baselines.unet import DeepLabV3Plus, UNet, UNetPlusPlus
from .baselines.utnet import UTNet
from .blocks import channels_last
from .classifier import SliceClassifier
from .completer import CompleterUNet
from .encoders import ENCODERS
from .multitask import MultiTaskSANet
from .sanet import SANet

CLASSIFIERS: dict[str, Callable[..., nn.Module]] = {name: partial(SliceClassifier, encoder=name) for name in ENCODERS}
SEGMENTERS: dict[str, Callable[..., nn.Module]] = {
    "sanet": SANet,
    "sanet-mtl": MultiTaskSANet,
    "unet": UNet,
    "unetpp": UNetPlusPlus,
    "deeplabv3plus": DeepLabV3Plus,
    "att-unet": AttUNet,
    "res-unet": ResUNet,
    "sfnet": SFNet,
    "transunet": TransUNet,
    "utnet": UTNet,
}
# Beyond it a network fits into no memory: a description may come from anywhere.
LARGEST_ARGUMENT = 4096
COMPLETERS: dict[str, Callable[..., nn.Module]] = {"completer-unet": CompleterUNet}


def build_network(registry: dict[str, Callable[..., nn.Module]], name: str, arguments: dict[str, Any]) -> nn.Module:
    """Build a network from its registry name and keyword arguments.

    Raises:
        ValueError: the name is not in the registry, or an argument does not fit.
        ModelError: the network needs a library that is not installed.
    """
    if name not in registry:
        raise ValueError(f"network '{name}' is unknown; expected one of {', '.join(sorted(registry))}")
    for key, value in arguments.items():
        if isinstance(value, int) and value > LARGEST_ARGUMENT:
            raise ValueError(f"network '{name}': {key} is {value}, expected at most {LARGEST_ARGUMENT}")
    try:
        return registry[name](**arguments)
    except TypeError as error:
        raise ValueError(f"network '{name}' does not take these arguments: {error}") from error


__all__ = ["CLASSIFIERS", "COMPLETERS", "SEGMENTERS", "SANet", "SliceClassifier", "build_network", "channels_last"]
