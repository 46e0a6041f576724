"""Files of one trained network: where training stands, the best weights, the log. Each appears whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..errors import InputError, RunError
from ..system.files import whole_file, write_text
from ..system.json_text import parse_json
from ..system.leftovers import FILE_PREFIX

STATE, WEIGHTS, LOG = "state.pt", "weights.safetensors", "log.jsonl"
COUNTERS = {"history", "step", "best", "best_epoch"}  # of every state, beside networks and optimiser


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write where training stands; tensors, numbers, strings, lists and dicts only."""
    with whole_file(folder / STATE) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # what PyTorch makes of a full disk
            raise OSError(errno.EIO, "PyTorch could not write all of it") from error


def load_state(folder: Path) -> dict[str, Any] | None:
    """Read it back; None when there is none. Nothing in the file is executed.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        # PyTorch's own words are a page of advice for programmers.
        raise RunError(f"{path} is damaged; delete {folder} to train this network anew") from error
    if not isinstance(state, dict) or not state.keys() >= COUNTERS:
        raise RunError(f"{path} holds no training; delete {folder} to train this network anew")
    return state


def is_finished(folder: Path) -> bool:
    """Whether the network's training came to its end: its state holds no more than the log."""
    state = load_state(folder)
    return state is not None and "network" not in state


def check_untouched(network: Path, folder: Path) -> None:
    """Raise InputError, which names a folder, where the training of a network in it was begun."""
    if (network / STATE).exists():
        raise InputError(
            f"{folder} holds a training that was begun or finished; add --resume to continue the run, or give another "
            "folder"
        )


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process was writing."""
    for leftover in folder.glob(f"{FILE_PREFIX}*"):
        leftover.unlink(missing_ok=True)


def save_weights(folder: Path, network: nn.Module) -> None:
    """Write the weights of the best epoch so far."""
    with whole_file(folder / WEIGHTS) as temporary:
        _write_tensors(temporary, network.state_dict())


def write_halved(path: Path, folder: Path) -> None:
    """Write the best weights of a network in float16, for a bundle: half the size, and as good.

    Raises:
        RunError: they are missing or damaged.
    """
    _write_tensors(path, {name: _halved(value) for name, value in load_weights(folder).items()})


def _halved(value: Tensor) -> Tensor:
    """The tensor in float16, unless a number is too large for it."""
    half = value.half() if value.dtype == torch.float32 else value
    return half if bool(torch.isfinite(half).all()) else value


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file with the rights of any other; ``save_file`` would keep it to its owner."""
    path.write_bytes(save({name: value.contiguous() for name, value in tensors.items()}))


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Read them back.

    Raises:
        RunError: they are missing or damaged.
    """
    path = folder / WEIGHTS
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} is damaged ({error}); delete {folder} to train this network anew") from error


def save_log(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write one JSON object an epoch."""
    write_text(folder / LOG, "".join(json.dumps(record) + "\n" for record in history))


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read the log; empty when there is none.

    Raises:
        RunError: it is damaged.
    """
    path = folder / LOG
    if not os.path.lexists(path):
        return []
    try:
        history = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if not all(isinstance(record, dict) for record in history):
            raise ValueError("a line of it is no JSON object")
        return history
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}); delete {folder} to train this network anew") from error
