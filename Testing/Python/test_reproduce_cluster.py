"""The paper's trainings on the workers of a Dask cluster."""

from __future__ import annotations

import threading
from dataclasses import replace

import distributed
import pytest
from reproductions import prepared, write_inputs

from GTVAutoSegLib import cluster as cluster_jobs
from GTVAutoSegLib.reproduce.execution import run_on_scheduler
from GTVAutoSegLib.reproduce.parts import Setup, make_part
from GTVAutoSegLib.reproduce.systems import HCF
from GTVAutoSegLib.reproduce.training import LogMonitor, do_part, is_done
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
    run_on_scheduler([part], setup, cluster.scheduler_address, lambda *outcome: ended.append(outcome))
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
        run_on_scheduler(parts, setup, cluster.scheduler_address, stopped)
    assert not cluster_jobs._doing
    done = len(read_log(parts[1].folder))
    assert 0 < done < 500 and not is_done(parts[1])

    # It goes on where it stood.
    shorter = replace(setup.preset, segmenter=replace(setup.preset.segmenter, epochs=done))
    assert do_part(replace(setup, preset=shorter), parts[1]) == ""
    assert is_done(parts[1]) and len(read_log(parts[1].folder)) == done
