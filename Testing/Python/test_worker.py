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
    command = [sys.executable, "-m", "GTVAutoSegLib.commands.worker", *map(str, arguments)]
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


def test_an_error_carries_code_sentence_and_details(ct, tmp_path):
    code, events, _ = finish(start("segment", "--input", ct, "--output", tmp_path / "m.nrrd", "--model", "nothing"))
    assert code == 3
    error = events[-1]
    assert (error["event"], error["code"]) == ("error", "model")
    assert "model 'nothing' does not exist" in error["message"] and "Traceback" in error["details"]


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


def ask(child, identity, *arguments):
    child.stdin.write(
        json.dumps({"id": identity, "arguments": [str(argument) for argument in arguments]}).encode() + b"\n"
    )
    child.stdin.flush()


def answers(child):
    """Events up to the end of a request."""
    events = [json.loads(child.stdout.readline())]
    while events[-1]["event"] != "done":
        events.append(json.loads(child.stdout.readline()))
    return events


def test_a_serving_worker_answers_each_request_under_its_id_and_keeps_the_model(ct, tmp_path):
    bundle = make_bundle(tmp_path / "changing", bias=50.0)
    output, cancel = tmp_path / "mask.nrrd", tmp_path / "cancel"
    request = ("segment", "--input", ct, "--output", output, "--model", bundle, "--cancel-file", cancel)
    child = start("serve", stdin=subprocess.PIPE)
    ask(child, "one", *request)
    first = answers(child)
    assert {event["id"] for event in first} == {"one"}
    assert (first[-2]["event"], first[-1]["exit_code"]) == ("result", 0)
    for weights in bundle.glob("*.safetensors"):
        weights.unlink()
    output.unlink()
    ask(child, "two", *request)
    second = answers(child)
    assert {event["id"] for event in second} == {"two"}
    assert second[-2]["mask_sha256"] == first[-2]["mask_sha256"] and output.exists()
    cancel.touch()
    ask(child, "three", *request)
    third = answers(child)
    assert [(event["id"], event.get("code"), event.get("exit_code")) for event in third[-2:]] == [
        ("three", "cancelled", None),
        ("three", None, 130),
    ]
    cancel.unlink()
    (bundle / "model.json").write_text((bundle / "model.json").read_text() + " ")
    ask(child, "four", *request)
    assert "cannot be read" in answers(child)[-2]["message"]  # another model is loaded, never the old one taken for it
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, b""), err.decode()


@pytest.mark.parametrize("wrong", [("--slices", "7:2"), ("--nonsense",), ("-h",), ("--threshold", "much")])
def test_a_serving_worker_answers_a_request_it_cannot_parse_and_goes_on(wrong):
    child = start("serve", stdin=subprocess.PIPE)
    for identity in ("one", "two"):
        ask(child, identity, "segment", "--input", "a", "--output", "b", "--model", "c", *wrong)
        error, done = answers(child)
        assert (error["id"], error["event"], error["code"]) == (identity, "error", "input")
        assert wrong[0] in error["message"]
        assert (done["id"], done["exit_code"]) == (identity, 2)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, b""), err.decode()


def test_a_serving_worker_ends_itself_when_nothing_is_asked():
    program = "from GTVAutoSegLib.commands import worker; worker.IDLE_S = 0.2; raise SystemExit(worker.main(['serve']))"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.wait(timeout=60) == 0
    child.stdin.close()
    child.stdout.close()


def test_the_probe_names_every_device_and_whether_it_works():
    code, events, err = finish(start("probe"))
    assert code == 0, err
    devices = {device["id"]: device for device in events[-1]["devices"]}
    assert devices["cpu"]["usable"] is True and devices["cpu"]["reason"] == ""
    assert events[-1]["torch"]


BAD_REQUESTS = [
    b"",
    b"hello",
    b"[]",
    b'{"id": "1"}',
    b'{"arguments": ["probe"]}',
    b'{"id": 1, "arguments": ["probe"]}',
    b'{"id": "1", "arguments": "probe"}',
    b'{"id": "1", "arguments": ["probe", 1]}',
    '{"id": "ü", "arguments": []}'.encode(),
    b"[" * 20_000,
    b"\xff\x00",
]


def test_requests_that_are_none_are_answered_and_the_next_one_is_served(ct, bundle):
    output = ct.with_name("mask.nrrd")
    good = json.dumps(
        {"id": "good", "arguments": ["segment", "--input", str(ct), "--output", str(output), "--model", str(bundle)]}
    )
    child = start("serve", stdin=subprocess.PIPE)
    out, err = child.communicate(b"\n".join([*BAD_REQUESTS, good.encode()]) + b"\n", timeout=120)
    events = [json.loads(line) for line in out.decode("ascii").splitlines()]
    errors = [event for event in events if event["event"] == "error"]
    assert [event["code"] for event in errors] == ["input"] * len(BAD_REQUESTS)
    assert all("send the next request" in event["message"] for event in errors)
    ends = [event for event in events if event["event"] == "done"]
    assert [event["exit_code"] for event in ends] == [2] * len(BAD_REQUESTS) + [0]
    assert ends[-1]["id"] == "good" and output.is_file() and child.returncode == 0
    assert b"Traceback" not in err


INTERRUPTED = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "GTVAutoSegLib.errors":
            print("interrupted", flush=True)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.parametrize("module", ["GTVAutoSegLib.commands.worker", "GTVAutoSegLib"])
def test_an_interrupt_amid_the_imports_is_no_traceback(module):
    command = [sys.executable, "-c", INTERRUPTED, module, "probe"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-2, "interrupted\n", "")
