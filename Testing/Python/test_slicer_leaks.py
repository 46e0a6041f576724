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


def test_ten_runs_and_ten_cancellations_leave_neither_run_nor_voxels(logic, shelf, until, monkeypatch, freed):
    import slicer

    ends = []
    for behaviour in ["ball"] * RUNS + ["slow"] * RUNS:
        use_fake_worker(monkeypatch, behaviour)
        run = logic.segment(
            add_watched_ct(freed),
            shelf / "test-model",
            on_event=lambda event: run.cancel() if event.get("stage") == "classifying" else None,
            on_finished=lambda outcome: ends.append(outcome.failure.code if outcome.failure else "done"),
        )
        number = len(ends)
        until(lambda: len(ends) > number)
        slicer.mrmlScene.Clear(0)
    del run
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
