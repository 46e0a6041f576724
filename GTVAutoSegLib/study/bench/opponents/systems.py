"""Other systems to compare with. They run in this Python: both systems then compute with the same build of torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from ....errors import InputError


@dataclass(frozen=True)
class Opponent:
    """Another system: its title for people, and the package that it is."""

    title: str
    package: str


OPPONENTS = {
    "nnunet": Opponent("nnU-Net 2.8.1, 3d_fullres, one fold, no mirroring", "nnunetv2"),
    "segresnet": Opponent("MONAI 1.6.1, SegResNet, 16 filters, 96 x 96 x 96", "monai"),
}


def check_installed(name: str) -> None:
    """Raise InputError unless the system's package is there."""
    package = OPPONENTS[name].package
    if find_spec(package) is None:
        raise InputError(
            f"{name} is measured with the package {package}, which is not installed; run: pip install "
            "'gtvautoseg[opponents]', in an environment of its own (docs/results/nnunet.md), or leave it out"
        )
