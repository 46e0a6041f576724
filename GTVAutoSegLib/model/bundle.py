"""The model bundle: a folder, or its .zip, with ``model.json`` and safetensors weights.

Nothing here imports torch, so that Slicer's own process can list and verify bundles.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import InputError, ModelError
from ..system.json_text import parse_json
from ..system.leftovers import sweep
from ..system.resources import resource_folders
from ..system.settings import parse_settings
from .info import Description, ModelInfo

SCHEMA = 1
DESCRIPTION = "model.json"
FOLDER_VARIABLE = "GTVAUTOSEG_MODELS"
# A small .zip can unpack to anything, and Slicer's own process lists what lies in the folders for models: a description
# has some kilobytes, the largest networks here 130 MB.
MOST_DESCRIPTION_BYTES = 1 << 20
MOST_WEIGHT_BYTES = 1 << 30
MOST_WEIGHT_FILES = 64


D = TypeVar("D", bound=Description)
D_co = TypeVar("D_co", bound=Description, covariant=True)


@dataclass(frozen=True)
class Described(Generic[D_co]):
    """A bundle on disk whose ``model.json`` is valid; `digest` identifies it in results.

    Attributes:
        path: the folder or .zip.
        info: its description.
        digest: sha256 of ``model.json``, which in turn holds those of the weights.
    """

    path: Path
    info: D_co
    digest: str

    @property
    def identity(self) -> dict[str, str]:
        """What results say of it."""
        return {"id": self.info.id, "version": self.info.version, "digest": self.digest}

    def weights(self, name: str) -> bytes:
        """Content of a weight file, checked against its sha256.

        Raises:
            ModelError: the file is missing, truncated or tampered with.
        """
        content, expected = read_member(self.path, name), self.info.sha256[name]
        digest = hashlib.sha256(content).hexdigest()
        if digest != expected:
            raise ModelError(
                f"{self.path / name} has sha256 {digest[:12]}..., model.json expects {expected[:12]}...: the file is "
                "damaged or was changed; install the model again"
            )
        return content


Bundle = Described[ModelInfo]


def model_folders() -> list[Path]:
    """Where bundles are looked for by id, first hit wins.

    The folder named by the environment variable GTVAUTOSEG_MODELS, the user's own, and the shipped ones.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    folders = [Path(chosen)] if chosen else []
    with suppress(InputError):  # a user without a home, as in a container, has no models of their own
        folders.append(user_folder())
    return [*folders, *resource_folders("Models")]


def user_folder() -> Path:
    """Where `install_model` puts bundles unless told otherwise; raises InputError for a user without a home folder."""
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "share") / "GTVAutoSeg" / "Models"
    except RuntimeError:
        raise InputError(
            "there is no home folder to keep models in (HOME is not set); expected one, so set HOME, or name a folder "
            f"in {FOLDER_VARIABLE} and install into it"
        ) from None


def iterate_bundles(
    folders: Sequence[Path] | None = None, on_unreadable: Callable[[Path, OSError], None] | None = None
) -> Iterator[Path]:
    """Paths of all bundles in the folders (default: `model_folders`), each id once, valid or not.

    Args:
        folders: where to look; one that does not exist holds none.
        on_unreadable: called with a folder that was skipped because it cannot be read, as a shared drive that is away.
    """
    seen = set()
    for folder in model_folders() if folders is None else folders:
        try:
            if folder.is_dir():
                sweep(folder)  # what an installation that was killed was about to replace goes back to its place
            paths = sorted(folder.iterdir()) if folder.is_dir() else []
        except OSError as error:
            if on_unreadable is not None:
                on_unreadable(folder, error)
            continue
        for path in paths:
            # Hidden: what an installation that was killed left behind.
            if not path.name.startswith(".") and _bundle_id(path) and _bundle_id(path) not in seen:
                seen.add(_bundle_id(path))
                yield path


