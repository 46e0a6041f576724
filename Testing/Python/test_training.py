"""The loop that trains every network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import write_dataset
from safetensors.torch import load_file
from torch import nn

from GTVAutoSegLib.errors import Cancelled, InputError, OutOfMemoryError, RunError
from GTVAutoSegLib.networks import SliceClassifier
from GTVAutoSegLib.system.settings import PreprocessSettings
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.folds import make_folds
from GTVAutoSegLib.training.data.slice_store import build_store
from GTVAutoSegLib.training.data.slices import SliceSet
from GTVAutoSegLib.training.engine.engine import make_engine
from GTVAutoSegLib.training.loop import Job, fit
from GTVAutoSegLib.training.presets import TrainSettings
from GTVAutoSegLib.training.progress.monitor import Monitor, clock
from GTVAutoSegLib.training.stages import STAGES, f1_score


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 4)


@pytest.fixture(scope="module")
def stored(data, tmp_path_factory):
    return build_store(find_cases(data), PreprocessSettings(size=32), tmp_path_factory.mktemp("store"))


def job(stored, stage: str = "classifier", **changes) -> Job:
    settings = {"loss": "ce", "batch": 8, "epochs": 2, "restart_epochs": 2, **changes}
    return Job(
        STAGES[stage],
        lambda: SliceClassifier(width=4),
        SliceSet(tuple(stored[:3])),
        SliceSet(tuple(stored[3:])),
        TrainSettings(**settings),
        theta="1",
    )


def test_folds_hold_every_patient_once_and_depend_on_the_seed_only(stored):
    abnormal = {case.name: case.abnormal for case in stored}
    folds = make_folds(abnormal, 3, seed=1)
    assert sorted(name for fold in folds for name in fold) == list(abnormal)
    assert sorted(map(len, folds)) == [1, 1, 2]
    assert folds == make_folds(dict(reversed(abnormal.items())), 3, seed=1)
    assert any(folds != make_folds(abnormal, 3, seed=seed) for seed in (2, 3))
    assert len(make_folds(abnormal, 5, seed=0)) == 4  # no more folds than patients


def test_f1_is_defined_for_nothing_found_and_nothing_to_find():
    assert [f1_score(torch.tensor(counts)) for counts in ((0, 0, 0), (0, 2, 0), (2, 1, 1))] == [1.0, 0.0, 2 / 3]


@pytest.mark.parametrize(("seconds", "text"), [(5.2, "5 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")])
def test_durations_are_written_for_people(seconds, text):
    assert clock(seconds) == text


def test_training_is_reproducible_bit_for_bit_and_depends_on_the_seed(stored, tmp_path):
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        one = job(stored, epochs=1)
        fit(Job(**{**one.__dict__, "seed": seed}), tmp_path / name, make_engine("cpu"))
        files.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]


class StoppedAt(Monitor):
    """Stops when it is asked for the nth time; notes the steps that are taken."""

    def __init__(self, question: int, steps: list[tuple[int, int]]) -> None:
        self.asked, self.steps = 0, steps
        super().__init__(lambda: self.ask() == question)

    def ask(self) -> int:
        self.asked += 1
        return self.asked

    def step(self, epoch, done, total):
        self.steps.append((epoch, done))


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_stopped_at_a_step_or_in_validation_an_epoch_goes_on_there_to_the_same_weights(stored, tmp_path, ema):
    """With dropout, whose random numbers go on as well."""
    one = job(stored, epochs=2, batch=4, ema=ema)
    ends = {}
    # After the 1st step, the 3rd, in validation after the 5th, after the 1st of the second epoch; then to the end.
    for name, questions in (("whole", (0,)), ("stopped", (1, 2, 3, 2, 0))):
        (tmp_path / name).mkdir()
        steps: list[tuple[int, int]] = []
        for question in questions:
            if question:
                with pytest.raises(Cancelled, match="what it has learned is kept"):
                    fit(one, tmp_path / name, make_engine("cpu"), StoppedAt(question, steps))
            else:
                history = fit(one, tmp_path / name, make_engine("cpu"), StoppedAt(0, steps))
        log = [{key: value for key, value in record.items() if key != "seconds"} for record in history]
        ends[name] = (tmp_path / name / "weights.safetensors").read_bytes(), log, steps
    assert ends["whole"] == ends["stopped"]
    assert ends["whole"][2] == [(epoch, step) for epoch in (0, 1) for step in range(1, 6)]


def test_a_network_learns_and_the_best_epoch_is_kept(stored, tmp_path):
    history = fit(job(stored, epochs=6, ema=0.5), tmp_path, make_engine("cpu"))
    assert history[-1]["loss"] < history[0]["loss"]
    best = max(history, key=lambda record: record["validation"])
    assert (history[-1]["best"], history[-1]["best_epoch"]) == (best["validation"], best["epoch"])
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == history
    network = SliceClassifier(width=4).eval()
    network.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    images, masks = SliceSet(tuple(stored[3:])).batch(np.arange(6))
    with torch.inference_mode():
        counts = STAGES["classifier"].counts(network(images.float() / 255), masks)
    assert f1_score(counts) == best["validation"]


def test_the_learning_rate_restarts_and_cycles_get_longer(stored, tmp_path):
    history = fit(job(stored, epochs=7, restart_epochs=2, patience=9), tmp_path, make_engine("cpu"))
    half = 0.5e-3
    expected = [1e-3, half, 1e-3, half * (1 + 2**-0.5), half, half * (1 - 2**-0.5), 1e-3]
    assert [record["learning_rate"] for record in history] == pytest.approx(expected)


def test_training_stops_when_validation_no_longer_improves(stored, tmp_path):
    history = fit(job(stored, epochs=50, patience=2, learning_rate=1e-12), tmp_path, make_engine("cpu"))
    assert len(history) == history[-1]["best_epoch"] + 3


class Small(nn.Module):
    """Has no batch normalisation, and memory for so many slices."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
        self.layers(torch.zeros(1, 1, 32, 32))

    def forward(self, x):
        if len(x) > self.most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return self.layers(x)


