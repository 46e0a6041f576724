"""Beginning with the weights of a model instead of random ones: for groups with few patients of their own."""

from __future__ import annotations

from dataclasses import replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from ..errors import InputError, ModelError
from ..model.bundle import Bundle
from ..model.stages import CascadeStage
from .data.tasks import Task


def began_with(task: Task, start: Bundle) -> Task:
    """The task with the model named in its ``data``, from where model, report and ``run.json`` have it.

    The data a model was trained on, with their licence and attribution, are in every model that began with it.
    """
    info = start.info
    origin = f"began with the weights of {info.id} {info.version} ({start.digest[:12]}), whose data are"
    return replace(task, data=f"{task.data}; {origin}: {info.training_data.description}")


def first_network(task: Task, stage: str, start: Bundle | None) -> nn.Module:
    """The network of a stage as its training begins.

    Args:
        task: with the size and width that are trained.
        stage: "classifier" or "segmenter".
        start: the model whose weights it has, or None for random ones.

    Raises:
        InputError: the model's network is another than the task's, or there are several.
        ModelError: its weights are missing or damaged.
    """
    network = task.build(stage)
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
    try:
        weights = load(start.weights(info.files[0]))
    except SafetensorError as error:
        raise ModelError(f"{start.path / info.files[0]} is damaged ({error}); install the model again") from error
    wanted = CascadeStage(stage).of(task).network
    # What has no weights, such as dropout, may differ.
    if info.network != wanted or _shapes(weights) != _shapes(network.state_dict()):
        raise InputError(
            f"the {stage} of {start.path} is {info.network} {info.arguments}, the task asks for {wanted} "
            f"{task.arguments(stage)}; a training can only begin with weights of the same network, so change the task "
            "or leave --start-from out"
        )
    network.load_state_dict(weights)


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}
