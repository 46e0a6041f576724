"""One CT through a 3D system: coarse network, box, fine network in sliding patches, and back to the CT's grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...cascade.device import describe, is_out_of_memory
from ...errors import OutOfMemoryError, RunError
from ...images.volume import Volume, check_ct
from .grid import Box, body_box, box_around, resize, shape_at, windowed
from .systems import COARSE, FINE, System


@torch.inference_mode()
def predict_case(system: System, volume: Volume) -> np.ndarray:
    """Segment a CT.

    Args:
        system: trained.
        volume: the CT.

    Returns:
        uint8 mask (z, y, x) on the CT's own grid; empty when nothing was found.

    Raises:
        InputError: the volume cannot be a CT of a patient.
        OutOfMemoryError: memory ran out.
        RunError: a network failed, or gave values that are no numbers.
    """
    check_ct(volume)
    image = windowed(volume, system.settings.window)
    try:
        probability = _probability(system, volume, image)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                f"memory ran out on {describe(system.device)} in {system.name}; train it with smaller patches, or use "
                "a device with more memory"
            ) from error
        raise RunError(f"{system.name} failed on {describe(system.device)}: {error}; try device cpu") from error
    if not torch.isfinite(probability).all():
        raise RunError(f"{system.name} gave values that are no numbers on {describe(system.device)}; try device cpu")
    depth, height, width = image.shape
    mask = (resize(probability, (depth, height, width)) >= 0.5).numpy().astype(np.uint8)
    return np.ascontiguousarray(volume.axial.undo(mask))


def _probability(system: System, volume: Volume, image: Tensor) -> Tensor:
    """Of tumour, on the fine grid; float32 (D, H, W) on the CPU."""
    spacing = system.settings.spacing_mm
    assert spacing is not None  # noqa: S101 - written when it was trained
    shape = shape_at(volume, spacing)
    fine, probability = resize(image, shape), torch.zeros(shape)
    box: Box | None = body_box(fine)
    if COARSE in system.networks:
        found = _tumour(system, COARSE, resize(image, system.settings.coarse)[None, None])[0, 0] >= 0.5
        margin = tuple(system.settings.margin_mm / step for step in spacing[::-1])
        box = box_around(found.cpu().numpy(), shape, margin)
    if box is not None:
        probability[box] = slide(system, fine[box])
    return probability


def slide(system: System, image: Tensor) -> Tensor:
    """Probability of tumour by the fine network in overlapping patches, those of each voxel averaged, centres most.

    Args:
        system: trained.
        image: float (D, H, W) in [0, 1], on the fine grid.

    Returns:
        float32 (D, H, W) on the CPU.
    """
    from monai.inferers.utils import sliding_window_inference

    found: Any = sliding_window_inference(  # one tensor for a predictor that gives one
        image[None, None].to(system.device),
        roi_size=system.settings.patch,
        sw_batch_size=1,
        predictor=lambda patches: _tumour(system, FINE, patches),
        overlap=system.settings.overlap,
        mode="gaussian",
    )
    output: Tensor = found[0, 0].float().cpu()
    return output


def _tumour(system: System, stage: str, images: Tensor) -> Tensor:
    """Probability of tumour, (n, 1, D, H, W)."""
    output: Tensor = system.networks[stage](images.to(system.device)).float().softmax(dim=1)[:, 1:]
    return output
