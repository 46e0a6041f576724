"""A training that a program starts, follows, stops and continues; and what it says in advance that it will take."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles import make_bundle
from datasets import write_dataset, write_preset, write_task

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import Cancelled
from GTVAutoSegLib.training.checkpoint import LOG, STATE

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}"}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 4)


def command(folder: Path, data: Path, *options: object, epochs: int = 2) -> list[str]:
    """`gtvautoseg train` of one fold on tiny networks."""
    task = write_task(folder / "task.json")
    preset = write_preset(folder / "preset.json", epochs=epochs, ema=0.9)
    return [
        *("train", str(task), str(data), str(folder / "run")),
        *("--preset", str(preset), "--device", "cpu", "--fold", "1", *map(str, options)),
    ]


class Events(list):
    """Takes the events of a command; calls ``react`` with each."""

    def __init__(self, react=lambda event: None) -> None:
        super().__init__()
        self.react = react

    def append(self, event) -> None:
        super().append(event)
        self.react(event)


def followed(arguments: list[str], react=lambda event: None) -> tuple[int, list[dict]]:
    """Exit code and events of a command that runs in this process."""
    events = Events(react)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("GTVAutoSegLib.commands.learning.following.claim_standard_output", lambda: events.append)
        return main([*arguments, "--progress", "json"]), events


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


def test_the_estimate_counts_what_is_then_trained_and_writes_nothing(data, whole, tmp_path):
    code, (*labels, result) = followed(command(tmp_path, data, "--dry-run"))
    assert code == 0
    assert [one["done"] for one in labels] == [1, 2, 3, 4] and {one["stage"] for one in labels} == {"reading labels"}
    found = result["estimate"]
    counted = {key: found[key] for key in ("cases", "patients", "slices", "tumour_slices", "folds", "device")}
    assert counted == {"cases": 4, "patients": 4, "slices": 24, "tumour_slices": 12, "folds": 1, "device": "cpu"}
    assert [(one["network"], one["epochs"], one["steps"]) for one in found["networks"]] == [
        ("classifier", 2, 3),
        ("segmenter", 2, 3),
    ]
    assert found["measured"] == "3 steps of each network on this machine"
    store = sum(path.stat().st_size for path in (whole[0] / "run" / "slices").rglob("*.npy")) / 1e6
    assert found["store_mb"] == pytest.approx(store, abs=0.06)
    steps = sum(one["epochs"] * one["steps"] * one["seconds_per_step"] for one in found["networks"])
    assert 0 < steps < found["seconds"] < 60
    assert not (tmp_path / "run").exists()


def test_of_a_run_that_was_begun_what_is_left_is_estimated_from_its_log(data, tmp_path, capsys):
    assert main(command(tmp_path, data, "--stage", "classifier", epochs=1)) == 0
    capsys.readouterr()
    assert main(command(tmp_path, data, "--dry-run", epochs=1)) == 0
    shown = capsys.readouterr().out
    assert "fold_1, segmenter: 1 epoch of 3 steps" in shown and "classifier" not in shown
    assert "nothing was written" in shown


@pytest.mark.parametrize("way", ["a file", "Ctrl+C"])
def test_an_estimate_that_was_stopped_is_nothing_to_resume(data, tmp_path, way):
    def stop(event):
        if event["event"] == "progress" and way == "Ctrl+C":
            raise KeyboardInterrupt
        (tmp_path / "stop").touch()

    code, events = followed(command(tmp_path, data, "--dry-run", "--cancel-file", tmp_path / "stop"), stop)
    assert (code, events[-1]["message"]) == (Cancelled.exit_code, "the estimate was stopped; nothing was written")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def ticking(monkeypatch):
    """Every look at the estimate's clock is a second later than the one before."""
    ticks = count()
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    monkeypatch.setattr("GTVAutoSegLib.training.progress.estimate.time", clock)


def test_the_estimated_time_is_of_slices_epochs_and_thresholds(data, tmp_path, ticking):
    code, events = followed(command(tmp_path, data, "--dry-run"))
    found = events[-1]["estimate"]
    assert code == 0
    # 8 slices are learned from, or 16 judged, in a second; 18 of three cases (balanced) and 6 of one.
    per_step = [one["seconds_per_step"] for one in found["networks"]]
    assert per_step == pytest.approx([(18 / 8 + 6 / 16) / 3] * 2, abs=1e-4)
    # Two networks of 2 epochs and 3 steps; half a second for each of 4 cases; the thresholds' validation.
    assert found["seconds"] == pytest.approx(sum(per_step) * 2 * 3 + 4 / 2 + 2 * 6 / 16, abs=0.06)


def test_of_a_network_that_was_begun_the_epochs_left_are_estimated_by_its_log(data, whole, tmp_path, ticking):
    run = shutil.copytree(whole[0] / "run", tmp_path / "run")
    for network in ("classifier", "segmenter"):
        (run / "fold_1" / network / STATE).unlink()
        log = run / "fold_1" / network / LOG
        first = json.loads(log.read_text().splitlines()[0])
        log.write_text(json.dumps({**first, "seconds": 30}) + "\n")
    found = followed(command(tmp_path, data, "--dry-run"))[1][-1]["estimate"]
    assert [(one["epochs"], one["seconds_per_step"]) for one in found["networks"]] == [(1, 10.0), (1, 10.0)]
    assert found["measured"] == "the log of this run"
    # Its slices are prepared.
    assert found["seconds"] == pytest.approx(2 * 30 + 2 * 6 / 16, abs=0.06)


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


def test_a_training_that_begins_with_a_model_is_estimated_too(data, tmp_path, capsys):
    task = json.loads(write_task(tmp_path / "task.json").read_text())
    start = make_bundle(tmp_path / "start", size=32)
    arguments = command(tmp_path, data, "--dry-run", "--stage", "segmenter", "--start-from", start)
    assert task["width"] == 4
    assert main(arguments) == 0
    assert "fold_1, segmenter: 2 epochs" in capsys.readouterr().out
