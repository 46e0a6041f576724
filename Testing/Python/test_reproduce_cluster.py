"""The paper's trainings on the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing
from dataclasses import replace

import distributed
import pytest
from reproductions import prepared, write_inputs

from GTVAutoSegLib.study.reproduce import execution
from GTVAutoSegLib.study.reproduce.execution import run_trainings
from GTVAutoSegLib.study.reproduce.parts import Part, Setup, make_part
from GTVAutoSegLib.study.reproduce.systems import HCF
from GTVAutoSegLib.study.reproduce.training import LogMonitor, do_part, is_done
from GTVAutoSegLib.system import processes as cluster_jobs
from GTVAutoSegLib.training.checkpoint import read_log


@pytest.fixture
def setup(tmp_path) -> Setup:
    return prepared(write_inputs(tmp_path / "data"), tmp_path / "run", epochs=1, folds=1)


@pytest.fixture
def cluster():
    """One worker, in this process."""
    with distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as local:
        yield local


def test_trainings_can_be_done_by_the_workers_of_a_cluster(setup, cluster):
    part = make_part(setup, HCF.classifier, setup.folds[0])
    ended = []
    run_trainings([part], setup, lambda *outcome: ended.append(outcome), address=cluster.scheduler_address)
    assert ended == [(part, "")]
    assert is_done(part)


def test_a_training_that_runs_when_the_user_stops_ends_before_the_folder_is_free_again(setup, cluster, monkeypatch):
    endless = replace(setup.preset, segmenter=replace(setup.preset.segmenter, epochs=500, patience=500))
    setup = replace(setup, preset=endless)
    parts = [make_part(setup, recipe, setup.folds[0]) for recipe in (HCF.classifier, HCF.segmenter)]
    begun, epoch = threading.Event(), LogMonitor.epoch

    def watched(monitor, record):
        epoch(monitor, record)
        if monitor.epochs == 500:
            begun.set()

    monkeypatch.setattr(LogMonitor, "epoch", watched)

    def stopped(part, failure):
        assert (part, failure) == (parts[0], "")
        assert begun.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trainings(parts, setup, stopped, address=cluster.scheduler_address)
    assert not cluster_jobs._doing
    done = len(read_log(parts[1].folder))
    assert 0 < done < 500 and not is_done(parts[1])

    # It goes on where it stood.
    shorter = replace(setup.preset, segmenter=replace(setup.preset.segmenter, epochs=done))
    assert do_part(replace(setup, preset=shorter), parts[1]) == ""
    assert is_done(parts[1]) and len(read_log(parts[1].folder)) == done


def test_stopping_does_not_wait_for_a_worker_that_hangs(monkeypatch):
    monkeypatch.setattr(cluster_jobs, "STOP_S", 1)
    with (
        distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None) as local,
        closing(cluster_jobs.connect(local.scheduler_address)) as client,
    ):
        pid = client.submit(os.getpid).result()
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            cluster_jobs.stop(client, [], "a run")
            assert time.monotonic() - started < 10
        finally:
            os.kill(pid, signal.SIGCONT)


def kill_once(setup: Setup, part: Part, cancelled) -> str:
    """A training whose process is killed when it is begun for the first time, as the kernel does."""
    marker = part.folder / "killed"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return do_part(setup, part, cancelled)


def dying(part: Part, stopped, setup: Setup) -> str:
    execution.do_part = kill_once
    return execution.do_in_own_process(part, stopped, setup)


def test_a_training_whose_process_dies_is_done_by_another(setup, monkeypatch):
    monkeypatch.setattr(execution, "do_in_own_process", dying)
    monkeypatch.setattr(dying, "__module__", "test_reproduce_cluster")
    part = make_part(setup, HCF.classifier, setup.folds[0])
    ended: list[tuple[Part, str]] = []
    run_trainings([part], setup, lambda *outcome: ended.append(outcome))
    assert (part.folder / "killed").exists()
    assert ended == [(part, "")] and is_done(part)
    assert "epoch 1/1" in (part.folder / "log.txt").read_text()
