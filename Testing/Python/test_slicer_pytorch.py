"""PyTorch from the panel: checked, installed and installed again, with real steps and a PythonSlicer that is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types

import pytest
from slicer_samples import MODULE, add_ct, process_lives, temporary_folders, use_fake_worker

# What the probe says where there is no PyTorch.
MISSING = {"event": "error", "code": "torch-missing", "message": "torch is not installed", "details": ""}


def test_opening_the_module_looks_for_pytorch_once(load_module, user, until, monkeypatch):
    widget = load_module(MODULE).widget
    use_fake_worker(monkeypatch, "ball")
    monkeypatch.setenv("FAKE_PROBE", json.dumps(MISSING))
    widget.enter()
    until(lambda: not widget.ui.failureCard.isHidden())
    assert widget.ui.failureTitle.text == "PyTorch is not installed"
    answer = {"event": "result", "torch": "2.13.0", "cuda": None, "devices": []}
    monkeypatch.setenv("FAKE_PROBE", json.dumps(answer))
    widget.ui.checkTorchButton.click()
    until(lambda: widget.panel.setup.answer is not None)
    widget.exit()
    widget.enter()
    assert widget.panel.setup._steps is None


@pytest.fixture
def pytorch_extension(monkeypatch, tmp_path, panel, slicer_runtime):
    """The PyTorch extension, and a PythonSlicer that writes down what it is asked to do."""
    from GTVAutoSegSlicer.run import python_slicer
    from GTVAutoSegSlicer.setup import torch_remains

    class PyTorchUtilsLogic:
        @staticmethod
        def _installLightTheTorch():
            pass

        @staticmethod
        def _getPipInstallArguments(backend=None, requirement=None):
            return ["install", "torch", "torchvision"]

    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic))
    record = tmp_path / "commands"
    python = tmp_path / "PythonSlicer"
    python.write_text(f'#!/bin/sh\necho "$@" >> "{record}"\nexit ${{FAKE_EXIT:-0}}\n')
    python.chmod(0o755)
    monkeypatch.setattr(python_slicer, "python_slicer", lambda: str(python))
    monkeypatch.setattr(torch_remains, "site_packages", lambda: tmp_path)
    use_fake_worker(monkeypatch, "ball")
    monkeypatch.setenv("FAKE_PROBE", json.dumps({"event": "result", "torch": "2.13.0", "cuda": None, "devices": []}))
    slicer_runtime.app.testing = False
    return record


def test_pytorch_is_installed_through_its_extension_after_a_question(panel, pytorch_extension, slicer_runtime, until):
    slicer_runtime.dialogs.answers.append(False)
    panel.ui.installTorchButton.click()
    assert not panel.setup.installing
    add_ct()
    panel.ui.installTorchButton.click()
    assert panel.setup.installing
    assert panel.ui.segmentButton.toolTip == "PyTorch is being installed."
    until(lambda: panel.setup.answer is not None)
    assert "about 1 GB" in slicer_runtime.dialogs.texts("question")[0]
    first, second = pytorch_extension.read_text().splitlines()
    assert re.fullmatch(r"-m light_the_torch install --constraint \S+ torch", first)
    assert re.fullmatch(r"-m pip install --constraint \S+ --only-binary :all: --requirement \S+", second)
    assert temporary_folders() == []
    assert panel.ui.torchStatus.text == "PyTorch 2.13.0, without CUDA"
    assert panel.ui.segmentButton.enabled


def test_the_installation_does_not_wait_for_a_check_that_hangs(panel, pytorch_extension, until, monkeypatch):
    from GTVAutoSegSlicer.panel import setup_part

    with monkeypatch.context() as patch:
        patch.setattr(setup_part, "probe_command", lambda: [sys.executable, "-c", "import time; time.sleep(60)"])
        panel.ui.checkTorchButton.click()
    pid = panel.setup._steps._job.child.process.pid
    panel.ui.installTorchButton.click()
    assert not process_lives(pid)
    assert panel.setup.installing
    until(lambda: panel.setup.answer is not None)
    assert "light_the_torch" in pytorch_extension.read_text()


def test_pytorch_is_downloaded_again_before_what_is_there_is_touched(panel, pytorch_extension, until):
    panel.setup.reinstall()
    until(lambda: panel.setup.answer is not None)
    first, second, third = pytorch_extension.read_text().splitlines()
    assert re.fullmatch(r"-m light_the_torch install --constraint \S+ --force-reinstall --no-deps torch", first)
    assert re.fullmatch(r"-m light_the_torch install --constraint \S+ torch", second)
    assert third.startswith("-m pip install ")


def test_a_failed_installation_is_a_card(panel, pytorch_extension, until, monkeypatch):
    monkeypatch.setenv("FAKE_EXIT", "1")
    panel.ui.installTorchButton.click()
    panel.setup.answer = {"torch": "2.0"}
    until(lambda: not panel.setup.installing)
    assert panel.ui.failureTitle.text == "PyTorch was not installed"
    assert "Install again; if that fails too, give the log to IT support." in panel.ui.failureMessage.text
    assert panel.ui.failureActionButton.text == "Install PyTorch..."
    assert panel.setup.answer is None  # asked anew when the module is next opened
    assert len(pytorch_extension.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("ERROR: [WinError 206] The filename or extension is too long", "short folder"),
        ("ERROR: SSLError(CERTIFICATE_VERIFY_FAILED)", "proxy"),
        ("error: [/Slicer/bin/python-real] exit abnormally - Report the problem.", "Install again"),
    ],
)
def test_known_causes_of_a_failed_installation_are_explained(load_module, line, hint):
    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer.panel.setup_part import install_failure
    from GTVAutoSegSlicer.run.ended import Ended

    failure = install_failure(Ended(1, None, None, False, ("Collecting torch", line)))
    assert (line if line.startswith("ERROR") else "the operating system ended it") in failure.message
    assert hint in failure.hint


def test_a_network_without_the_index_of_pytorch_is_not_shown_as_light_the_torchs_type_error(load_module):
    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer.panel.setup_part import install_failure
    from GTVAutoSegSlicer.run.ended import Ended

    lines = (
        "WARNING: Retrying after connection broken by 'NewConnectionError('Failed to establish a new connection')'",
        "Traceback (most recent call last):",
        "TypeError: PatchedPackageFinder.build_source() missing 1 required positional argument: 'index_url'",
    )
    failure = install_failure(Ended(1, None, None, False, lines))
    assert failure.message == "PyTorch could not be installed (the server cannot be reached)"
    assert failure.hint.startswith("The network did not let the download through")
    assert "TypeError" in failure.details


def test_an_unknown_pytorch_extension_is_one_sentence(panel, pytorch_extension):
    sys.modules["PyTorchUtils"].PyTorchUtilsLogic = types.SimpleNamespace()
    panel.ui.installTorchButton.click()
    assert "This version of the PyTorch extension is not known" in panel.ui.failureMessage.text
    assert not panel.setup.installing


def test_without_a_network_the_installer_that_cannot_be_had_is_a_card(panel, pytorch_extension):
    def offline():
        raise subprocess.CalledProcessError(1, ["PythonSlicer", "-m", "pip"], output="No route to host")

    sys.modules["PyTorchUtils"].PyTorchUtilsLogic._installLightTheTorch = offline
    panel.ui.installTorchButton.click()
    assert panel.ui.failureTitle.text == "PyTorch was not installed"
    assert "light-the-torch could not be installed" in panel.ui.failureMessage.text
    assert "light-the-torch" in panel.ui.torchStatus.text
    assert not panel.setup.installing


@pytest.mark.parametrize("reason", ["declined", "offline"])
def test_an_extension_that_was_not_installed_is_a_card_and_nothing_goes_on_later(
    panel, pytorch_extension, slicer_runtime, monkeypatch, reason
):
    import slicer

    extension = sys.modules["PyTorchUtils"]
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    slicer_runtime.dialogs.answers.append(reason != "declined")
    slicer.app.extensionsManagerModel().reachable = reason != "offline"
    panel.ui.installTorchButton.click()
    assert panel.ui.failureTitle.text == "PyTorch was not installed"
    assert panel.ui.failureMessage.text.startswith("The extension 'PyTorch' was not installed: that was declined, or")
    assert panel.ui.failureActionButton.text == "Install PyTorch..."
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    panel.setup.answer = {"torch": "2.13.0"}
    panel.enter()
    assert not panel.setup.installing


def test_without_the_extension_it_is_asked_for_and_the_installation_goes_on_after_the_restart(
    panel, pytorch_extension, slicer_runtime, monkeypatch, until
):
    import slicer

    extension = sys.modules["PyTorchUtils"]
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    panel.ui.installTorchButton.click()
    assert slicer.app.extensionsManagerModel().asked_for == ["PyTorch"]
    assert slicer_runtime.dialogs.texts() == ["Install the extension PyTorch?"]  # asked once
    assert panel.ui.torchStatus.text.startswith("The extension 'PyTorch' is installed. Restart Slicer and open this")
    assert not pytorch_extension.exists()
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    panel.enter()
    until(lambda: panel.setup.answer is not None)
    assert "light_the_torch" in pytorch_extension.read_text()


@pytest.mark.parametrize("line", ["import gone_for_good", "raise RuntimeError('no')", "1 +"])
def test_an_extension_that_does_not_load_is_not_installed_once_more(
    panel, pytorch_extension, slicer_runtime, monkeypatch, tmp_path, line
):
    import slicer

    monkeypatch.delitem(sys.modules, "PyTorchUtils")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "PyTorchUtils.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    panel.ui.installTorchButton.click()
    assert slicer.app.extensionsManagerModel().asked_for == []
    assert panel.ui.failureTitle.text == "PyTorch was not installed" and not panel.setup.installing


@pytest.mark.parametrize("name", ["_installLightTheTorch", "_getPipInstallArguments"])
def test_whatever_the_extension_fails_with_is_a_card_and_installing_can_be_tried_again(
    panel, pytorch_extension, until, name
):
    def fail():
        raise RuntimeError("pip is busy")

    logic = sys.modules["PyTorchUtils"].PyTorchUtilsLogic
    working = getattr(logic, name)
    setattr(logic, name, fail)
    panel.ui.installTorchButton.click()
    assert panel.ui.failureTitle.text == "PyTorch was not installed"
    text = panel.ui.failureMessage.text
    assert text.startswith("PyTorch's installation could not begin (RuntimeError: pip is busy); restart Slicer")
    setattr(logic, name, staticmethod(working))
    panel.ui.failureActionButton.click()
    until(lambda: panel.setup.answer is not None)


@pytest.mark.parametrize("step", [0, 1])
def test_a_step_that_cannot_be_started_ends_the_installation(
    panel, pytorch_extension, until, monkeypatch, tmp_path, step
):
    from GTVAutoSegSlicer.setup import installation

    make_commands = installation.Installation._make_commands

    def make_one_that_fails(self, torch, again):
        commands = make_commands(self, torch, again)
        commands[step][0] = str(tmp_path / "gone")
        return commands

    monkeypatch.setattr(installation.Installation, "_make_commands", make_one_that_fails)
    panel.ui.installTorchButton.click()
    until(lambda: not panel.setup.installing)
    assert panel.ui.failureTitle.text == "PyTorch was not installed"
    assert f"{tmp_path / 'gone'} could not be started" in panel.ui.failureMessage.text
    assert panel.ui.installTorchButton.enabled


def test_a_check_that_outlives_its_end_does_not_hold_the_installation(panel, pytorch_extension, until, monkeypatch):
    from GTVAutoSegSlicer.panel import setup_part
    from GTVAutoSegSlicer.run import child, job

    with monkeypatch.context() as patch:
        patch.setattr(setup_part, "probe_command", lambda: [sys.executable, "-c", "import time; time.sleep(60)"])
        panel.ui.checkTorchButton.click()
        # As one that waits for a driver: the system does not let go of it.
        stuck = panel.setup._steps._job.child
        patch.setattr(child.Child, "kill", lambda _: None)
        patch.setattr(job, "KILL_S", 0.1)
        panel.ui.installTorchButton.click()
    assert panel.setup.installing
    until(lambda: panel.setup.answer is not None)
    assert "light_the_torch" in pytorch_extension.read_text()
    stuck.kill()
    until(lambda: stuck.exit_code() is not None)


def test_slicers_end_ends_a_check(panel, monkeypatch):
    import slicer
    from GTVAutoSegSlicer.panel import setup_part

    monkeypatch.setattr(setup_part, "probe_command", lambda: [sys.executable, "-c", "import time; time.sleep(60)"])
    panel.ui.checkTorchButton.click()
    pid = panel.setup._steps._job.child.process.pid
    slicer.app.emit_signal("aboutToQuit()")
    assert panel.setup._steps is None and not process_lives(pid)


def test_coming_back_during_an_installation_leaves_its_status_alone(panel, pytorch_extension, until):
    panel.ui.installTorchButton.click()
    panel.exit()
    panel.enter()
    assert panel.setup.installing
    assert panel.ui.torchStatus.text == "Installing PyTorch; the log shows how far it is..."
    until(lambda: panel.setup.answer is not None)


def test_while_a_run_goes_on_nothing_can_be_installed(panel, pytorch_extension, until, monkeypatch):
    import slicer

    monkeypatch.setenv("FAKE_WORKER", "slow")
    add_ct()
    panel.ui.segmentButton.click()
    assert not panel.ui.installTorchButton.enabled
    monkeypatch.setenv("FAKE_PROBE", json.dumps(MISSING))
    panel.ui.checkTorchButton.click()
    until(lambda: not panel.ui.failureCard.isHidden())
    assert panel.ui.failureActionButton.text == "Install PyTorch..."
    assert not panel.ui.failureActionButton.enabled
    panel.setup.install()
    panel.setup.reinstall()
    assert not panel.setup.installing
    monkeypatch.setattr(slicer.app, "doubleClickInterval", -1)  # the next click is no second one of a double click
    panel.ui.segmentButton.click()
    until(lambda: not panel.running)
    assert panel.ui.installTorchButton.enabled and panel.ui.failureActionButton.enabled


@pytest.mark.parametrize("code", ["memory", "disk"])
def test_while_pytorch_is_being_installed_no_run_starts(panel, pytorch_extension, until, code):
    from GTVAutoSegSlicer.failures import Failure

    add_ct()
    panel._show_failure(Failure(code, "it failed"))
    panel.ui.installTorchButton.click()
    assert panel.ui.failureCard.isHidden()
    panel.ui.failureActionButton.click()  # as from a click that was on its way
    assert panel.setup.installing and not panel.running
    assert panel.ui.resultLabel.text == "PyTorch is being installed."
    until(lambda: panel.setup.answer is not None)
    panel.ui.failureActionButton.click()
    until(lambda: not panel.running)
