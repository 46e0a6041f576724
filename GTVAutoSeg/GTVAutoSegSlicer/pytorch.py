"""PyTorch: whether it works, and getting it through the PyTorch extension. Slicer's process never imports it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from GTVAutoSegLib.errors import RunError

from . import python_slicer
from .child import Child
from .failures import Failure, failure_of
from .job import Ended, Job
from .poller import Poller
from .resources import resource_path


class Steps:
    """Command lines run one after the other in child processes; a failed one is the last.

    Args:
        commands: the command lines.
        on_line: called with each line they print.
        on_finished: called once, with the last step's end.
    """

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        on_line: Callable[[str], None],
        on_finished: Callable[[Ended], None],
    ) -> None:
        self._commands = list(commands)
        self._on_line, self._on_finished = on_line, on_finished
        self._poller = Poller(self.poll)
        self._start_next()

    def follow(self) -> None:
        """Let Qt's event loop carry the steps on."""
        self._poller.start()

    def poll(self) -> bool:
        """Carry the steps on without waiting; return whether the last has ended."""
        job = self._job
        return job.poll() and self._job is job

    def abort(self) -> None:
        """End now."""
        self._commands.clear()
        self._job.kill()

    def _start_next(self) -> None:
        command = self._commands.pop(0)
        self._job = Job(
            Child(command, python_slicer.child_environment()),
            on_event=lambda event: None,  # noqa: ARG005  only the last event counts
            on_line=self._on_line,
            on_ended=self._ended,
        )

    def _ended(self, ended: Ended) -> None:
        if self._commands and ended.exit_code == 0 and not ended.cancelled:
            self._start_next()
            return
        self._poller.stop()
        self._on_finished(ended)


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
