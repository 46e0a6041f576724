"""The completer's bundle: ``model.json`` of kind "completer" and one file of safetensors weights.

Nothing here imports torch, so that Slicer's own process can tell whether there is one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..system.json_text import parse_json
from ..system.resources import resource_folders
from .bundle import DESCRIPTION, check_weight_files, checked_member, parsed_description, read_member
from .info import NetworkInfo

KIND = "completer"


@dataclass(frozen=True)
class CompleterInfo:
    """``model.json`` of a completer, decoded.

    Attributes:
        schema: as for any bundle.
        kind: "completer".
        id: its name.
        title: for people.
        version: of the weights.
        licence: of the weights.
        intended_use: what it may be used for.
        network: registry name, arguments and weights of the network.
        size: side of the network's input, pixels.
        data: data sets, their licences and attributions.
        cases: tumours it learned from, by data set.
        sha256: of the weight file.
        metrics: measured figures, with the split they come from.
    """

    schema: int
    kind: str
    id: str
    title: str
    version: str
    licence: str
    intended_use: str
    network: NetworkInfo
    size: int
    data: str
    cases: dict[str, int]
    sha256: dict[str, str]
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError when it is of another kind, or a value makes no sense."""
        if self.kind != KIND:
            raise ValueError(f"kind is '{self.kind}', expected '{KIND}'")
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size is {self.size}, expected a multiple of 16 pixels")
        if len(self.network.files) != 1:
            raise ValueError(f"network has {len(self.network.files)} files, expected one")


@dataclass(frozen=True)
class CompleterBundle:
    """A completer on disk whose ``model.json`` is valid.

    Attributes:
        path: the folder or .zip.
        info: its description.
        digest: sha256 of ``model.json``, which in turn holds that of the weights.
    """

    path: Path
    info: CompleterInfo
    digest: str

    def weights(self, name: str) -> bytes:
        """Content of the weight file, checked against its sha256; raises ModelError."""
        return checked_member(self.path, name, self.info.sha256)

    @property
    def identity(self) -> dict[str, str]:
        """What results say of it."""
        return {"id": self.info.id, "version": self.info.version, "digest": self.digest}


def shipped_completer() -> Path | None:
    """Folder of the completer that comes with the project; None where it is left out."""
    folders = resource_folders("Completer")
    return next((folder for folder in folders if (folder / DESCRIPTION).is_file()), None)


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
    content = read_member(chosen, DESCRIPTION)
    where = str(chosen / DESCRIPTION)
    try:
        data = parse_json(content)
    except ValueError as error:
        raise ModelError(f"{where} is not JSON ({error}); install the completer again") from error
    if isinstance(data, dict) and data.get("kind") != KIND:
        raise ModelError(f"{where} describes no completer, expected the kind '{KIND}'; give a completer's folder")
    info = parsed_description(CompleterInfo, data, where)
    check_weight_files(where, info.network.files, info.sha256)
    return CompleterBundle(chosen, info, hashlib.sha256(content).hexdigest())
