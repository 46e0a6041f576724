"""The 3D networks, by name; a cascade has one for each of its stages, all of the same kind."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from .nnunet import NNUNet3D
from .vbnet import VBNet3D
from .vnet import VNet3D

# Each maps (N, C, D, H, W) of any size to logits (N, 2, D, H, W).
VOLUME_NETWORKS: dict[str, Callable[..., nn.Module]] = {"vnet3d": VNet3D, "nnunet3d": NNUNet3D, "vbnet3d": VBNet3D}
