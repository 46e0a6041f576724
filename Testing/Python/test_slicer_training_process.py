"""A training's child process, and whose its folder is meanwhile."""

from __future__ import annotations

import sys

import pytest

from GTVAutoSegLib.errors import InputError, RunError


@pytest.fixture
def folder(logic, tmp_path):
    """One training that was begun."""
    from GTVAutoSegSlicer.training.folder import TrainingFolder, TrainingPlan

    plan = TrainingPlan("A task", str(tmp_path / "cases"), "1.1.0", "2026-11-28T10:00:00+00:00")
    return TrainingFolder.make(tmp_path / "trainings", {"id": "phantom"}, plan)


def start(monkeypatch, folder, *command):
    from GTVAutoSegSlicer.run import python_slicer
    from GTVAutoSegSlicer.training.process import Training

    monkeypatch.setattr(python_slicer, "library_command", lambda *_: list(command))
    ends = []
    return Training(folder, ends.append, on_event=print, on_line=print), ends


def test_a_training_holds_its_folder_until_its_end(folder, monkeypatch):
    training, ends = start(monkeypatch, folder, sys.executable, "-c", "")
    with pytest.raises(InputError, match="nother run is writing to"), folder.held():
        pass
    training.wait()
    with folder.held():
        assert len(ends) == 1


def test_a_training_that_could_not_be_started_holds_nothing(folder, monkeypatch):
    with pytest.raises(RunError, match="/no/such/PythonSlicer could not be started") as caught:
        start(monkeypatch, folder, "/no/such/PythonSlicer")
    with folder.held():  # although the error, with all that it holds, is still there
        assert caught.tb is not None