class Notes(Monitor):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def test_when_memory_is_short_gradients_are_accumulated_to_the_same_result(stored, tmp_path):
    found = []
    for most in (99, 2):
        (tmp_path / str(most)).mkdir()
        notes = Notes()
        one = Job(**{**job(stored, epochs=1).__dict__, "build": lambda most=most: Small(most)})
        (record,) = fit(one, tmp_path / str(most), make_engine("cpu"), notes)
        found.append((record["loss"], load_file(tmp_path / str(most) / "weights.safetensors"), notes.texts))
    assert found[0][2] == []
    assert found[1][2] == [f"memory is short: each batch is now taken in parts of {n} slices" for n in (4, 2)]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for name, value in found[0][1].items():
        assert torch.allclose(value, found[1][1][name], atol=1e-6), name


def test_memory_for_not_even_two_slices_is_one_sentence(stored, tmp_path):
    one = Job(**{**job(stored).__dict__, "build": lambda: Small(1)})
    with pytest.raises(OutOfMemoryError, match="memory ran out on cpu with 2 slices at a time; lower 'batch'"):
        fit(one, tmp_path, make_engine("cpu"))


def test_a_loss_that_is_no_number_is_one_sentence(stored, tmp_path):
    with pytest.raises(RunError, match="the loss of the classifier became nan in epoch 0; lower learning_rate"):
        fit(job(stored, learning_rate=1e30), tmp_path, make_engine("cpu"))


def test_too_few_slices_to_train_on_are_named(stored, tmp_path):
    slices = SliceSet(tuple(stored[:1]))
    one = Job(**{**job(stored).__dict__, "training": slices, "theta": "0"})
    assert slices.abnormal.sum() == 3
    fit(one, tmp_path, make_engine("cpu"))
    object.__setattr__(stored[0], "abnormal", (True, *(False,) * 5))
    with pytest.raises(InputError, match="has 1 training slices, expected at least 2"):
        (tmp_path / "b").mkdir()
        fit(Job(**{**one.__dict__, "training": SliceSet(tuple(stored[:1]))}), tmp_path / "b", make_engine("cpu"))
