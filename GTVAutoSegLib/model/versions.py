"""The versions of a model on this machine, and bringing one back. Does not need torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import InputError, ModelError
from .bundle import Bundle, id_of, iterate_bundles, model_folders, read_bundle, user_folder, verify_model
from .kept import DIGITS, kept_versions
from .store import is_shipped, put_in_place, set_aside

FIRST = "1.0.0"
FEWEST_DIGITS = 4  # of a digest, to name a version by


@dataclass(frozen=True)
class Version:
    """One version of a model.

    Attributes:
        id: of the model.
        version: its number; "" where its description is damaged.
        digest: sha256 of its ``model.json``; "" where that is damaged.
        path: of the bundle.
        current: whether the id stands for this one.
        shipped: whether it came with GTVAutoSeg.
        problem: what is wrong with it, or "".
    """

    id: str
    version: str
    digest: str
    path: Path
    current: bool
    shipped: bool
    problem: str = ""


def versions(model_id: str, folder: Path | None = None) -> list[Version]:
    """Every version of a model: the one in use, those that it hides, those kept aside, the last replaced first.

    Args:
        model_id: id of the model.
        folder: where models are installed; by default `user_folder`.

    Raises:
        ModelError: there is none.
    """
    found: dict[str, Version] = {}
    for path in _paths(model_id, user_folder() if folder is None else folder):
        seen = partial(Version, model_id, path=path, current=not found, shipped=is_shipped(path))
        try:
            bundle = read_bundle(path)
            one = seen(version=bundle.info.version, digest=bundle.digest)
        except ModelError as error:
            one = seen(version="", digest="", problem=str(error))
        found.setdefault(one.digest or str(path), one)
    if not found:
        raise ModelError(f"there is no version of a model '{model_id}'; expected an id of 'gtvautoseg model list'")
    return list(found.values())


def use_version(model_id: str, which: str, folder: Path | None = None) -> Bundle:
    """Let an id stand for another version; the one in use until now is kept aside.

    Args:
        model_id: id of the model.
        which: a version number, or the beginning of a digest.
        folder: as for `versions`.

    Returns:
        The version in use now.

    Raises:
        ModelError: there is no such version, or it is damaged.
        InputError: several versions have that number, or a folder that comes first has a model of that id.
        DiskError: it could not be written; the version in use is still in use.
    """
    folder = user_folder() if folder is None else folder
    chosen = _choose(versions(model_id, folder), model_id, which)
    if chosen.current:
        return verify_model(chosen.path)
    folders = model_folders()
    place = folders.index(folder) if folder in folders else -1
    ahead = _first(model_id, folders[: max(0, place)])
    if ahead is not None:
        raise InputError(
            f"the id '{model_id}' stands for {ahead}, whose folder comes before {folder}; remove it, or install the "
            "version there"
        )
    bundle = verify_model(chosen.path)
    target = folder / model_id
    if _first(model_id, folders[place + 1 :]) == chosen.path:
        set_aside(target)
        return bundle
    return put_in_place(bundle, target)


def next_version(model_id: str, folder: Path | None = None) -> str:
    """A version number that no version of a model on this machine has: the highest with its second part raised."""
    try:
        known = [one.version for one in versions(model_id, folder)]
    except ModelError:
        return FIRST
    major, minor, *_ = (*max(map(_numbers, known), default=(1, 0)), 0, 0)
    return f"{major}.{minor + 1}.0"


def _paths(model_id: str, folder: Path) -> Iterator[Path]:
    for place in dict.fromkeys([*([] if folder in model_folders() else [folder]), *model_folders()]):
        yield from (path for path in iterate_bundles([place]) if id_of(path) == model_id)
    for place in dict.fromkeys([folder, *model_folders()]):
        yield from kept_versions(model_id, place)


def _choose(known: list[Version], model_id: str, which: str) -> Version:
    chosen = [one for one in known if one.version == which]
    if not chosen and len(which) >= FEWEST_DIGITS:
        chosen = [one for one in known if one.digest.startswith(which.lower())]
    there = ", ".join(f"{one.version or 'damaged'} ({one.digest[:DIGITS]})" for one in known)
    if not chosen:
        raise ModelError(f"model '{model_id}' has no version '{which}'; expected one of: {there}")
    if len(chosen) > 1:
        raise InputError(
            f"{len(chosen)} versions of '{model_id}' are {which}; name one by the beginning of its digest: "
            f"{', '.join(one.digest[:DIGITS] for one in chosen)}"
        )
    return chosen[0]


def _first(model_id: str, folders: Sequence[Path]) -> Path | None:
    return next((path for path in iterate_bundles(folders) if id_of(path) == model_id), None)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2]) or (0,)
