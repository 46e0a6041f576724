"""What a reproduction says when one of its files is damaged, or memory runs out while it plans."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reproductions import prepared, request_of, write_inputs

from GTVAutoSegLib.errors import DiskError, InputError, OutOfMemoryError, RunError
from GTVAutoSegLib.study.reproduce.pages.tables import make_rows
from GTVAutoSegLib.study.reproduce.parts import make_part
from GTVAutoSegLib.study.reproduce.run import execute, prepare
from GTVAutoSegLib.study.reproduce.scoring.pool import over_cases
from GTVAutoSegLib.study.reproduce.scoring.predictions import load_predictions, save_predictions
from GTVAutoSegLib.study.reproduce.scoring.scores import Pair, score_pairs
from GTVAutoSegLib.study.reproduce.split import keep_split
from GTVAutoSegLib.study.reproduce.systems import HCF, TABLES
from GTVAutoSegLib.study.reproduce.timing import Speed, measure_speeds, network_of
from GTVAutoSegLib.study.reproduce.training import MEASURED, is_done, keep_failure, read_figures
from GTVAutoSegLib.study.reproduce.volume_timing import measure_volume
from GTVAutoSegLib.study.volumetric import VolumeSettings
from GTVAutoSegLib.training.data.dataset import Case
from GTVAutoSegLib.training.engine.engine import make_engine


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("data"))


@pytest.fixture
def timed(data, tmp_path, monkeypatch):
    """A setup, one of its trainings, and how often a network was timed."""
    asked = []

    def measure(part, setup, engine):
        asked.append(part)
        return Speed(1.0, 2, 0.5)

    monkeypatch.setattr("GTVAutoSegLib.study.reproduce.timing._measure", measure)
    setup = prepared(data, tmp_path / "run", folds=1)
    return setup, make_part(setup, HCF.classifier, setup.folds[0]), asked


def test_damaged_timings_are_measured_anew(timed):
    setup, part, asked = timed
    expected = {network_of(part.recipe): Speed(1.0, 2, 0.5)}
    file = setup.folder / "timings.json"
    assert measure_speeds([part], setup) == measure_speeds([part], setup) == expected
    assert len(asked) == 1
    key = next(iter(json.loads(file.read_text())))
    for number, text in enumerate(('{"classi', "[]", json.dumps({key: 3}), json.dumps({key: {"step": None}}))):
        file.write_text(text)
        assert measure_speeds([part], setup) == expected
        assert len(asked) == number + 2
    assert measure_speeds([part], setup) == expected
    assert len(asked) == 5


def test_a_timing_of_another_processor_is_not_used(timed, monkeypatch):
    setup, part, asked = timed
    measure_speeds([part], setup)
    monkeypatch.setattr("GTVAutoSegLib.study.reproduce.timing.processor", lambda: "a slower one")
    measure_speeds([part], setup)
    assert len(asked) == 2


def test_a_training_with_damaged_figures_is_not_finished(data, tmp_path):
    setup = prepared(data, tmp_path / "run", folds=1)
    part = make_part(setup, HCF.classifier, setup.folds[0])
    part.folder.mkdir(parents=True)
    for text in ('{"parame', "[1]", '{"parameters": 3}'):
        (part.folder / "figures.json").write_text(text)
        assert read_figures(part) is None
        assert not is_done(part)


def test_damaged_epochs_of_a_budget_are_named_and_not_chosen_anew(data, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "epochs.json").write_text("{")
    with pytest.raises(InputError, match=r"epochs.json is damaged; delete it .* or give --epochs"):
        prepare(request_of(data, folder, folds=1, budget_hours=1.0), lambda text: None)


def name_of(case: Case) -> str:
    """What a scoring process does in the tests: the one that gets the large case is killed."""
    if case.name == "large":
        os.kill(os.getpid(), signal.SIGKILL)
    return case.name


def test_a_killed_scoring_process_takes_only_its_case_with_it():
    cases = [Case(name, Path(name), Path(name)) for name in ("a", "large", "b", "c")]
    done = []
    found, died = over_cases(name_of, cases, 2, lambda _, *counts: done.append(counts))
    assert found == {"a": "a", "b": "b", "c": "c"}
    assert died.startswith("the process that scores large died, for lack of memory perhaps")
    assert done == [(1, 4), (2, 4), (3, 4)]
    assert over_cases(name_of, [cases[0]], 1) == ({"a": "a"}, "")


@pytest.fixture
def pair(data, tmp_path):
    """A setup, and a system that claims to be trained, without predictions."""
    setup = prepared(data, tmp_path / "run", folds=1)
    segmenter, classifier = (make_part(setup, recipe, setup.folds[0]) for recipe in (HCF.segmenter, HCF.classifier))
    for part in (segmenter, classifier):
        part.folder.mkdir(parents=True)
        (part.folder / "figures.json").write_text(json.dumps(dict.fromkeys(MEASURED, 1)))
    return setup, Pair(segmenter, classifier)


def test_what_cannot_be_scored_is_in_the_table_with_its_reason(pair):
    setup, hcf = pair
    (hcf.segmenter.folder / "predictions.npz").write_bytes(b"PK no archive")
    unscored = score_pairs([hcf], setup, 1)
    assert list(unscored) == [hcf]
    last = make_rows(TABLES["table6"](), setup, unscored)[-1]
    assert last.failure.startswith("fold_0: ")
    assert "predictions.npz is damaged" in last.failure
    assert "delete figures.json beside it and run the same command again" in last.failure


def test_damaged_scores_count_as_missing(pair):
    setup, hcf = pair
    hcf.path(setup).parent.mkdir()
    hcf.path(setup).write_text('{"threshold": 0.5, "cas')
    assert list(score_pairs([hcf], setup, 1)) == [hcf]


def test_predictions_lacking_a_case_are_damaged(tmp_path):
    save_predictions(tmp_path / "predictions.npz", one=np.zeros(3))
    assert load_predictions(tmp_path / "predictions.npz", ["one"])["one"].shape == (3,)
    with pytest.raises(RunError, match=r"predictions.npz is damaged"):
        load_predictions(tmp_path / "predictions.npz", ["one", "two"])


def test_why_a_training_failed_is_told_by_a_later_run(data, tmp_path):
    setup = prepared(data, tmp_path / "run", folds=2)
    second = make_part(setup, HCF.segmenter, setup.folds[1])
    assert make_rows(TABLES["table6"](), setup, {})[-1].failure == "fold_0, fold_1 not finished"
    keep_failure(second, "its process died")
    assert make_rows(TABLES["table6"](), setup, {})[-1].failure == "fold_1: its process died"
    # A training that succeeded since is not to blame.
    (second.folder / "figures.json").write_text(json.dumps(dict.fromkeys(MEASURED, 1)))
    assert make_rows(TABLES["table6"](), setup, {})[-1].failure == "fold_0, fold_1 not finished"


def test_a_disk_that_is_full_when_a_failure_is_noted_stops_no_other_training(data, tmp_path, monkeypatch):
    request = request_of(data, tmp_path, epochs=1, folds=1, systems=("Dice",))
    plan = prepare(request, lambda text: None)

    def die(parts, setup, told, **how):
        for part in parts:
            told(part, "its process died")

    def full(part, failure):
        raise DiskError("the disk is full")

    monkeypatch.setattr("GTVAutoSegLib.study.reproduce.run.run_trainings", die)
    monkeypatch.setattr("GTVAutoSegLib.study.reproduce.run.keep_failure", full)
    said: list[str] = []
    assert execute(plan, plan.parts, request, said.append) == len(plan.parts) == len(said)
    assert said[-1].endswith("its process died; the tables will not say so: the disk is full")


def test_a_damaged_split_is_named(tmp_path):
    (tmp_path / "split.json").write_text('{"folds": ')
    with pytest.raises(InputError, match=r"split.json is damaged"):
        keep_split(tmp_path, [], [], 0)


def test_memory_that_runs_out_while_a_3d_network_is_timed_is_one_sentence(monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr("GTVAutoSegLib.study.reproduce.volume_timing._timed", broken)
    settings = VolumeSettings(patch=(16, 32, 32), width=4)
    setup = SimpleNamespace(volume_settings=lambda recipe, fold: settings)
    part = SimpleNamespace(recipe=SimpleNamespace(network="vnet3d"), fold=None)
    with pytest.raises(OutOfMemoryError, match="memory ran out on .*--no-3d"):
        measure_volume(part, setup, make_engine("cpu"))
