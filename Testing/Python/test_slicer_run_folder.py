"""The folder of a run: nothing of a patient outlives the run, not even a crash of Slicer."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from bundles import make_bundle
from slicer_samples import ROOT, add_ct, temporary_folders, use_fake_worker

HOLD = """
import sys
from pathlib import Path
from GTVAutoSegSlicer.run.run_folder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
folder.ct.write_text("a patient's CT")
print(folder.path.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def another_slicer():
    """Function that starts a process with a run in a folder, and gives it and the run's folder in there."""
    started = []

    def start(parent):
        paths = os.pathsep.join((str(ROOT), str(ROOT / "GTVAutoSeg")))
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(parent)],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, parent / process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_folder(load_module):
    from slicer_samples import MODULE

    load_module(MODULE, with_widget=False)
    import GTVAutoSegSlicer.run.run_folder

    return GTVAutoSegSlicer.run.run_folder


def test_the_next_run_removes_the_ct_that_a_crashed_slicer_has_left(logic, another_slicer, tmp_path, monkeypatch):
    import slicer

    use_fake_worker(monkeypatch, "ball")
    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "Slicer tmp"))
    (tmp_path / "Slicer tmp").mkdir()
    crashed, left = another_slicer(tmp_path / "Slicer tmp")
    _, of_a_run = another_slicer(tmp_path / "Slicer tmp")
    crashed.kill()
    crashed.wait()
    assert (left / "ct.nrrd").exists()
    logic.segment(add_ct(), make_bundle(tmp_path / "model"))
    assert temporary_folders() == [of_a_run.name]
    assert (of_a_run / "ct.nrrd").exists()


def test_a_run_that_goes_on_keeps_its_folder_beside_another_one(logic, run_folder, tmp_path, monkeypatch):
    from pathlib import Path

    import slicer

    use_fake_worker(monkeypatch, "slow")
    outcomes = []
    run = logic.segment(add_ct(), make_bundle(tmp_path / "model"), on_finished=outcomes.append)
    (name,) = temporary_folders()
    run_folder.remove_abandoned(Path(slicer.app.temporaryPath))
    assert (Path(slicer.app.temporaryPath) / name / "ct.nrrd").exists()
    run.abort()
    assert temporary_folders() == []


def test_folders_of_others_links_and_those_without_a_lock_stay(run_folder, another_slicer, tmp_path, monkeypatch):
    parent, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    parent.mkdir()
    elsewhere.mkdir()
    for place in (parent, elsewhere):
        crashed, left = another_slicer(place)
        crashed.kill()
        crashed.wait()
    (parent / "GTVAutoSeg-link").symlink_to(left)
    (parent / "GTVAutoSeg-unlocked").mkdir()
    (parent / "GTVAutoSeg-unlocked" / "ct.nrrd").touch()
    (parent / "GTVAutoSeg-file").touch()
    before = sorted(parent.iterdir())
    with monkeypatch.context() as another_user:
        another_user.setattr(run_folder.os, "getuid", lambda: parent.stat().st_uid + 1)
        run_folder.remove_abandoned(parent)
    assert sorted(parent.iterdir()) == before
    run_folder.remove_abandoned(parent)
    names = {path.name for path in parent.iterdir()}
    assert names == {"GTVAutoSeg-link", "GTVAutoSeg-unlocked", "GTVAutoSeg-file"}
    assert (left / "ct.nrrd").exists()


def test_a_folder_that_cannot_be_looked_into_stops_no_run(run_folder, tmp_path, monkeypatch):
    def fails(*_):
        raise PermissionError

    (tmp_path / "GTVAutoSeg-odd").mkdir()
    (tmp_path / "GTVAutoSeg-odd" / "ct.nrrd").touch()
    monkeypatch.setattr(run_folder, "is_abandoned", fails)
    folder = run_folder.RunFolder(tmp_path)
    assert folder.path.is_dir()
    folder.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["GTVAutoSeg-odd"]
