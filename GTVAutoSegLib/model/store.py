"""Installing, removing and exporting model bundles; versions are in `versions`. Does not need torch."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from ..errors import InputError, ModelError
from ..system.files import check_writable, restore_folder, whole_file, whole_folder, write_json, written
from ..system.json_text import read_json
from ..system.leftovers import remove_folder
from ..system.names import RESERVED
from .bundle import (
    DESCRIPTION,
    Bundle,
    find_model,
    iterate_bundles,
    model_folders,
    read_bundle,
    read_member,
    user_folder,
    verify_model,
)
from .kept import ADVICE, keep_aside

# An id becomes the name of a folder on every system.
ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
SHIPPED_FOLDERS = 2


def install_model(source: str | Path, folder: Path | None = None) -> Bundle:
    """Copy a bundle to where models are found by id; it appears whole or not at all.

    Args:
        source: the bundle's folder or .zip, or the id of one.
        folder: where models are kept; by default `user_folder`, made when it is not there. Another model of the same
            id in it is kept aside, see `versions`.

    Returns:
        The installed bundle.

    Raises:
        ModelError: there is no such bundle, it is damaged, or its id cannot name a folder.
        InputError: it is already there.
        DiskError: it could not be written; nothing has changed.
    """
    folder = user_folder() if folder is None else folder
    bundle = verify_model(source)
    name = bundle.info.id
    if not re.fullmatch(ID_PATTERN, name) or name.endswith(".") or RESERVED.fullmatch(name):
        raise ModelError(
            f"{bundle.path} has the id '{name}', expected up to 63 letters, digits, '.', '_' and '-', and not what "
            "Windows calls a device; ask its maker for another one"
        )
    target = folder / name
    if target.exists() and target.samefile(bundle.path):
        raise InputError(f"{bundle.path} is installed already; give a bundle from somewhere else")
    return put_in_place(bundle, target)


def put_in_place(bundle: Bundle, target: Path) -> Bundle:
    """Copy a verified bundle to a folder; another model that lies there is kept aside first.

    Raises:
        DiskError: it could not be written; what lay there is still there.
    """
    with written(target.parent, ADVICE):
        target.parent.mkdir(parents=True, exist_ok=True)
        restore_folder(target)
        if _digest(target) != bundle.digest:
            keep_aside(target)
        with whole_folder(target, ADVICE) as fresh:
            (fresh / DESCRIPTION).write_bytes(read_member(bundle.path, DESCRIPTION))
            for name in bundle.info.weight_files:
                (fresh / name).write_bytes(bundle.weights(name))
    return read_bundle(target)


def set_aside(target: Path) -> None:
    """Take an installed bundle out of use, and keep it.

    Raises:
        DiskError: the folder could not be changed.
    """
    with written(target.parent, ADVICE):
        restore_folder(target)
        if keep_aside(target) is not None:
            _discard(target)


def displaced_model(source: str | Path, folder: Path | None = None) -> Bundle | None:
    """The model that the id of a bundle stands for now, and no longer once the bundle is installed.

    Returns:
        That model, in whatever folder; None where there is none, or the same one.

    Raises:
        ModelError: there is no such bundle, or its description is damaged.
    """
    bundle = read_bundle(source)
    for place in dict.fromkeys([user_folder() if folder is None else folder, *model_folders()]):
        for path in iterate_bundles([place]):
            try:
                other = read_bundle(path)
            except ModelError:
                continue  # it is of no use, and installing may mend it
            if other.info.id == bundle.info.id:
                return None if other.digest == bundle.digest else other
    return None


def remove_model(model: str | Path, folder: Path | None = None) -> Path:
    """Remove an installed bundle.

    Args:
        model: its id or path.
        folder: where the user keeps models, if that is not one of `model_folders`.

    Returns:
        Where it was.

    Raises:
        ModelError: there is no such bundle.
        InputError: it was shipped with GTVAutoSeg, or lies outside the folders for models.
        DiskError: it could not be removed.
    """
    by_id = folder / model if folder is not None else None
    path = find_model(by_id if by_id is not None and by_id.exists() else model).resolve()
    folders = [place.resolve() for place in model_folders()]
    if is_shipped(path):
        raise InputError(f"model '{model}' is shipped with GTVAutoSeg; only models installed later can be removed")
    if path.parent not in folders and (folder is None or path.parent != folder.resolve()):
        raise InputError(f"{path} lies outside the folders for models; delete it yourself if it is not needed")
    with written(path.parent, ADVICE):
        _discard(path)
    return path


def is_shipped(path: Path) -> bool:
    """Whether a bundle came with GTVAutoSeg."""
    return path.resolve().parent in [place.resolve() for place in model_folders()[-SHIPPED_FOLDERS:]]


def export_model(model: str | Path, path: Path) -> Path:
    """Write a bundle as a .zip that `install_model` takes; whole or not at all.

    Returns:
        ``path``.

    Raises:
        ModelError: there is no such bundle, or it is damaged.
        InputError: the path does not end in .zip, or cannot be written.
        DiskError: the disk is full.
    """
    if path.suffix != ".zip":
        raise InputError(f"{path} does not end in .zip; give the exported model a name that does")
    check_writable(path)
    bundle = verify_model(model)
    # Weights do not compress.
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        # ZipInfo brings a time of its own: the clock may be wrong, and ZIP knows none before 1980.
        archive.writestr(zipfile.ZipInfo(DESCRIPTION), read_member(bundle.path, DESCRIPTION), zipfile.ZIP_DEFLATED)
        for name in bundle.info.weight_files:
            archive.writestr(zipfile.ZipInfo(name), bundle.weights(name))
    return path


def record_metrics(model: str | Path, metrics: dict[str, Any]) -> Path:
    """Write measured figures into a bundle's description, beside those already there; see `record`."""
    return record(model, "metrics", {**read_bundle(model).info.metrics, **metrics})


def record(model: str | Path, key: str, value: dict[str, Any]) -> Path:
    """Replace one key of a bundle's description.

    Returns:
        Path of the description.

    Raises:
        ModelError: there is no such bundle, or it is damaged.
        InputError: it is a .zip, or its folder is not writable.
        DiskError: it could not be written; nothing has changed.
    """
    path = check_recordable(model)
    data = read_json(path)
    data[key] = value
    write_json(path, data)
    return path


def check_recordable(model: str | Path) -> Path:
    """Check before figures are measured that `record` can write them into a bundle's description; return its path.

    Raises:
        ModelError: there is no such bundle, or it is damaged.
        InputError: it is a .zip, or its folder is not writable.
    """
    bundle = read_bundle(model)
    if not bundle.path.is_dir():
        raise InputError(f"{bundle.path} is a .zip, whose description cannot be changed; unpack it first")
    check_writable(bundle.path / DESCRIPTION)
    return bundle.path / DESCRIPTION


def _digest(path: Path) -> str:
    """Of a bundle; "" where there is none or it is damaged."""
    try:
        return read_bundle(path).digest
    except ModelError:
        return ""


def _discard(path: Path) -> None:
    if path.is_file():
        path.unlink()
        return
    remove_folder(path)
