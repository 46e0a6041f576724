"""The worker that stays between clicks: used again, ended in time, and never a wrong answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import types
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from slicer_samples import (
    MODULE,
    ROOT,
    add_ct,
    ball,
    process_lives,
    python_of,
    temporary_folders,
    use_fake_worker,
    voxels,
)

from GTVAutoSegLib.errors import GTVAutoSegError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "finds-all", bias=20.0)


@pytest.fixture
def fake(logic, monkeypatch):
    use_fake_worker(monkeypatch, "ball")
    return lambda behaviour: monkeypatch.setenv("FAKE_WORKER", behaviour)


def kept():
    from GTVAutoSegSlicer.run.job import KEPT_WORKER

    return KEPT_WORKER


def pid():
    """The idle worker's process."""
    return kept()._child.process.pid


def test_a_second_click_uses_the_same_process_and_gets_the_result_of_its_own_ct(logic, bundle, tmp_path):
    first = add_ct("First")
    logic.segment(first, bundle, "cpu")
    before = pid()
    second = add_ct("Second", shape=(6, 48, 80))
    for weights in bundle.glob("*.safetensors"):  # what is loaded is not read again
        weights.rename(tmp_path / weights.name)
    try:
        outcome = logic.segment(second, bundle, "cpu", slices=(1, 3))
    finally:
        for weights in tmp_path.glob("*.safetensors"):
            weights.rename(bundle / weights.name)
    assert pid() == before
    mask = voxels(outcome.segmentation, outcome.segment_id, second)
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [1, 2]
    assert outcome.segmentation.GetName() == "Second GTV"
    assert temporary_folders() == []


def test_a_real_run_is_cancelled_and_the_worker_stays_for_the_next(logic, bundle, monkeypatch):
    from GTVAutoSegSlicer.run import job

    monkeypatch.setattr(job, "CANCEL_GRACE_S", 60)  # for a busy machine
    logic.segment(add_ct(), bundle, "cpu")
    before = pid()
    events, outcomes = [], []
    long = add_ct("Long", shape=(900, 48, 48))
    run = logic.segment(long, bundle, "cpu", on_event=events.append, on_finished=outcomes.append)
    while not any(event["event"] == "progress" for event in events):
        run.poll()
    run.cancel()
    run.wait()
    assert outcomes[0].failure.code == "cancelled"
    assert pid() == before
    assert logic.segment(add_ct(), bundle, "cpu").segmentation is not None
    assert pid() == before


def test_another_model_or_device_or_a_changed_library_gets_a_fresh_process(logic, fake, bundle, tmp_path, monkeypatch):
    from GTVAutoSegSlicer.run import job

    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    seen = []
    for model, device in ((bundle, "cpu"), (bundle, "cpu"), (other, "cpu"), (other, "auto")):
        logic.segment(add_ct(), model, device)
        seen.append(pid())
    description = other / "model.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), "version": "2"}))
    logic.segment(add_ct(), other, "auto")
    seen.append(pid())
    monkeypatch.setattr(job, "library_stamp", lambda: (("changed.py", 1, 2),))
    logic.segment(add_ct(), other, "auto")
    seen.append(pid())
    assert seen[0] == seen[1]
    assert len(set(seen)) == 5
    assert [process_lives(one) for one in dict.fromkeys(seen)] == [False] * 4 + [True]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_died_or_hangs_between_clicks_is_replaced_without_a_word(logic, fake, bundle, monkeypatch, how):
    from GTVAutoSegSlicer.run import job

    monkeypatch.setattr(job, "ANSWER_S", 0.5)
    ct = add_ct()
    logic.segment(ct, bundle)
    before = pid()
    os.kill(python_of(before), how)
    monkeypatch.setattr(job, "ANSWER_S", 0.5 if how == signal.SIGSTOP else 60)
    lines = []
    outcome = logic.segment(ct, bundle, on_line=lines.append)
    assert np.array_equal(voxels(outcome.segmentation, outcome.segment_id, ct), ball())
    assert lines == []
    assert pid() != before
    assert not process_lives(before)


def test_a_worker_killed_during_a_run_is_a_failure_and_the_next_click_starts_afresh(logic, fake, bundle, monkeypatch):
    logic.segment(add_ct(), bundle)
    before = pid()
    kept().end()
    fake("slow")
    events, outcomes = [], []
    run = logic.segment(add_ct(), bundle, on_event=events.append, on_finished=outcomes.append)
    while not events:
        run.poll()
    os.kill(python_of(run._job.child.process.pid), signal.SIGKILL)
    run.wait()
    assert outcomes[0].failure.code == "killed"
    fake("ball")
    assert logic.segment(add_ct(), bundle).segmentation is not None
    assert pid() != before


def test_a_worker_that_failed_unexpectedly_is_not_used_again(logic, fake, bundle):
    fake("fail:internal")
    with pytest.raises(GTVAutoSegError):
        logic.segment(add_ct(), bundle)
    assert kept()._child is None


def test_an_answer_to_another_request_is_not_believed(logic, fake, bundle):
    fake("stranger")
    events, outcomes = [], []
    run = logic.segment(add_ct(), bundle, on_event=events.append, on_finished=outcomes.append)
    assert not run._job.wait(2)
    assert events == []
    run.abort()
    assert outcomes[0].failure.code == "cancelled"


def test_two_runs_at_once_have_a_process_each_and_one_is_kept(logic, fake, bundle):
    outcomes = []
    runs = [logic.segment(add_ct(), bundle, on_finished=outcomes.append) for _ in range(2)]
    pids = {run._job.child.process.pid for run in runs}
    for run in runs:
        run.wait()
    assert len(pids) == 2
    assert [outcome.failure for outcome in outcomes] == [None, None]
    assert [one for one in pids if process_lives(one)] == [pid()]


@pytest.mark.parametrize("what", ["slicer quits", "pytorch is installed", "the module is unloaded"])
def test_the_idle_worker_is_ended_when(load_module, slicer_runtime, bundle, monkeypatch, what):
    import slicer

    slicer_runtime.app.testing = True
    widget = load_module(MODULE).widget
    use_fake_worker(monkeypatch, "ball")
    widget.logic.segment(add_ct(), bundle)
    idle = pid()
    assert process_lives(idle)
    if what == "slicer quits":
        slicer.app.emit_signal("aboutToQuit()")
    elif what == "the module is unloaded":
        slicer.modules.GTVAutoSegWidget.cleanup()
    else:
        from GTVAutoSegSlicer.panel import setup_part

        monkeypatch.setattr(setup_part, "extension_is_there", lambda: True)
        nothing = types.SimpleNamespace(commands=[[sys.executable, "-c", ""]], settle=lambda: None)
        monkeypatch.setattr(setup_part, "Installation", lambda again: nothing)
        monkeypatch.setattr(setup_part, "probe_command", lambda: [sys.executable, "-c", ""])
        slicer_runtime.app.testing = False
        widget.panel.setup.install()
        widget.panel.setup.abort()
    assert not process_lives(idle)


def test_a_slicer_that_crashes_leaves_no_worker(bundle, tmp_path):
    script = tmp_path / "slicer_process.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, signal, sys
        sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
        from Testing.runtime import boot, load_module
        boot()
        from slicer_samples import MODULE, add_ct
        logic = load_module(MODULE, with_widget=False).source.GTVAutoSegLogic()
        logic.segment(add_ct(), {str(bundle)!r}, "cpu")
        from GTVAutoSegSlicer.run.job import KEPT_WORKER
        print(KEPT_WORKER._child.process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    until = time.monotonic() + 60
    while process_lives(int(done.stdout)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not process_lives(int(done.stdout))
