"""Fixtures of all tests; the repository's root is on the path, so that a bare ``pytest`` finds library and runtime."""

from __future__ import annotations

import gc
import os
import signal
import stat
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

# Before torch is imported, here and in the tests' child processes: the networks of the tests are so small that threads
# would only wait for each other, and weights are equal to the bit only with equal numbers of threads.
os.environ["OMP_NUM_THREADS"] = "1"

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest

from Testing.runtime.pytest_fixtures import _booted, load_module, pytest_runtest_call, slicer_runtime

__all__ = ["_booted", "load_module", "pytest_runtest_call", "slicer_runtime"]

# Heard here and in child processes also where the tests run under `nohup` or behind a shell's `&`, which ignore them.
for name, heard in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, name), heard)


@pytest.fixture(autouse=True)
def no_run_outlives_its_test(request):
    """Every test with Slicer ends with no Run alive, and with it no CT; its runtime sees to timers and processes."""
    yield
    if "slicer_runtime" in request.fixturenames and living_runs():
        gc.collect()
        assert living_runs() == []


def living_runs():
    """Every Run there is, ended or not."""
    module = sys.modules.get("GTVAutoSegSlicer.run.run")
    return [thing for thing in gc.get_objects() if type(thing) is module.Run] if module else []


@pytest.fixture
def until():
    """Let Slicer's event loop run until a condition holds; fails after a while."""
    from Testing.runtime import process_events_until

    def wait(condition, timeout=20):
        assert process_events_until(condition, timeout=timeout)

    return wait


@pytest.fixture
def logic(load_module):
    """The module's logic, without its panel; the worker it keeps is ended with the test."""
    from slicer_samples import MODULE

    yield load_module(MODULE, with_widget=False).source.GTVAutoSegLogic()
    from GTVAutoSegSlicer.run.job import KEPT_WORKER

    KEPT_WORKER.end()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A folder with one model."""
    from bundles import make_bundle

    folder = tmp_path_factory.mktemp("shelf")
    make_bundle(folder / "test-model", metrics={"dsc": 0.71, "cases": 8, "split": "validation"})
    return folder


@pytest.fixture(scope="session")
def clinic(tmp_path_factory):
    """A data set of three cases."""
    from datasets import write_dataset

    return write_dataset(tmp_path_factory.mktemp("data") / "clinic", 3)


@pytest.fixture(scope="session")
def everywhere(tmp_path_factory):
    """A model that finds tumour everywhere."""
    from bundles import make_bundle

    return make_bundle(tmp_path_factory.mktemp("models") / "everywhere", size=32, bias=50.0)


@pytest.fixture(scope="session")
def filed(tmp_path_factory, clinic, everywhere):
    """The folder of a commission of both."""
    from commissions import run

    folder = tmp_path_factory.mktemp("filed") / "q3"
    assert run(clinic, "--model", everywhere, "--output", folder, "--by", "Meyer^Anna") == 1
    return folder


@pytest.fixture
def user(monkeypatch, shelf, tmp_path_factory):
    """The folder for models of their own of a user who has none yet."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(shelf))
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    return home / "GTVAutoSeg" / "Models"


@pytest.fixture
def panel(load_module, slicer_runtime, user, monkeypatch):
    """The module's panel, entered, with the fake worker outlining a ball."""
    from slicer_samples import MODULE, use_fake_worker

    slicer_runtime.app.testing = True  # no probe, no questions
    widget = load_module(MODULE).widget
    use_fake_worker(monkeypatch, "ball")
    widget.enter()
    from GTVAutoSegSlicer.panel.review.export_dialog import ExportDialog

    monkeypatch.setattr(ExportDialog, "execute", lambda self: True)  # its user presses OK
    return widget.panel


@pytest.fixture
def scan(tmp_path):
    """A folder with a CT as DICOM files."""
    from dicom_samples import patient_array, write_series
    from dicom_scenes import SHAPE

    folder = tmp_path / "ct"
    write_series(folder, patient_array(SHAPE))
    return folder


@contextmanager
def nobody():
    """Be a user without rights of its own: root may read and write anywhere."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def unreadable():
    """A function that takes the right to read away from a path for as long as the test runs, from root too."""
    with ExitStack() as stack:

        def lock(path):
            stack.callback(Path(path).chmod, stat.S_IMODE(Path(path).stat().st_mode))
            Path(path).chmod(0)
            stack.enter_context(nobody())

        yield lock


@pytest.fixture
def shared_folder():
    """A folder that every user may look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture
def unwritable():
    """A folder that may not be written to, by root neither."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        with nobody():
            yield Path(folder)
        Path(folder).chmod(0o755)