def find_model(model: str | Path) -> Path:
    """Path of a bundle given by path or id.

    Raises:
        ModelError: there is none; the message lists the ids that exist.
    """
    path = Path(model)
    if _bundle_id(path):
        return path
    available = {_bundle_id(bundle): bundle for bundle in iterate_bundles()}
    if str(model) in available:
        return available[str(model)]
    if _exists(path):
        raise ModelError(f"{path} is not a model bundle: it holds no {DESCRIPTION}; give a bundle's folder or .zip")
    known = ", ".join(sorted(filter(None, available))) or "none is installed"
    raise ModelError(f"model '{model}' does not exist; expected a bundle's folder or .zip, or one of: {known}")


def read_bundle(model: str | Path) -> Bundle:
    """Find a bundle and read its description; the weights are not touched.

    Raises:
        ModelError: no such bundle, or its ``model.json`` is not valid.
    """
    return read_described(find_model(model), ModelInfo, "model")


def read_described(path: Path, cls: type[D], kind: str) -> Described[D]:
    """Read the description of a bundle of any kind.

    Args:
        path: its folder or .zip.
        cls: the dataclass of its ``model.json``.
        kind: what it describes, "model" or "completer".

    Raises:
        ModelError: there is no ``model.json``, it is not valid, or describes something else.
    """
    content = read_member(path, DESCRIPTION)
    where = str(path / DESCRIPTION)
    try:
        data = parse_json(content)
    except ValueError as error:
        raise ModelError(f"{where} is not JSON ({error}); install the {kind} again") from error
    found = data.get("kind", "model") if isinstance(data, dict) else kind
    if found != kind:
        raise ModelError(f"{where} describes a {found}, expected a {kind}; give the folder or .zip of a {kind}")
    version = data.get("schema") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise ModelError(f"{where} has schema {version!r}, this version reads {SCHEMA}; install a matching {kind}")
    try:
        info = parse_settings(cls, data, where)
    except ValueError as error:
        raise ModelError(f"{error}; install the {kind} again") from error
    _check_weight_files(where, info)
    return Described(path, info, hashlib.sha256(content).hexdigest())


def _check_weight_files(where: str, info: Description) -> None:
    """Raise ModelError for too many weight files, a name of no file beside ``model.json``, or one without sha256."""
    if len(info.weight_files) > MOST_WEIGHT_FILES:
        raise ModelError(
            f"{where} names {len(info.weight_files)} weight files, expected at most {MOST_WEIGHT_FILES}; install "
            "another model"
        )
    for name in info.weight_files:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(f"{where} names the weight file '{name}', expected a plain name ending in .safetensors")
        if name not in info.sha256:
            raise ModelError(f"{where} has no sha256 for {name}; install the model again")


def verify_model(model: str | Path) -> Bundle:
    """Check a bundle: description and the sha256 of every weight file. Does not need torch.

    Raises:
        ModelError: what is wrong, and with which file.
    """
    bundle = read_bundle(model)
    for name in bundle.info.weight_files:
        bundle.weights(name)
    return bundle


def id_of(path: Path) -> str:
    """Id of a bundle by its file name: the folder's name or the .zip's stem."""
    return path.stem if path.suffix == ".zip" else path.name


def _bundle_id(path: Path) -> str | None:
    """The same; None when it is no bundle or cannot be looked at."""
    try:
        is_archive = path.suffix == ".zip" and path.is_file()
        return id_of(path) if is_archive or (path / DESCRIPTION).is_file() else None
    except OSError:
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror or error}), expected a bundle's folder or .zip; check the drive "
            "it lies on"
        ) from error


def read_member(path: Path, name: str) -> bytes:
    """Content of a file of a bundle, given by the path of its folder or .zip; raises ModelError."""
    most = MOST_DESCRIPTION_BYTES if name == DESCRIPTION else MOST_WEIGHT_BYTES
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                member = next((m for m in archive.namelist() if m in (name, f"{path.stem}/{name}")), name)
                with archive.open(member) as file:
                    content = file.read(most + 1)
        else:
            with (path / name).open("rb") as file:
                content = file.read(most + 1)
    except (OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:  # also: encrypted
        raise ModelError(f"{path / name} cannot be read ({error}); install the model again") from error
    if len(content) > most:
        raise ModelError(f"{path / name} unpacks to more than {most >> 20} MiB, expected less; install another model")
    return content
