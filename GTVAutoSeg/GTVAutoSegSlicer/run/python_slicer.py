"""Slicer's Python as a command: where it is, and the environment the library needs in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import slicer

import GTVAutoSegLib
from GTVAutoSegLib.errors import RunError


def python_slicer() -> str:
    """Path of the PythonSlicer executable.

    Raises:
        RunError: this Slicer has none.
    """
    folder = Path(slicer.app.slicerHome) / "bin"
    found = shutil.which("PythonSlicer") or shutil.which("PythonSlicer", path=str(folder))
    if found is None:
        raise RunError(f"PythonSlicer was not found on the search path or in {folder}; install Slicer again")
    return found


def worker_command(*arguments: str) -> list[str]:
    """Command line of the library's worker process."""
    return [python_slicer(), "-m", "GTVAutoSegLib.commands.worker", *arguments]


def library_command(*arguments: str) -> list[str]:
    """Command line of one of the library's commands."""
    return [python_slicer(), "-m", "GTVAutoSegLib", *arguments]


def child_environment() -> dict[str, str]:
    """This process's environment with the library on the child's path; our own is left as it is."""
    library_parent = str(Path(GTVAutoSegLib.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (library_parent, inherited))),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        # Packages in the user's home are for another Python.
        "PYTHONNOUSERSITE": "1",
    }
