"""A batch on several worker processes, and on the workers of a scheduler."""

from __future__ import annotations

import threading
import time
from functools import partial

import psutil
import pytest
import SimpleITK as sitk
from batches import rows, run, stamps, start, wait_for_results, write_cts
from bundles import make_bundle

from GTVAutoSegLib.batch import dask as batch_dask
from GTVAutoSegLib.batch.find import find_cohort
from GTVAutoSegLib.batch.run import plan_batch, run_batch
from GTVAutoSegLib.cascade.cascade import Cascade
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import Cancelled
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.system import processes as cluster_jobs


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


def test_a_missing_package_is_said_before_the_run_begins(tmp_path, bundle, monkeypatch, capsys):
    monkeypatch.setattr(cluster_jobs, "NEEDED", ("not_there",))
    write_cts(tmp_path / "in", 1)
    assert main(["batch", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(bundle), "--workers", "2"]) == 2
    assert "pip install 'gtvautoseg[cohort]'" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def workers_of(child):
    """The Dask worker processes of a run."""
    found = []
    for process in psutil.Process(child.pid).children(recursive=True):
        try:
            if any("spawn_main" in argument for argument in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


CASES = 40


def test_workers_that_die_are_replaced_and_no_case_is_lost_or_done_twice(tmp_path, bundle):
    source, output = write_cts(tmp_path / "in", CASES, (20, 64, 72)), tmp_path / "out"
    child = start(source, output, "--model", bundle, "--device", "cpu", "--workers", "2")
    finished = wait_for_results(child, output, 3)
    killed = workers_of(child)
    assert len(killed) == 2 and child.poll() is None
    for process in killed:
        process.kill()
    text, _ = child.communicate(timeout=300)
    assert child.returncode == 0, text
    assert len(finished) < CASES, "all was done before the workers were killed"
    assert finished.items() <= stamps(output).items() and len(stamps(output)) == CASES
    log = (output / "batch.log").read_text()
    assert sorted(line.split()[2] for line in log.splitlines() if line.split()[1] == "done:") == [
        f"ct{number:02}:" for number in range(CASES)
    ]
    for number in range(CASES):
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(output / f"ct{number:02}" / f"ct{number:02}.seg.nrrd")))
        assert mask.shape == (20, 64, 72) and mask.any()


def test_a_running_scheduler_s_workers_give_the_same_results(capsys, tmp_path, bundle):
    import distributed

    source, here, there = write_cts(tmp_path / "in"), tmp_path / "here", tmp_path / "there"
    (source / "empty.nii.gz").touch()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        address = cluster.scheduler_address
        command = (source, there, "--model", bundle, "--device", "cpu", "--scheduler", address)
        assert run(capsys, *command)[0] == 1
        first = stamps(there)
        assert run(capsys, *command, "--resume")[0] == 1 and stamps(there) == first
    run(capsys, source, here, "--model", bundle, "--device", "cpu")
    for number in range(3):
        name = f"ct{number:02}/ct{number:02}.seg.nrrd"
        assert (here / name).read_bytes() == (there / name).read_bytes()
    assert rows(there)["empty"]["error"] == rows(here)["empty"]["error"]


def test_a_case_that_was_running_when_the_batch_was_cancelled_writes_nothing_afterwards(tmp_path, bundle, monkeypatch):
    import distributed

    started, segment = threading.Event(), Cascade.segment

    def slow(model, volume, **options):
        started.set()
        time.sleep(1.5)  # long enough for the run to be over before the network is
        return segment(model, volume, **options)

    monkeypatch.setattr(Cascade, "segment", slow)
    output = tmp_path / "out"
    output.mkdir()
    read = read_bundle(bundle)
    batch = plan_batch(find_cohort(write_cts(tmp_path / "in", 2), output), output, read)
    work = batch_dask.Work(read.path, read.digest, "cpu", "auto", None, threads=1)
    with distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        options = {"work": work, "address": cluster.scheduler_address, "cancelled": started.is_set}
        with pytest.raises(Cancelled):
            run_batch(batch, partial(batch_dask.run_on_cluster, **options), lambda outcome: None)
        assert not cluster_jobs._doing
        time.sleep(2)
    assert stamps(output) == {}
    assert not list(output.glob("ct*/*"))


def test_a_scheduler_that_does_not_answer_is_said(capsys, tmp_path, bundle, monkeypatch):
    monkeypatch.setattr(cluster_jobs, "CONNECT_S", 0.3)
    source = write_cts(tmp_path / "in", 1)
    code, _, err = run(capsys, source, tmp_path / "out", "--model", bundle, "--scheduler", "tcp://127.0.0.1:1")
    assert code == 2 and "no Dask scheduler answers at tcp://127.0.0.1:1" in err
