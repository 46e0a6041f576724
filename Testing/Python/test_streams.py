"""Readers of our output that go away, and disks that are full, change no result and no exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batches import ROOT, rows, stamps, write_cts
from bundles import make_bundle

from GTVAutoSegLib.commands.cli import main


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "GTVAutoSegLib", *map(str, arguments)]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_batch_whose_output_nobody_reads_any_more_is_done_all_the_same(tmp_path, bundle, stream):
    source = write_cts(tmp_path / "in", 3)
    (source / "broken.nrrd").write_text("no image")  # said on standard error
    reader, writer = os.pipe()
    os.close(reader)
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    done = subprocess.run(
        command("batch", source, tmp_path / "out", "--model", bundle),
        cwd=ROOT,
        **{stream: writer, other: subprocess.PIPE},
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1  # of the damaged file, not of the pipe
    assert len(stamps(tmp_path / "out")) == 3


def test_a_full_disk_behind_standard_output_is_said_and_the_mask_is_there(tmp_path, bundle):
    source = write_cts(tmp_path / "in", 1)
    mask = tmp_path / "mask.nrrd"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("segment", source / "ct00.nrrd", "--model", bundle, "--output", mask),
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 0 and mask.is_file()
    assert "what was printed is incomplete (No space left on device)" in done.stderr


def test_a_process_without_standard_streams_does_its_work(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["model", "list"]) == 0
    assert capfd.readouterr() == ("", "")


def test_a_closed_terminal_ends_a_run_in_order_and_nohup_keeps_it(tmp_path, bundle):
    source = write_cts(tmp_path / "in", 40)
    child = subprocess.Popen(
        command("batch", source, tmp_path / "out", "--model", bundle),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not stamps(tmp_path / "out") and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(signal.SIGHUP)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130 and "go on with --resume" in errors
    assert {row["status"] for row in rows(tmp_path / "out").values()} >= {"not done"}
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["model", "list"]) == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
