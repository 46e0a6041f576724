"""The task that a model is trained for: the selected model's, or a file of the user's own.

As JSON: what it says is checked by the child process, since the library's `Task` needs PyTorch.
What the new model says of its data is the library's, too: `GTVAutoSegLib.training.data.origin`.
"""

from __future__ import annotations

from typing import Any

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.model.info import ModelInfo, NetworkInfo
from GTVAutoSegLib.system.resources import read_resource, shipped
from GTVAutoSegLib.system.settings import as_json

BUILT_IN = ("in_channels", "width")  # arguments of a network that a task gives on its own


def task_of_model(info: ModelInfo) -> dict[str, Any]:
    """The task of a model as JSON: the shipped one of its id, else what its description says of it."""
    if info.task.id in shipped("Tasks"):
        return read_task(info.task.id)
    described = as_json(info.task)
    return {
        **described,
        "title": info.title,
        "intended_use": info.intended_use,
        "preprocessing": as_json(info.preprocessing),
        "classifier": _stage(info.classifier),
        "segmenter": _stage(info.segmenter),
        "width": info.segmenter.arguments.get("width", 32),
        "postprocessing": as_json(info.postprocessing),
    }


def read_task(name: str) -> dict[str, Any]:
    """A task as JSON.

    Args:
        name: of a shipped one, or path of a .json file.

    Raises:
        InputError: it cannot be read, or is none.
    """
    path, data = read_resource(name, "Tasks")
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
        raise InputError(f"{path} is no task: it has no 'id'; see docs/guides/training.md")
    return data


def _stage(network: NetworkInfo) -> dict[str, Any]:
    arguments = {name: value for name, value in network.arguments.items() if name not in BUILT_IN}
    return {
        "network": network.network,
        "arguments": arguments,
        "combine": network.combine,
        "flips": network.flips,
    }
