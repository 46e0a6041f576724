"""Files shipped in ``Resources``, and tasks and presets of a user's own; reading them needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from .json_text import read_json
from .settings import parse_settings

T = TypeVar("T")


def load_resource(cls: type[T], name: str, kind: str, complete: Callable[[Any], Any] = lambda data: data) -> T:
    """Read a settings dataclass from ``Resources/<kind>/<name>.json`` or, when the name ends in .json, from that file.

    Args:
        cls: the dataclass.
        name: of the shipped file, or path of another.
        kind: "Tasks" or "Presets".
        complete: adds to the parsed JSON what the file may leave out.

    Raises:
        InputError: there is none, or a key or value in it is wrong; the message names it and lists what is allowed.
    """
    path, data = read_resource(name, kind)
    return _parsed(cls, complete(data), path)


def read_resource(name: str, kind: str) -> tuple[Path, Any]:
    """Path and decoded JSON of what `load_resource` makes a dataclass of; keys and values are not looked at.

    Raises:
        InputError: there is none, or it is no JSON.
    """
    known = shipped(kind)
    path = Path(name) if name.endswith(".json") else known.get(name)
    what = kind.lower().removesuffix("s")
    if path is None:
        raise InputError(
            f"{what} '{name}' does not exist; expected the path of a .json file or one of: {', '.join(known)}"
        )
    return path, _decoded(path, what)


def read_json_settings(cls: type[T], path: Path) -> T:
    """Read a settings dataclass from a .json file.

    Raises:
        InputError: it cannot be read, or a key or value in it is wrong; the message names it and lists what is allowed.
    """
    return _parsed(cls, _decoded(path, "training"), path)


def _parsed(cls: type[T], data: Any, path: Path) -> T:
    try:
        return parse_settings(cls, data, str(path))
    except ValueError as error:
        raise InputError(f"{error}; correct it in {path.name}") from error


def _decoded(path: Path, what: str) -> Any:
    try:
        return read_json(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected the .json file of a {what}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); correct it") from error


def shipped(kind: str) -> dict[str, Path]:
    """Files of ``Resources/<kind>`` by their names without suffix."""
    return {path.stem: path for folder in resource_folders(kind) for path in sorted(folder.glob("*.json"))}


def resource_folders(kind: str) -> list[Path]:
    """Where ``Resources/<kind>`` may be: beside the library in the source tree and in Slicer, inside it in a wheel."""
    library = Path(__file__).resolve().parents[1]
    return [parent / "Resources" / kind for parent in (library.parent, library)]
