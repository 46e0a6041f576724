"""A model bundle of any size without a training: random networks whose last layers are fitted to the phantom.

How long a network takes depends on its shape and not on what it has learnt, but a cascade is only as fast as its
classifier is choosy. The fitted one picks the phantom's positive slices and no other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ...cascade.preprocess import body_box, network_input, stretch_mask
from ...images.segment_info import GTV_TERMINOLOGY
from ...model.bundle import DESCRIPTION, SCHEMA
from ...model.info import ModelInfo, NetworkInfo, TaskInfo, TrainingData
from ...model.precision import Agreement, Calibration
from ...networks import CLASSIFIERS, SEGMENTERS, build_network, channels_last
from ...system.settings import PreprocessSettings
from ...training.results.calibration import measure_ranges
from .phantom import FIELD_MM, SLICE_MM, make_phantom

FIT_SLICES, FIT_POSITIVE = 16, 6
# Every pixel is an example for the segmenter: a few slices, most of them with tumour, are plenty; for calibration too.
FEW_SLICES = slice(4, 12, 2)
# Far enough from 0.5 that neither rounding nor quantisation turns a slice.
LOGIT = 8.0
NOT_COMPARED = Agreement(
    "phantom", cases=0, slices=0, dsc_mean=0.0, dsc_worst=0.0, slices_equal=0.0, recall_fp32=0.0, recall_int8=0.0
)
RIDGE = 1e-2


def write_fitted_bundle(folder: Path, width: int, size: int, side: int, shrink: int = 1) -> None:
    """Write a bundle named after the folder; equal arguments give equal weights on one machine.

    Args:
        folder: made; its name becomes the model's id.
        width: channels of the first stage of both networks.
        size: side of the network input, pixels.
        side: rows and columns of the CT that it is for.
        shrink: argument of the classifier.
    """
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    settings = PreprocessSettings(size=size)
    shared = {"in_channels": settings.channels, "width": width}
    images, masks = _examples(settings, side)
    stages = {
        "classifier": ("resnet18", CLASSIFIERS, {**shared, "shrink": shrink}),
        "segmenter": ("sanet", SEGMENTERS, shared),
    }
    ranges, networks = {}, {}
    for stage, (name, registry, arguments) in stages.items():
        network = channels_last(build_network(registry, name, arguments).eval())
        chosen = FEW_SLICES if stage == "segmenter" else slice(None)
        _fit_head(network, images[chosen], masks[chosen])
        ranges[f"{stage}.safetensors"] = measure_ranges(network, images[FEW_SLICES].split(1))
        weights = {key: value.half().contiguous() for key, value in network.state_dict().items()}
        save_file(weights, folder / f"{stage}.safetensors")
        networks[stage] = NetworkInfo(name, arguments, (f"{stage}.safetensors",))
    info = _describe(folder, settings, networks, Calibration(ranges, NOT_COMPARED))
    (folder / DESCRIPTION).write_text(json.dumps(asdict(info)), encoding="utf-8")


def _examples(settings: PreprocessSettings, side: int) -> tuple[Tensor, Tensor]:
    """Network input (n, 1, N, N) and bool masks (n, N, N) of a small phantom."""
    phantom = make_phantom(FIT_SLICES, FIT_POSITIVE, side, seed=1)
    boxes = [body_box(plane, settings) for plane in phantom.hu]
    images = network_input(phantom.hu, range(FIT_SLICES), boxes, settings)
    masks = [stretch_mask(mask, box, settings.size) for mask, box in zip(phantom.tumour, boxes)]
    return images, torch.from_numpy(np.stack(masks))


@torch.inference_mode()
def _fit_head(network: nn.Module, images: Tensor, masks: Tensor) -> None:
    """Fit the last layer to tell tumour from the rest, by slices for a classifier and by pixels for a segmenter."""
    seen: list[Tensor] = []
    head = cast("nn.Linear", network.get_submodule("head"))  # or a 1 x 1 convolution, with the same parameters
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for image in images:
        network(image[None].contiguous(memory_format=torch.channels_last))
    hook.remove()
    features = torch.cat(seen)
    if features.ndim == 2:
        labels = masks.any(dim=2).any(dim=1)
    else:
        labels = F.interpolate(masks[:, None].float(), size=features.shape[2:], mode="area").flatten() >= 0.5
        features = features.movedim(1, -1).flatten(0, 2)
    direction, bias = _discriminant(features.double(), labels)
    weight = torch.stack([-direction, direction]).to(head.weight.dtype) / 2
    head.weight.copy_(weight.view_as(head.weight))
    head.bias.copy_(torch.stack([-bias, bias]) / 2)


def _discriminant(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Fisher's linear discriminant of (m, C) features: the two class means come to -LOGIT and LOGIT."""
    positive, negative = features[labels].mean(dim=0), features[~labels].mean(dim=0)
    centred = features - torch.where(labels[:, None], positive, negative)
    scatter = centred.T @ centred / len(features)
    spread = (positive - negative).square().mean()
    scatter += RIDGE * (scatter.diagonal().mean() + spread) * torch.eye(len(scatter), dtype=scatter.dtype)
    direction = torch.linalg.solve(scatter, positive - negative)
    direction *= 2 * LOGIT / (direction @ (positive - negative))
    return direction, -direction @ (positive + negative) / 2


def _describe(
    folder: Path, settings: PreprocessSettings, networks: dict[str, NetworkInfo], calibration: Calibration
) -> ModelInfo:
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.safetensors")}
    return ModelInfo(
        schema=SCHEMA,
        id=folder.name,
        title="Random networks fitted to a phantom",
        version="0",
        licence="CC0",
        intended_use="measuring time and memory",
        task=TaskInfo("bench", site="Phantom", roi="GTVp", terminology=GTV_TERMINOLOGY, color=(0.9, 0.2, 0.2)),
        preprocessing=settings,
        classifier=networks["classifier"],
        segmenter=networks["segmenter"],
        training_data=TrainingData(
            description="none",
            cases=0,
            spacing_mm=((0.0, FIELD_MM), (0.0, FIELD_MM), (SLICE_MM, SLICE_MM)),
            extent_mm=((0.0, FIELD_MM), (0.0, FIELD_MM), (0.0, 1e5)),
            hu_percentiles=((-1100.0, -900.0), (0.0, 300.0)),
        ),
        sha256=hashes,
        calibration=calibration,
    )
