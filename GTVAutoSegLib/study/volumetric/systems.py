"""Which 3D systems there are, how they are set up, and how a trained one is opened."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from ...cascade.device import resolve_device
from ...errors import InputError
from ...networks import build_network
from ...system.json_text import read_json
from ...system.settings import parse_settings
from ...training.checkpoint import WEIGHTS, is_finished
from ...training.data.sampling import RATIOS
from ...training.presets import TrainSettings
from .networks import VOLUME_NETWORKS
from .networks.base import pad_shallow_volumes

COARSE, FINE = "coarse", "fine"
# Names of the networks, and the stages that each system trains.
SYSTEMS: dict[str, tuple[str, ...]] = {
    "vnet3d": (FINE,),
    "nnunet3d": (COARSE, FINE),
    "vbnet3d": (COARSE, FINE),
}
DESCRIPTION = "system.json"
FEWEST_PATCHES = 4


@dataclass(frozen=True)
class VolumeSettings:
    """How a 3D system sees volumes and is trained.

    Attributes:
        training: hyper-parameters of every stage; ``batch`` counts patches, at least 2.
        window: lowest and highest HU.
        patch: voxels (z, y, x) of a patch of the fine network, y as large as x.
        spacing_mm: (x, y, z) of the grid that patches are taken from; None is the median of the training cases.
        coarse: voxels (z, y, x) that the whole volume is resized to for the coarse network, y as large as x.
        patches: drawn from each training case in an epoch; None is as many as cover the cases, and at least
            `FEWEST_PATCHES`.
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
    patches: int | None = None
    theta: str = "1"
    margin_mm: float = 20.0
    overlap: float = 0.5
    width: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        if not self.window[0] < self.window[1]:
            raise ValueError(f"window is {list(self.window)}, expected [low, high] with low < high")
        for name in ("patch", "coarse"):
            depth, height, width = getattr(self, name)
            # A rotated oblong would be sheared.
            if min(depth, height) < 1 or height != width:
                raise ValueError(f"{name} is {[depth, height, width]}, expected [z, y, x] with y as large as x")
        if self.spacing_mm is not None and not min(self.spacing_mm) > 0:
            raise ValueError(f"spacing_mm is {list(self.spacing_mm)}, expected numbers above 0")
        if self.theta not in RATIOS:
            raise ValueError(f"theta is '{self.theta}', expected one of: {', '.join(RATIOS)}")
        if (self.patches is not None and self.patches < 1) or self.margin_mm < 0 or not 0 <= self.overlap < 1:
            raise ValueError(
                f"patches is {self.patches}, margin_mm {self.margin_mm} and overlap {self.overlap}, expected at least "
                "1, at least 0, and from 0 to below 1"
            )


@dataclass(frozen=True)
class Description:
    """What ``system.json`` says.

    Attributes:
        name: key of `SYSTEMS`.
        settings: with ``spacing_mm`` as trained.
        training: names of the cases.
        validation: names of the cases.
    """

    name: str
    settings: VolumeSettings
    training: tuple[str, ...]
    validation: tuple[str, ...]


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


def load_system(folder: Path, device: str = "auto") -> System:
    """Open what `train_system` has finished.

    Raises:
        InputError: the folder holds no finished system, or MONAI is missing.
        DeviceError: there is no such device.
    """
    check_monai()
    found = read_description(folder)
    where = resolve_device(device)
    networks = {}
    for stage in SYSTEMS[found.name]:
        if not is_finished(folder / stage):
            raise InputError(
                f"{folder} holds a {found.name} whose {stage} stage is not finished; continue its training"
            )
        network = build(found.name, found.settings)
        network.load_state_dict(load_file(folder / stage / WEIGHTS))
        networks[stage] = network.eval().to(where)
    return System(found.name, found.settings, networks, where)


def read_description(folder: Path) -> Description:
    """Read ``system.json``.

    Raises:
        InputError: it is not there or damaged.
    """
    path = folder / DESCRIPTION
    try:
        found = parse_settings(Description, read_json(path), DESCRIPTION)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected the folder of a 3D system") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); train into another folder") from error
    check_name(found.name)
    return found


def build(name: str, settings: VolumeSettings) -> nn.Module:
    """A freshly initialised network of one stage."""
    arguments = {} if settings.width is None else {"width": settings.width}
    return pad_shallow_volumes(build_network(VOLUME_NETWORKS, name, arguments))


def check_name(name: str) -> None:
    """Check that there is such a system; raises InputError."""
    if name not in SYSTEMS:
        raise InputError(f"3D system '{name}' is unknown; expected one of {', '.join(SYSTEMS)}")


def check_monai() -> None:
    """Check that MONAI is installed, which all of them need to predict; raises InputError."""
    if find_spec("monai") is None:
        raise InputError("3D systems need monai, which is not installed; run: pip install 'gtvautoseg[baselines]'")


def with_spacing(settings: VolumeSettings, spacing_mm: tuple[float, float, float]) -> VolumeSettings:
    """The settings as trained."""
    return settings if settings.spacing_mm is not None else replace(settings, spacing_mm=spacing_mm)
