"""What a training says in advance that it will take."""

from __future__ import annotations

import json
import shutil
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles import make_bundle
from datasets import watched, write_case, write_dataset, write_task
from trainings import command, followed

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import Cancelled
from GTVAutoSegLib.training.checkpoint import LOG, STATE
from GTVAutoSegLib.training.configuration import FILE
from GTVAutoSegLib.training.progress import estimate


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 4)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """The folder of a run that came to its end."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(command(folder, data)) == 0
    return folder / "run"


@pytest.fixture
def begun(whole, tmp_path) -> Path:
    """A run of which both networks have an epoch of 30 seconds in their logs, and one to go."""
    run = shutil.copytree(whole, tmp_path / "run")
    for network in ("classifier", "segmenter"):
        (run / "fold_1" / network / STATE).unlink()
        log = run / "fold_1" / network / LOG
        first = json.loads(log.read_text().splitlines()[0])
        log.write_text(json.dumps({**first, "seconds": 30}) + "\n")
    return run


def estimated(arguments: list[str]) -> dict:
    """The estimate that a command sends at its end."""
    code, events = followed([*arguments, "--dry-run"])
    assert code == 0
    return events[-1]["estimate"]


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
    store = sum(path.stat().st_size for path in (whole / "slices").rglob("*.npy")) / 1e6
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


def test_no_label_is_held_while_the_next_is_read(data, tmp_path, monkeypatch):
    held = watched(monkeypatch, estimate)
    estimated(command(tmp_path, data))
    assert held == [0] * 4


@pytest.fixture
def ticking(monkeypatch):
    """Every look at the estimate's clock is a second later than the one before."""
    ticks = count()
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    monkeypatch.setattr("GTVAutoSegLib.training.progress.estimate.time", clock)


def test_the_estimated_time_is_of_slices_epochs_and_thresholds(data, tmp_path, ticking):
    found = estimated(command(tmp_path, data))
    # 8 slices are learned from, or 16 judged, in a second; 18 of three cases (balanced) and 6 of one.
    per_step = [one["seconds_per_step"] for one in found["networks"]]
    assert per_step == pytest.approx([(18 / 8 + 6 / 16) / 3] * 2, abs=1e-4)
    # Two networks of 2 epochs and 3 steps; half a second for each of 4 cases; the thresholds' validation.
    assert found["seconds"] == pytest.approx(sum(per_step) * 2 * 3 + 4 / 2 + 2 * 6 / 16, abs=0.06)


def test_of_a_network_that_was_begun_the_epochs_left_are_estimated_by_its_log(data, begun, tmp_path, ticking):
    found = estimated(command(tmp_path, data))
    assert [(one["epochs"], one["seconds_per_step"]) for one in found["networks"]] == [(1, 10.0), (1, 10.0)]
    assert found["measured"] == "the log of this run"
    # Its slices are prepared.
    assert found["seconds"] == pytest.approx(2 * 30 + 2 * 6 / 16, abs=0.06)


def test_a_training_that_begins_with_a_model_is_estimated_too(data, tmp_path, capsys):
    task = json.loads(write_task(tmp_path / "task.json").read_text())
    start = make_bundle(tmp_path / "start", size=32)
    arguments = command(tmp_path, data, "--dry-run", "--stage", "segmenter", "--start-from", start)
    assert task["width"] == 4
    assert main(arguments) == 0
    assert "fold_1, segmenter: 2 epochs" in capsys.readouterr().out


def test_what_lies_in_a_folder_that_is_no_run_is_no_log(data, begun, tmp_path, ticking):
    (begun / FILE).unlink()
    found = estimated(command(tmp_path, data))
    assert [one["epochs"] for one in found["networks"]] == [2, 2]
    assert found["measured"] == "3 steps of each network on this machine"


def test_patients_with_several_cts_are_counted_once(tmp_path):
    for number in range(6):
        write_case(tmp_path / "data" / f"patient{number}", number, tumour=number > 1)
    (tmp_path / "data" / "patients.json").write_text(json.dumps(dict.fromkeys(["patient4", "patient5"], "one")))
    found = estimated(command(tmp_path, tmp_path / "data"))
    assert (found["cases"], found["patients"], found["tumour_slices"]) == (6, 5, 4 * 3)


def test_a_division_that_cannot_be_trained_is_refused_in_advance_too(tmp_path, capsys):
    write_case(tmp_path / "data" / "train" / "a", 0)
    write_case(tmp_path / "data" / "val" / "b", 1, tumour=False)
    arguments = [one for one in command(tmp_path, tmp_path / "data", "--dry-run") if one not in ("--fold", "1")]
    assert main(arguments) == 2
    assert "the validation cases of split (b) show no tumour on any slice" in capsys.readouterr().err
