"""The section for PyTorch: check it, install it with consent, and say what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError

from .failures import Failure
from .job import Ended
from .kept_worker import KEPT_WORKER
from .log_part import LogPart
from .pytorch import extension_is_there, install_commands, probe_answer, probe_command
from .steps import Steps

# Set while Slicer restarts for the PyTorch extension.
CONTINUE_SETTING = "GTVAutoSeg/ContinueInstallingPyTorch"


class SetupPart:
    """Runs the probe and the installation, one at a time.

    Args:
        ui: the panel's widgets.
        log: takes what they print.
        on_devices: called with the devices the probe found.
        on_failure: called when something goes wrong.
        on_busy: called when an installation begins or ends.
    """

    def __init__(
        self,
        ui: Any,
        log: LogPart,
        on_devices: Callable[[list[dict[str, Any]]], None],
        on_failure: Callable[[Failure], None],
        on_busy: Callable[[], None],
    ) -> None:
        self._ui, self._log = ui, log
        self._on_devices, self._on_failure, self._on_busy = on_devices, on_failure, on_busy
        self._steps: Steps | None = None
        self.installing = False
        self.answer: dict[str, Any] | None = None
        ui.torchStatus.text = _("PyTorch was not checked yet.")
        ui.checkTorchButton.connect("clicked(bool)", self.probe)
        ui.installTorchButton.connect("clicked(bool)", self.install)

    def start(self) -> None:
        """What happens when the user first opens the module: look for PyTorch, or go on installing it."""
        if slicer.util.settingsValue(CONTINUE_SETTING, False, slicer.util.toBool) and extension_is_there():
            slicer.app.settings().remove(CONTINUE_SETTING)
            self.install()
        elif self.answer is None:
            self.probe()

    def probe(self) -> None:
        """Look for PyTorch and try it on every device."""
        self._ui.torchStatus.text = _("Checking PyTorch...")
        self._run(lambda: [probe_command()], self._probed)

    def install(self) -> None:
        """Install PyTorch after the user has agreed."""
        self._install(again=False)

    def reinstall(self) -> None:
        """Remove PyTorch and install it again after the user has agreed."""
        self._install(again=True)

    def abort(self) -> None:
        """End what is running."""
        if self._steps is not None:
            self._steps.abort()

    def _install(self, again: bool) -> None:
        if slicer.util.mainWindow() is None or self.installing:
            return
        if not extension_is_there():
            self._install_extension()
            return
        question = _(
            "PyTorch will be downloaded and installed into this Slicer. It takes about 1 GB for the CPU and up to 6 GB "
            "for a GPU, and some minutes. Slicer can be used meanwhile."
        )
        if not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Install PyTorch")):
            return
        self.abort()  # a probe's answer will be out of date
        KEPT_WORKER.end()  # Windows cannot replace the files it has open
        self._set_installing(True)
        self._ui.torchStatus.text = _("Installing PyTorch; the log shows how far it is...")
        self._run(lambda: install_commands(again), self._installed)

    def _install_extension(self) -> None:
        question = _("The extension 'PyTorch' is needed. Install it now? Slicer restarts, and then goes on here.")
        if slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Install PyTorch")):
            slicer.app.settings().setValue(CONTINUE_SETTING, True)
            slicer.app.extensionsManagerModel().installExtensionFromServer("PyTorch")

    def _run(self, make_commands: Callable[[], list[list[str]]], then: Callable[[Ended], None]) -> None:
        if self._steps is not None:
            return

        def finished(ended: Ended) -> None:
            self._steps = None
            if not ended.cancelled:
                then(ended)

        try:
            self._steps = Steps(make_commands(), self._log.add, finished)
        except GTVAutoSegError as error:
            failure = Failure.of(error)
            self._set_installing(False)
            self._ui.torchStatus.text = failure.message
            self._on_failure(failure)
            return
        self._steps.follow()

    def _probed(self, ended: Ended) -> None:
        answer = probe_answer(ended)
        if isinstance(answer, Failure):
            self._ui.torchStatus.text = str(answer)
            self._on_failure(answer)
            return
        self.answer = answer
        self._ui.torchStatus.text = describe_probe(answer)
        self._on_devices(answer["devices"])

    def _installed(self, ended: Ended) -> None:
        self._set_installing(False)
        if ended.exit_code == 0:
            self.probe()
            return
        failure = install_failure(ended)
        self.answer = None  # what an earlier check found may be there no more
        self._ui.torchStatus.text = str(failure)
        self._on_failure(failure)

    def _set_installing(self, installing: bool) -> None:
        self.installing = installing
        self._ui.installTorchButton.enabled = not installing
        self._ui.checkTorchButton.enabled = not installing
        self._on_busy()


def describe_probe(answer: dict[str, Any]) -> str:
    """Version, build and verdict on every device, one a line."""
    build = _("CUDA {version}").format(version=answer["cuda"]) if answer["cuda"] else _("without CUDA")
    lines = [_("PyTorch {version}, {build}").format(version=answer["torch"], build=build)]
    for device in answer["devices"]:
        verdict = _("works") if device["usable"] else _("does not work: {reason}").format(reason=device["reason"])
        name = device["id"] if device["id"].upper() == device["name"] else f"{device['id']} {device['name']}"
        lines.append(f"{name}: {verdict}")
    return "\n".join(lines)


def install_failure(ended: Ended) -> Failure:
    """Why pip did not install PyTorch, from its last error line."""
    errors = [line for line in ended.lines if "ERROR" in line or "Error" in line]
    cause = errors[-1].strip() if errors else _("exit code {code}").format(code=ended.exit_code)
    text = "\n".join(ended.lines)
    # pip may have removed what was there before, or left PyTorch without what the worker needs beside it.
    hint = _("Until it is, nothing can be segmented: install again; if that fails too, give the log to IT support.")
    if "WinError 206" in text or "path too long" in text.lower():
        hint = _("The paths are too long for Windows: install Slicer into a short folder such as C:\\Slicer.")
    elif "SSL" in text or "ProxyError" in text:
        hint = _("The network did not let the download through: ask for the proxy's settings or its certificate.")
    return Failure("install", _("PyTorch could not be installed ({cause})").format(cause=cause), hint, text)
