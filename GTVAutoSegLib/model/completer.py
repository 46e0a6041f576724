"""The completer's bundle: ``model.json`` of kind "completer" and one file of safetensors weights.

Nothing here imports torch, so that Slicer's own process can tell whether there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..system.resources import resource_folders
from .bundle import DESCRIPTION, Described, read_described
from .info import Description, NetworkInfo

KIND = "completer"


@dataclass(frozen=True)
class CompleterInfo(Description):
    """``model.json`` of a completer, decoded.

    Attributes:
        kind: "completer".
        network: registry name, arguments and weights of the network.
        size: side of the network's input, pixels.
        data: data sets, their licences and attributions.
        cases: tumours it learned from, by data set.
        metrics: measured figures, with the split they come from.
    """

    kind: str
    network: NetworkInfo
    size: int
    data: str
    cases: dict[str, int]
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError when it is of another kind, or a value makes no sense."""
        if self.kind != KIND:
            raise ValueError(f"kind is '{self.kind}', expected '{KIND}'")
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size is {self.size}, expected a multiple of 16 pixels")
        if len(self.network.files) != 1:
            raise ValueError(f"network has {len(self.network.files)} files, expected one")

    @property
    def weight_files(self) -> tuple[str, ...]:
        """The name of the only one."""
        return self.network.files


CompleterBundle = Described[CompleterInfo]


def shipped_completer() -> Path | None:
    """Folder of the completer that comes with the project; None where it is left out."""
    return next((folder for folder in resource_folders("Completer") if (folder / DESCRIPTION).is_file()), None)


def read_completer(path: str | Path | None = None) -> CompleterBundle:
    """Read a completer's description; the weights are not touched.

    Args:
        path: of its folder or .zip; the shipped one by default.

    Raises:
        ModelError: there is none, or its ``model.json`` is not valid.
    """
    chosen = shipped_completer() if path is None else Path(path)
    if chosen is None:
        raise ModelError("this installation holds no completer; give one that 'gtvautoseg train completer' made")
    return read_described(chosen, CompleterInfo, KIND)
