"""What a run leaves behind in Slicer's memory: nothing."""

from __future__ import annotations

import gc

import pytest
from conftest import living_runs
from slicer_samples import add_ct, use_fake_worker

RUNS = 10


@pytest.fixture
def freed():
    """Grows by one for each watched CT whose voxels are freed."""
    return []


def add_watched_ct(freed):
    ct = add_ct()
    ct.GetImageData().AddObserver("DeleteEvent", lambda *_: freed.append("CT"))
    return ct


def end_of_run(logic, ct, model, until):
    """Run, cancel once the networks are at work, and return how it ended."""
    events, outcomes = [], []
    run = logic.segment(ct, model, on_event=events.append, on_finished=outcomes.append)
    until(lambda: outcomes or any(event.get("stage") == "classifying" for event in events))
    run.cancel()
    until(lambda: outcomes)
    return outcomes[0].failure.code if outcomes[0].failure else "done"


def test_ten_runs_and_ten_cancellations_leave_neither_run_nor_voxels(logic, shelf, until, monkeypatch, freed):
    import slicer

    ends = []
    for behaviour in ["ball"] * RUNS + ["slow"] * RUNS:
        use_fake_worker(monkeypatch, behaviour)
        ends.append(end_of_run(logic, add_watched_ct(freed), shelf / "test-model", until))
        slicer.mrmlScene.Clear(0)
    gc.collect()
    assert living_runs() == []
    assert len(freed) == 2 * RUNS
    assert ends == ["done"] * RUNS + ["cancelled"] * RUNS


def test_a_run_through_the_panel_leaves_neither_run_nor_voxels(panel, until, freed):
    import slicer

    add_watched_ct(freed)
    panel.ui.segmentButton.click()
    until(lambda: not panel.running)
    slicer.mrmlScene.Clear(0)
    gc.collect()
    assert living_runs() == []
    assert freed == ["CT"]


def test_a_failure_that_is_kept_keeps_neither_run_nor_voxels(logic, shelf, until, monkeypatch, freed):
    import slicer

    failures = []
    for behaviour in ("fail:memory", "crash", "unreadable"):
        use_fake_worker(monkeypatch, behaviour)
        outcomes = []
        logic.segment(add_watched_ct(freed), shelf / "test-model", on_finished=outcomes.append)
        until(lambda outcomes=outcomes: len(outcomes))
        failures.append(outcomes.pop().failure)
        slicer.mrmlScene.Clear(0)
    gc.collect()
    assert [failure.code for failure in failures] == ["memory", "killed", "run"]
    assert living_runs() == []
    assert len(freed) == 3


def test_while_a_ct_is_being_written_the_run_can_be_cancelled_and_the_worker_stays(logic, shelf, monkeypatch):
    import threading

    from GTVAutoSegSlicer.run import request as module
    from GTVAutoSegSlicer.run.job import KEPT_WORKER
    from slicer_samples import temporary_folders

    use_fake_worker(monkeypatch, "ball")
    go, outcomes, write = threading.Event(), [], module.write_ct
    monkeypatch.setattr(module, "write_ct", lambda *arguments: (go.wait(20), write(*arguments)))
    run = logic.segment(add_ct(), shelf / "test-model", on_finished=outcomes.append)
    assert not run.poll()  # the window turns meanwhile
    run.cancel()
    go.set()
    run.wait()
    assert [outcome.failure.code for outcome in outcomes] == ["cancelled"]
    assert temporary_folders() == []
    assert KEPT_WORKER._child.process.poll() is None


def test_a_ct_that_cannot_be_written_is_told(logic, shelf, monkeypatch):
    from GTVAutoSegSlicer.run import request as module

    from GTVAutoSegLib.errors import GTVAutoSegError

    write = module.write_ct
    monkeypatch.setattr(module, "write_ct", lambda ct, path, wanted: write(ct, path / "no folder", wanted))
    use_fake_worker(monkeypatch, "ball")
    with pytest.raises(GTVAutoSegError, match="The CT could not be written to") as caught:
        logic.segment(add_ct(), shelf / "test-model")
    assert caught.value.code == "disk"
