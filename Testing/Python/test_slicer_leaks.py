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
