"""The section for PyTorch: check it, install it with consent, and say what was found."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError

from ..failures import Failure
from ..run.ended import Ended, was_killed
from ..run.job import KEPT_WORKER
from ..setup.installation import KEPT, Installation
from ..setup.pytorch import extension_is_there, probe_answer, probe_command
from ..setup.steps import Steps
from .failure_card import FailureCard
from .running.log_part import LogPart
from .widgets import confirmed

# Set while Slicer restarts for the PyTorch extension.
CONTINUE_SETTING = "GTVAutoSeg/ContinueInstallingPyTorch"

IDLE, PROBING, INSTALLING = "idle", "probing", "installing"


class SetupPart:
    """Runs the probe and the installation, one at a time, and no installation beside a run.

    Args:
        ui: the panel's widgets.
        log: takes what they print.
        card: hidden when an installation begins, since what it offers is out of date then.
        on_devices: called with the devices the probe found.
        on_failure: called when something goes wrong.
        on_busy: called when the probe or an installation begins or ends.
    """

    def __init__(
        self,
        ui: Any,
        log: LogPart,
        card: FailureCard,
        on_devices: Callable[[list[dict[str, Any]]], None],
        on_failure: Callable[[Failure], None],
        on_busy: Callable[[], None],
    ) -> None:
        self._ui, self._log, self._card = ui, log, card
        self._on_devices, self._on_failure, self._on_busy = on_devices, on_failure, on_busy
        self._state = IDLE
        self._locked = False
        self._steps: Steps | None = None
        self._installation: Installation | None = None
        self.answer: dict[str, Any] | None = None
        self.has_torch = True  # until it was looked for in vain
        ui.torchStatus.text = _("PyTorch was not checked yet.")
        ui.checkTorchButton.connect("clicked(bool)", self.probe)
        ui.installTorchButton.connect("clicked(bool)", self.install)

    @property
    def installing(self) -> bool:
        """Whether PyTorch is being installed."""
        return self._state == INSTALLING

    def lock(self, running: bool) -> None:
        """Allow no installation while a run goes on: Windows cannot replace the files its worker has open."""
        self._locked = running
        self._ui.installTorchButton.enabled = not running and not self.installing
        self._ui.checkTorchButton.enabled = not self.installing

    def start(self) -> None:
        """What happens when the user first opens the module: look for PyTorch, or go on installing it."""
        if self._state != IDLE:
            return
        if slicer.util.settingsValue(CONTINUE_SETTING, False, slicer.util.toBool) and extension_is_there():
            slicer.app.settings().remove(CONTINUE_SETTING)
            self.install()
        elif self.answer is None:
            self.probe()

    def probe(self) -> None:
        """Look for PyTorch and try it on every device."""
        if self._state == IDLE:
            self._run(PROBING, _("Checking PyTorch..."), lambda: [probe_command()], self._probed)

    def install(self) -> None:
        """Install PyTorch after the user has agreed."""
        self._install(again=False)

    def reinstall(self) -> None:
        """Replace the PyTorch that is there after the user has agreed."""
        self._install(again=True)

    def abort(self) -> None:
        """End what is running."""
        if self._steps is not None:
            self._steps.abort()

    def _install(self, again: bool) -> None:
        if slicer.util.mainWindow() is None or self.installing or self._locked:
            return
        if not extension_is_there():
            self._install_extension()
            return
        question = _(
            "PyTorch will be downloaded and installed into this Slicer. It takes about 1 GB for the CPU and up to 6 GB "
            "for a GPU, and some minutes. Slicer can be used meanwhile."
        )
        if not confirmed(question, _("Install PyTorch")):
            return
        self.abort()  # a probe's answer will be out of date
        KEPT_WORKER.end()  # Windows cannot replace the files it has open
        self._card.hide()
        text = _("Installing PyTorch; the log shows how far it is...")
        self._run(INSTALLING, text, lambda: self._prepare(again), self._installed)

    def _prepare(self, again: bool) -> list[list[str]]:
        self._installation = Installation(again)
        return self._installation.commands

    def _install_extension(self) -> None:
        """Let the extensions manager install the extension: it asks by itself, and may restart Slicer at its end."""
        slicer.app.settings().setValue(CONTINUE_SETTING, True)
        if slicer.app.extensionsManagerModel().installExtensionFromServer("PyTorch"):
            self._ui.torchStatus.text = _(
                "The extension 'PyTorch' is installed. Restart Slicer and open this module again: then PyTorch itself "
                "can be installed."
            )
            return
        slicer.app.settings().remove(CONTINUE_SETTING)
        message = _(
            "The extension 'PyTorch' was not installed: that was declined, or Slicer's extensions server cannot be "
            "reached; try again, or install the extension from a file in the Extensions Manager"
        )
        self._fail(Failure("install", message))

    def _run(
        self, state: str, text: str, prepare: Callable[[], list[list[str]]], then: Callable[[Ended], None]
    ) -> None:
        """Carry out command lines; whatever comes of it, the state is idle again at their end."""
        self._set_state(state)
        self._ui.torchStatus.text = text

        def finished(ended: Ended) -> None:
            self._steps = None
            installation, self._installation = self._installation, None
            if installation is not None:
                installation.settle()
            self._set_state(IDLE)
            if not ended.cancelled:
                then(ended)

        try:
            self._steps = Steps(prepare(), self._log.add, finished)
        except Exception as error:  # the extension's helpers may raise anything
            self._set_state(IDLE)
            self._fail(not_begun(error, state))
        else:
            self._steps.follow()

    def _fail(self, failure: Failure) -> None:
        self._ui.torchStatus.text = str(failure)
        self._on_failure(failure)

    def _probed(self, ended: Ended) -> None:
        answer = probe_answer(ended)
        self.has_torch = not isinstance(answer, Failure)
        if isinstance(answer, Failure):
            self._fail(answer)
        else:
            self.answer = answer
            self._ui.torchStatus.text = describe_probe(answer)
            self._on_devices(answer["devices"])
        self._on_busy()

    def _installed(self, ended: Ended) -> None:
        if ended.exit_code == 0:
            self.probe()
            return
        self.answer = None  # what an earlier check found may be there no more
        self._fail(install_failure(ended))

    def _set_state(self, state: str) -> None:
        self._state = state
        self.lock(self._locked)
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


def not_begun(error: Exception, state: str) -> Failure:
    """Why there is nothing to carry out."""
    if isinstance(error, GTVAutoSegError):
        failure = Failure.of(error)
        # "run" would offer to run again.
        return failure if state == PROBING or failure.code == "install" else Failure("install", failure.message)
    what = _("PyTorch could not be checked") if state == PROBING else _("PyTorch's installation could not begin")
    advice = _("restart Slicer and try again, and report it with the details if it happens again")
    message = f"{what} ({type(error).__name__}: {error}); {advice}"
    return Failure("internal" if state == PROBING else "install", message, details=traceback.format_exc())


def install_failure(ended: Ended) -> Failure:
    """Why pip did not install PyTorch, from its last error line."""
    text = "\n".join(ended.lines)
    errors = [line for line in ended.lines if "ERROR" in line or "Error" in line]
    if "ResolutionImpossible" in text:
        kept = ", ".join(KEPT)
        cause = next((line for line in errors if "Cannot install" in line), errors[-1]).strip()
        message = _(
            "No PyTorch was found that goes with the {packages} Slicer came with, which are never replaced ({cause}); "
            "install the newest Slicer"
        )
        return Failure("install", message.format(packages=kept, cause=cause), details=text)
    is_offline = any(word in text for word in ("SSL", "ProxyError", "NewConnectionError"))
    if "NewConnectionError" in text:
        cause = _("the server cannot be reached")  # light-the-torch goes on, and ends with a TypeError
    elif was_killed(ended):
        cause = _("the operating system ended it, most often because memory ran out")
    else:
        cause = errors[-1].strip() if errors else _("exit code {code}").format(code=ended.exit_code)
    hint = _(
        "Install again; if that fails too, give the log to IT support. After a failed download a PyTorch that worked "
        "before still does."
    )
    if "WinError 206" in text or "path too long" in text.lower():
        hint = _("The paths are too long for Windows: install Slicer into a short folder such as C:\\Slicer.")
    elif is_offline:
        hint = _("The network did not let the download through: ask for the proxy's settings or its certificate.")
    return Failure("install", _("PyTorch could not be installed ({cause})").format(cause=cause), hint, text)
