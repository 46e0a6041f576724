"""Beginning with the weights of a model instead of random ones: for groups with few patients of their own."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..cascade.assembly import load_network
from ..errors import InputError
from ..model.bundle import Bundle
from ..model.stages import CascadeStage
from .data.tasks import REGISTRIES, Task


def first_network(task: Task, stage: str, start: Bundle | None, encoder: Path | None = None) -> nn.Module:
    """The network of a stage as its training begins.

    Args:
        task: with the size and width that are trained.
        stage: "classifier" or "segmenter".
        start: the model whose weights it has, or None for random ones.
        encoder: weights of its encoder, see `take_encoder`.

    Raises:
        InputError: the model's network is another than the task's, or there are several.
        ModelError: its weights are missing or damaged.
    """
    network = task.build(stage)
    if encoder is not None:
        take_encoder(network, encoder, task.preprocessing.grey_channels)
    if start is not None:
        _take_weights(network, task, stage, start)
    return network


def _take_weights(network: nn.Module, task: Task, stage: str, start: Bundle) -> None:
    info = CascadeStage(stage).of(start.info)
    if len(info.files) != 1:
        raise InputError(
            f"{start.path} has {len(info.files)} networks as {stage}, expected one to begin with; give the model of "
            "one fold"
        )
    weights = load_network(start, REGISTRIES[CascadeStage(stage)], info, info.files[0]).state_dict()
    wanted = CascadeStage(stage).of(task).network
    # What has no weights, such as dropout, may differ.
    if info.network != wanted or _shapes(weights) != _shapes(network.state_dict()):
        raise InputError(
            f"the {stage} of {start.path} is {info.network} {info.arguments}, the task asks for {wanted} "
            f"{task.arguments(stage)}; a training can only begin with weights of the same network, so change the task "
            "or leave --start-from out"
        )
    network.load_state_dict(weights)


def take_encoder(network: nn.Module, path: Path, grey: int) -> None:
    """Begin with an encoder that learned from photographs.

    The first kernel's colours are added up and shared out over the grey channels; it was made for values from -1 to 1
    and sees 0 to 1. Channels beyond the grey ones begin at random. What the encoder leaves out of the file is ignored.

    Args:
        network: with an encoder ``encoder`` or ``trunk``.
        path: a .safetensors file, whose names are those of `networks.efficientnet.EfficientNetLite0`.
        grey: channels with grey values.

    Raises:
        InputError: the file cannot be read, or lacks weights of the encoder.
    """
    encoder = network.get_submodule("trunk" if hasattr(network, "trunk") else "encoder")
    try:
        given = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); expected the weights of an encoder, .safetensors"
        ) from error
    own = encoder.state_dict()
    first = next(iter(own))
    if first in given and given[first].shape[2:] == own[first].shape[2:] and len(given[first]) == len(own[first]):
        kernel = own[first].clone()
        kernel[:, :grey] = 2 * given[first].sum(1, keepdim=True) / grey
        given[first] = kernel
    strange = [name for name, value in own.items() if name not in given or given[name].shape != value.shape]
    if strange:
        raise InputError(f"{path} has no weights for {strange[0]} of the encoder; expected those of the same encoder")
    encoder.load_state_dict({name: given[name] for name in own})


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}
