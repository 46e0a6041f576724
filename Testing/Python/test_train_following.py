"""A training that a program starts, follows, stops and continues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import write_dataset
from trainings import command, followed

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import Cancelled

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}"}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 4)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nobody stopped: its folder and its events."""
    folder = tmp_path_factory.mktemp("whole")
    code, events = followed(command(folder, data))
    assert code == 0
    return folder, events


def weights(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("weights.safetensors"))}


def test_every_line_is_an_event_and_the_last_one_says_where_the_model_is(whole):
    folder, events = whole
    stages = [one["stage"] for one in events if one["event"] == "stage"]
    assert stages == ["preparing slices", "training", "writing"]
    assert [one["done"] for one in events if one["event"] == "progress" and one["stage"] == stages[0]] == [1, 2, 3, 4]
    assert {"event": "note", "message": "4 cases, 24 slices, 12 of them with tumour"} in events
    last = events[-1]
    assert last == {
        "event": "result",
        "model": str(folder / "run" / "phantom"),
        "report": str(folder / "run" / "report.html"),
        "run": str(folder / "run"),
    }
    assert all(Path(last[key]).exists() for key in ("model", "report", "run"))


def test_steps_go_up_to_all_of_them_and_epochs_bring_figures(whole):
    _, events = whole
    steps = [one for one in events if one["event"] == "progress" and one["stage"] == "training"]
    done = [one["done"] for one in steps]
    # 9 abnormal slices in 3 cases and as many normal ones, eight a step, two epochs of two networks.
    assert done == sorted(done) and {one["total"] for one in steps} == {12} and done[-1] == 12
    epochs = [(one["fold"], one["network"], one["epoch"], one["step"]) for one in events if one["event"] == "epoch"]
    assert epochs == [("fold_1", network, epoch, 3) for network in ("classifier", "segmenter") for epoch in (1, 2)]
    first, *_, last = steps
    assert first["loss"] is None and isinstance(last["loss"], float) and 0 <= last["validation"] <= last["best"] <= 1
    assert [steps[index]["seconds_left"] is not None for index in (0, -1)] == [True, True] and last["seconds_left"] == 0


@pytest.fixture
def parent():
    """The writing end of a pipe that is this process's standard input, as that of a child is."""
    before, (reading, writing) = os.dup(0), os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield os.fdopen(writing, "wb")
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.parametrize("way", ["standard input closes", "SIGTERM"])
def test_stopped_in_any_way_and_resumed_it_ends_with_the_same_weights(data, whole, tmp_path, capsys, parent, way):
    def stop(event):
        if event["event"] == "epoch" and event["network"] == "segmenter":
            parent.close() if way == "standard input closes" else os.kill(os.getpid(), signal.SIGTERM)

    arguments = command(tmp_path, data, "--watch-stdin")
    code, seen = followed(arguments, stop)
    error = capsys.readouterr().err
    assert code == Cancelled.exit_code
    assert seen[-1]["event"] == "error" and seen[-1]["code"] == "cancelled"
    assert "was stopped; what it has learned is kept; run the same command with --resume" in seen[-1]["message"]
    assert error.splitlines()[-1].startswith("gtvautoseg: the training of the segmenter was stopped")
    assert [one["step"] for one in seen if one["event"] == "epoch"] == [3, 3, 3]
    assert main([one for one in [*arguments, "--resume"] if one != "--watch-stdin"]) == 0
    assert weights(tmp_path / "run") == weights(whole[0] / "run")


def test_a_second_signal_ends_it_at_once(data, tmp_path, capsys):
    def stop(event):
        if event["event"] == "note":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    code, seen = followed(command(tmp_path, data), stop)
    assert (code, seen[-1]["message"]) == (
        Cancelled.exit_code,
        "the training was stopped; run the same command with --resume to continue it",
    )
    assert "stopping after this step; once more to stop at once" in capsys.readouterr().err


def test_a_file_stops_it_as_well_also_while_slices_are_prepared(data, tmp_path, capsys):
    (tmp_path / "stop").touch()
    arguments = command(tmp_path, data, "--cancel-file", tmp_path / "stop")
    code, (*_, first, last) = followed(arguments)
    assert (code, first["event"], last["code"]) == (Cancelled.exit_code, "progress", "cancelled")
    assert "stopped while slices were prepared" in last["message"]
    for _ in range(4):  # each start prepares at least one more of the four cases
        assert main([*arguments, "--resume"]) == Cancelled.exit_code
    assert "the training of the classifier was stopped" in capsys.readouterr().err
    (tmp_path / "stop").unlink()
    assert main([*arguments, "--stage", "classifier", "--resume"]) == 0


def test_of_a_child_standard_output_is_events_only_and_an_error_is_a_sentence_too(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.docx").touch()
    program = [sys.executable, "-m", "GTVAutoSegLib", *command(tmp_path, data), "--progress", "json"]
    done = subprocess.run(program, env=ENVIRONMENT, capture_output=True, timeout=600)
    *_, last = [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]
    assert (done.returncode, last["event"], last["code"]) == (2, "error", "input")
    assert last["message"] in done.stderr.decode() and "is not empty and no training run" in last["message"]


def test_several_processes_cannot_be_stopped_one_by_one(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(command(tmp_path, data, "--watch-stdin")) == 2
    assert "stop torchrun with a signal" in capsys.readouterr().err


def test_without_a_preset_a_cpu_trains_the_small_one_and_a_run_its_own(data, tmp_path, capsys):
    arguments = command(tmp_path, data, "--stage", "classifier", "--model-version", "1.1.0", epochs=1)
    assert main(arguments) == 0
    place = arguments.index("--preset")
    without = [*arguments[:place], *arguments[place + 2 :]]
    version = without.index("--model-version")
    assert main([*without[:version], *without[version + 2 :], "--resume"]) == 0
    configuration = json.loads((tmp_path / "run" / "run.json").read_text())
    assert configuration["preset"]["classifier"]["epochs"] == 1 and configuration["task"]["version"] == "1.1.0"
    capsys.readouterr()
    other = [str(tmp_path / "other") if one == str(tmp_path / "run") else one for one in without]
    assert main([*other, "--dry-run"]) == 0
    assert "with the preset small, by 3 steps of each network" in capsys.readouterr().out
    assert main([*other, "--model-version", "v 2"]) == 2
    assert "--model-version is 'v 2'; expected a number such as 1.1.0" in capsys.readouterr().err
