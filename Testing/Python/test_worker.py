"""The worker protocol, with the real child process."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from phantoms import body_ct

from GTVAutoSegLib import load_model, read_volume


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


@pytest.fixture
def ct(tmp_path):
    folder = tmp_path / "Ünï 空 x"
    folder.mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(body_ct()), str(folder / "ct.nrrd"))
    return folder / "ct.nrrd"


def start(*arguments, **options):
    command = [sys.executable, "-m", "GTVAutoSegLib.worker", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def finish(child):
    out, err = child.communicate(timeout=120)
    return child.returncode, [json.loads(line) for line in out.decode("ascii").splitlines()], err.decode()


def test_a_run_reports_its_stages_progress_and_result(ct, bundle):
    output = ct.with_name("mask.nrrd")
    code, events, err = finish(start("segment", "--input", ct, "--output", output, "--model", bundle))
    assert code == 0, err
    stages = [event["stage"] for event in events if event["event"] == "stage"]
    assert stages == ["loading", "reading", "classifying", "segmenting", "writing"]
    last = [event for event in events if event["event"] == "progress"][-1]
    assert (last["done"], last["total"]) == (10, 10)
    result = events[-1]
    assert result["event"] == "result" and result["output"] == str(output)
    expected = load_model(bundle, device="cpu").segment(read_volume(ct))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(output))), expected.mask)
    assert result["volume_ml"] == pytest.approx(expected.mask.sum() / 1000)


def test_an_error_carries_code_sentence_and_hint(ct, tmp_path):
    code, events, _ = finish(start("segment", "--input", ct, "--output", tmp_path / "m.nrrd", "--model", "nothing"))
    assert code == 3
    error = events[-1]
    assert (error["event"], error["code"]) == ("error", "model")
    assert "model 'nothing' does not exist" in error["message"] and error["hint"] and "Traceback" in error["details"]


def test_a_cancel_file_ends_the_run_without_a_result(ct, bundle, tmp_path):
    cancel = tmp_path / "cancel"
    cancel.touch()
    output = tmp_path / "mask.nrrd"
    code, events, _ = finish(
        start("segment", "--input", ct, "--output", output, "--model", bundle, "--cancel-file", cancel)
    )
    assert code == 130 and events[-1]["code"] == "cancelled"
    assert not output.exists()


def test_a_child_ends_when_its_parent_goes_away(bundle, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(body_ct((2000, 64, 64))), str(tmp_path / "ct.nrrd"))
    output = tmp_path / "mask.nrrd"
    arguments = ("segment", "--input", tmp_path / "ct.nrrd", "--output", output, "--model", bundle, "--watch-stdin")
    child = start(*arguments, stdin=subprocess.PIPE)
    child.stdout.readline()  # it has started
    child.stdin.close()
    started = time.monotonic()
    assert child.wait(timeout=60) == 130
    assert time.monotonic() - started < 30
    assert not output.exists()
    child.stdout.close()
    child.stderr.close()


def test_the_probe_names_every_device_and_whether_it_works():
    code, events, err = finish(start("probe"))
    assert code == 0, err
    devices = {device["id"]: device for device in events[-1]["devices"]}
    assert devices["cpu"]["usable"] is True and devices["cpu"]["reason"] == ""
    assert events[-1]["torch"]
