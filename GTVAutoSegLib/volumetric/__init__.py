"""3D systems to compare the cascade with: trained on volumes, and giving masks on each CT's own grid.

One system is trained by `train_system` into a folder, opened again by `load_system`, and run by `predict_case`::

    train_system("vnet3d", training, validation, settings, folder, fabric, resume=False)
    system = load_system(folder, "auto")
    mask = predict_case(system, read_volume(case.image))  # uint8 (z, y, x), as `metrics.compare` takes it

``SYSTEMS`` names them. "nnunet3d" and "vbnet3d" have two stages: a coarse network sees the whole volume at low
resolution, a fine one sees patches inside the box of what the coarse one found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from .dataset import Case
from .training.presets import TrainSettings
from .volume import Volume

COARSE, FINE = "coarse", "fine"
# Names of the networks, and the stages that each system trains.
SYSTEMS: dict[str, tuple[str, ...]] = {
    "vnet3d": (FINE,),
    "nnunet3d": (COARSE, FINE),
    "vbnet3d": (COARSE, FINE),
}


@dataclass(frozen=True)
class VolumeSettings:
    """How a 3D system sees volumes and is trained.

    Attributes:
        training: hyper-parameters of every stage; ``batch`` counts patches, at least 2.
        window: lowest and highest HU.
        patch: voxels (z, y, x) of a patch of the fine network, y as large as x.
        spacing_mm: (x, y, z) of the grid that patches are taken from; None is the median of the training cases.
        coarse: voxels (z, y, x) that the whole volume is resized to for the coarse network, y as large as x.
        patches: drawn from each training case in an epoch.
        theta: Balance-Sampling Strategy for patches: patches anywhere for each one around tumour; "n": all anywhere.
        margin_mm: around the box of what the coarse network found.
        overlap: of neighbouring patches in prediction, as a fraction of the patch.
        width: channels of the networks' first level; None is that of the paper's table 2.
        seed: of initialisation, patches and augmentation.
    """

    training: TrainSettings = field(default_factory=lambda: TrainSettings(batch=2))
    window: tuple[float, float] = (-160.0, 240.0)
    patch: tuple[int, int, int] = (32, 128, 128)
    spacing_mm: tuple[float, float, float] | None = None
    coarse: tuple[int, int, int] = (64, 128, 128)
    patches: int = 4
    theta: str = "1"
    margin_mm: float = 20.0
    overlap: float = 0.5
    width: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class System:
    """A trained 3D system, in evaluation mode on its device.

    Attributes:
        name: key of `SYSTEMS`.
        settings: with ``spacing_mm`` as trained.
        networks: by stage.
        device: where it runs.
    """

    name: str
    settings: VolumeSettings
    networks: dict[str, nn.Module]
    device: torch.device


def train_system(
    name: str,
    training: Sequence[Case],
    validation: Sequence[Case],
    settings: VolumeSettings,
    folder: Path,
    fabric: Fabric,
    *,
    resume: bool = False,
    title: str = "",
) -> None:
    """Train all stages of a system, or continue to.

    Args:
        name: key of `SYSTEMS`.
        training: cases to learn from.
        validation: cases to choose the best epoch on.
        settings: what to train with.
        folder: of this system alone; gets ``system.json`` and, for each stage, what `training.loop.fit` writes.
        fabric: device, precision and processes.
        resume: continue a training that was begun; one that is finished stays as it is.
        title: begins the line that shows progress; the system's name by default.

    Raises:
        InputError: a case cannot be used, MONAI is missing, no case shows tumour, or the folder holds another training.
        RunError: training failed.
    """
    raise NotImplementedError


def load_system(folder: Path, device: str = "auto") -> System:
    """Open what `train_system` has finished.

    Raises:
        InputError: the folder holds no finished system.
        DeviceError: there is no such device.
    """
    raise NotImplementedError


def predict_case(system: System, volume: Volume) -> np.ndarray:
    """Segment a CT.

    Args:
        system: trained.
        volume: the CT.

    Returns:
        uint8 mask (z, y, x) on the CT's own grid; empty when nothing was found.

    Raises:
        InputError: the volume cannot be a CT of a patient.
        RunError: memory ran out, or the networks gave values that are no numbers.
    """
    raise NotImplementedError
