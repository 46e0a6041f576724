"""Where the module's files lie: beside it when installed, one folder up in the source tree."""

from __future__ import annotations

from pathlib import Path


def resource_path(name: str) -> str:
    """Path of a file or folder under ``Resources``; a string, as Qt wants it.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    module = Path(__file__).resolve().parents[1]
    for folder in (module, module.parent):
        path = folder / "Resources" / name
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"Resources/{name} is neither in {module} nor in {module.parent}; install GTVAutoSeg again")
