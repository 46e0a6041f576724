"""PyTorch: whether it works, and getting it through the PyTorch extension. Slicer's process never imports it."""

from __future__ import annotations

import subprocess
from typing import Any

from GTVAutoSegLib.errors import RunError

from . import python_slicer
from .failures import Failure, failure_of
from .job import Ended
from .resources import resource_path


def probe_command() -> list[str]:
    """Command line that tries PyTorch on every device."""
    return python_slicer.worker_command("probe")


def probe_answer(ended: Ended) -> dict[str, Any] | Failure:
    """What the probe found: torch, cuda and devices; or why there is nothing."""
    return failure_of(ended) or ended.result or {}


def extension_is_there() -> bool:
    """Whether the PyTorch extension is installed and loaded."""
    try:
        import PyTorchUtils  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def install_commands(again: bool) -> list[list[str]]:
    """Command lines that install PyTorch for this computer's GPU, and what the worker needs beside it.

    The extension knows which build fits the driver; its own installer would import PyTorch into Slicer at the end.

    Args:
        again: remove what is there first.

    Raises:
        RunError: the extension is of a version we do not know.
        Failure: with code "install" when the extension cannot get its installer, as without a network.
    """
    from PyTorchUtils import PyTorchUtilsLogic

    python = python_slicer.python_slicer()
    try:
        PyTorchUtilsLogic._installLightTheTorch()
        arguments = list(PyTorchUtilsLogic._getPipInstallArguments())
    except (AttributeError, TypeError) as error:
        raise RunError(
            f"this version of the PyTorch extension is not known here ({error}); install PyTorch in the module "
            "'PyTorch Utils' instead"
        ) from error
    except subprocess.CalledProcessError as error:
        raise Failure(
            "install",
            f"PyTorch's installer light-the-torch could not be installed ({error}), expected a network that lets pip "
            "download; see the Python console, then install again",
            details=str(error.output or ""),
        ) from error
    arguments = [argument for argument in arguments if not argument.startswith("torchvision")]
    removal = [[python, "-m", "pip", "uninstall", "--yes", "torch"]] if again else []
    requirements = resource_path("requirements.txt")
    return [
        *removal,
        [python, "-m", "light_the_torch", *arguments],
        [python, "-m", "pip", "install", "--only-binary", ":all:", "--requirement", requirements],
    ]
