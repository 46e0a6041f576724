"""Where the shipped models, tasks and presets lie."""

from __future__ import annotations

from pathlib import Path


def resource_folders(kind: str) -> list[Path]:
    """Where ``Resources/<kind>`` may be: beside the library in the source tree and in Slicer, inside it in a wheel."""
    library = Path(__file__).resolve().parent
    return [parent / "Resources" / kind for parent in (library.parent, library)]
