"""Installing PyTorch through the PyTorch extension: the command lines, and what is put right once they have ended."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import slicer

from ..failures import Failure
from ..resources import resource_path
from ..run import python_slicer
from . import torch_remains

# Slicer's own packages, which its other modules rely on in just these versions.
KEPT = ("numpy", "scipy", "SimpleITK", "pydicom")

# A child does it: several GB in thousands of files take longer than the window may stand still.
REMOVE = "import shutil, sys; [shutil.rmtree(folder, ignore_errors=True) for folder in sys.argv[1:]]"


class Installation:
    """One installation. PyTorch's packages are downloaded before anything that is there is touched.

    Args:
        again: replace a PyTorch that is there.

    Attributes:
        commands: what is to be run, one after the other. The extension knows which build fits the driver; its own
            installer would import PyTorch into Slicer at the end.

    Raises:
        Failure: with code "install" when the installation cannot begin: the extension is of a version we do not know,
            or there is no network.
    """

    def __init__(self, again: bool) -> None:
        torch = _extension_arguments()
        self._folder = Path(tempfile.mkdtemp(prefix="GTVAutoSeg-", dir=slicer.app.temporaryPath))
        self._aside: Path | None = None
        try:
            self._aside = _set_aside(torch_remains.site_packages())
            self.commands = self._make_commands(torch, again)
        except BaseException:
            self.settle()
            raise

    def _make_commands(self, torch: list[str], again: bool) -> list[list[str]]:
        python = python_slicer.python_slicer()
        constraint = ["--constraint", str(_write_constraints(self._folder / "constraints.txt"))]
        install = [python, "-m", "light_the_torch", "install", *constraint]
        # Without the other packages first, which --force-reinstall would replace as well.
        steps = [[*install, "--force-reinstall", "--no-deps", *torch]] if again else []
        steps.append([*install, *torch])
        aside = torch_remains.aside_folders(torch_remains.site_packages())
        if aside:
            steps.insert(1, [python, "-c", REMOVE, *(slicer.util.longPath(str(folder)) for folder in aside)])
        requirements = ["--only-binary", ":all:", "--requirement", resource_path("requirements.txt")]
        return [*steps, [python, "-m", "pip", "install", *constraint, *requirements]]

    def settle(self) -> None:
        """Once the commands have ended, well or not: put back what was set aside for nothing, remove our own files."""
        if self._aside is not None:
            with contextlib.suppress(OSError):
                torch_remains.put_back(self._aside)
        shutil.rmtree(self._folder, ignore_errors=True)


def _extension_arguments() -> list[str]:
    """What the extension asks of light-the-torch for this computer: torch itself and options, no other package."""
    try:
        from PyTorchUtils import PyTorchUtilsLogic

        PyTorchUtilsLogic._installLightTheTorch()
        given = [str(argument) for argument in PyTorchUtilsLogic._getPipInstallArguments()]
    except (AttributeError, ImportError, TypeError) as error:
        raise _unknown_extension(error) from error
    except subprocess.CalledProcessError as error:
        raise Failure(
            "install",
            f"PyTorch's installer light-the-torch could not be installed ({error}), expected a network that lets pip "
            "download; see the Python console, then install again",
            details=str(error.output or ""),
        ) from error
    arguments = kept_arguments(given)
    if not arguments:
        raise _unknown_extension(f"it gave {given}")
    return arguments


def kept_arguments(given: Sequence[str]) -> list[str]:
    """The torch requirement and the options of a pip command line; [] when it names no torch.

    torchvision is not needed, and a numpy that goes with an old torch would replace Slicer's own.
    """
    torch = [argument for argument in given if re.fullmatch(r"torch\s*([\[<>=!~@;].*)?", argument)]
    return [*torch, *(argument for argument in given if argument.startswith("--"))] if torch else []


def _unknown_extension(reason: object) -> Failure:
    return Failure(
        "install",
        f"this version of the PyTorch extension is not known here ({reason}); install PyTorch in the module "
        "'PyTorch Utils' instead",
    )


def _write_constraints(path: Path) -> Path:
    """A file that lets pip install no other version of Slicer's packages than those that are there."""
    lines = []
    for name in KEPT:
        # A package that pip knows nothing of cannot be constrained, and is not replaced unless PyTorch asks for it.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            if version := importlib.metadata.version(name):  # None where its metadata are gone
                lines.append(f"{name}=={version}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _set_aside(site: Path) -> Path | None:
    try:
        return torch_remains.set_aside(site)
    except OSError as error:
        raise Failure(
            "install",
            f"the damaged PyTorch in {site} could not be moved out of the way ({error.strerror or error}), expected a "
            "folder that may be written and files that no program uses; restart Slicer, then install again",
        ) from error
