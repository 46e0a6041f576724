"""Files of one trained network: where training stands, the best weights, the log. Each appears whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from ..errors import RunError
from ..files import whole_file, write_text

STATE, WEIGHTS, LOG = "state.pt", "weights.safetensors", "log.jsonl"
LEFTOVERS = ".gtv-*"  # what `files.whole_file` leaves when its process is killed


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write where training stands; tensors, numbers, strings, lists and dicts only."""
    with whole_file(folder / STATE) as temporary:
        torch.save(state, temporary)


def load_state(folder: Path) -> dict[str, Any] | None:
    """Read it back; None when there is none. Nothing in the file is executed.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise RunError(f"{path} is damaged ({error}); delete {folder} to train this network anew") from error


def is_finished(folder: Path) -> bool:
    """Whether the network's training came to its end: its state holds no more than the log."""
    state = load_state(folder)
    return state is not None and "network" not in state


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process was writing."""
    for leftover in folder.glob(LEFTOVERS):
        leftover.unlink(missing_ok=True)


def save_weights(folder: Path, network: nn.Module) -> None:
    """Write the weights of the best epoch so far."""
    with whole_file(folder / WEIGHTS) as temporary:
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, temporary)


def save_log(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write one JSON object an epoch."""
    write_text(folder / LOG, "".join(json.dumps(record) + "\n" for record in history))


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read the log; empty when there is none."""
    path = folder / LOG
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
