"""Tiny model bundles with random weights, for tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from GTVAutoSegLib.cascade.completion.features import CHANNELS
from GTVAutoSegLib.images.segment_info import GTV_TERMINOLOGY
from GTVAutoSegLib.networks import CLASSIFIERS, COMPLETERS, SEGMENTERS


def make_bundle(
    folder: Path, *, width: int = 4, size: int = 64, bias: float = 0.0, in_channels: int = 1, **changes
) -> Path:
    """Write a bundle named after the folder.

    Args:
        folder: made; its name becomes the model's id.
        width: of both networks.
        size: of the network input.
        bias: added to the tumour logits of both networks: large finds tumour everywhere, small nowhere.
        in_channels: of both networks.
        changes: replaced keys of model.json.
    """
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    arguments = {"in_channels": in_channels, "width": width}
    networks = {
        "classifier": CLASSIFIERS["resnet18"](**arguments),
        "segmenter": SEGMENTERS["sanet"](**arguments),
    }
    for name, network in networks.items():
        network.head.bias.data[1] += bias
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    write_description(folder, size=size, arguments=arguments, **changes)
    return folder


def write_description(folder: Path, *, size: int, arguments: dict, **changes) -> None:
    """Write model.json with the right sha256 for the weights that are there."""
    description = {
        "schema": 1,
        "id": folder.name,
        "title": "Random cascade for tests",
        "version": "1.0.0",
        "licence": "CC0",
        "intended_use": "tests",
        "task": {
            "id": "test",
            "site": "Phantom",
            "roi": "GTVp",
            "terminology": GTV_TERMINOLOGY,
            "color": [0.9, 0.2, 0.2],
        },
        "preprocessing": {"window": [-160, 240], "size": size},
        "classifier": {"network": "resnet18", "arguments": arguments, "files": ["classifier.safetensors"]},
        "segmenter": {"network": "sanet", "arguments": arguments, "files": ["segmenter.safetensors"]},
        "training_data": {
            "description": "none",
            "cases": 0,
            "spacing_mm": [[0.5, 5], [0.5, 5], [0.5, 10]],
            "extent_mm": [[1, 2000], [1, 2000], [1, 2000]],
            "hu_percentiles": [[-1000, -1000], [100, 300]],
        },
        "metrics": {},
    }
    description.update(changes)
    description["sha256"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.safetensors"))
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2))


def make_completer(folder: Path, *, correction: float = 0.0, width: int = 2, size: int = 32, **changes) -> Path:
    """Write a completer's bundle; untrained it interpolates.

    Args:
        folder: made; its name becomes the id.
        correction: added to the logit of every pixel in its square: large fills the square, very negative empties it.
        width: of the network.
        size: of its input.
        changes: replaced keys of model.json.
    """
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    arguments = {"in_channels": CHANNELS, "width": width}
    network = COMPLETERS["completer-unet"](**arguments)
    network.head.bias.data[0] = correction
    save_file(network.state_dict(), folder / "completer.safetensors")
    description = {
        "schema": 1,
        "kind": "completer",
        "id": folder.name,
        "title": "Random completer for tests",
        "version": "1.0.0",
        "licence": "CC0",
        "intended_use": "tests",
        "network": {"network": "completer-unet", "arguments": arguments, "files": ["completer.safetensors"]},
        "size": size,
        "data": "none",
        "cases": {},
        "sha256": {
            "completer.safetensors": hashlib.sha256((folder / "completer.safetensors").read_bytes()).hexdigest()
        },
        **changes,
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2))
    return folder
