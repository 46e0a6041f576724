"""Which models there are, and the folder the user keeps theirs in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer

from GTVAutoSegLib.errors import ModelError
from GTVAutoSegLib.images.segment_info import is_gtv
from GTVAutoSegLib.model.bundle import Bundle, id_of, iterate_bundles, model_folders, read_bundle, user_folder

FOLDER_SETTING = "GTVAutoSeg/ModelFolder"


def chosen_folder() -> Path:
    """Where models are installed to: the folder the user chose, else the library's own."""
    return Path(slicer.util.settingsValue(FOLDER_SETTING, "") or user_folder())


def choose_folder(folder: str) -> None:
    """Remember the user's folder."""
    slicer.app.settings().setValue(FOLDER_SETTING, folder)


def bundle_paths(on_unreadable: Callable[[Path, OSError], None] | None = None) -> list[Path]:
    """Every bundle there is, damaged ones too: those that outline a GTV first, the user's folder before others.

    Args:
        on_unreadable: called with each folder that cannot be read.
    """
    # Each folder once: the user's may be among the library's own, and one that is away is slow to say so.
    folders = list(dict.fromkeys([chosen_folder(), *model_folders()]))
    return sorted(iterate_bundles(folders, on_unreadable), key=lambda path: not _outlines_gtv(path))


def find_bundle(model: str | Path = "") -> Bundle:
    """A bundle by id or path; "" takes the first that can be read.

    Raises:
        ModelError: there is no such model, or its description is not valid.
    """
    paths = bundle_paths()
    if model:
        by_id = {id_of(path): path for path in paths}
        return read_bundle(by_id.get(str(model), model))
    for path in paths:
        try:
            return read_bundle(path)
        except ModelError:
            continue
    raise ModelError("no model is installed, expected at least one; install one from its .zip under 'Models'")


def _outlines_gtv(path: Path) -> bool:
    try:
        return is_gtv(read_bundle(path).info.task.roi)
    except ModelError:
        return False
