"""The networks, by the names a model bundle uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from .blocks import channels_last
from .resnet import SliceClassifier
from .sanet import SANet

CLASSIFIERS: dict[str, Callable[..., nn.Module]] = {"resnet18": SliceClassifier}
SEGMENTERS: dict[str, Callable[..., nn.Module]] = {"sanet": SANet}


def build_network(registry: dict[str, Callable[..., nn.Module]], name: str, arguments: dict[str, Any]) -> nn.Module:
    """Build a network from its registry name and keyword arguments.

    Raises:
        ValueError: the name is not in the registry, or an argument does not fit.
    """
    if name not in registry:
        raise ValueError(f"network '{name}' is unknown; expected one of {', '.join(sorted(registry))}")
    try:
        return registry[name](**arguments)
    except TypeError as error:
        raise ValueError(f"network '{name}' does not take these arguments: {error}") from error


__all__ = ["CLASSIFIERS", "SEGMENTERS", "SANet", "SliceClassifier", "build_network", "channels_last"]
