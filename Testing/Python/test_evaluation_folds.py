"""A training run measured by itself: each case on the fold that did not learn from it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets import SIDE, save, write_case, write_dataset, write_preset, write_task

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.evaluation.boxes import boxed
from GTVAutoSegLib.evaluation.cases import CASCADE, Subject, evaluate
from GTVAutoSegLib.evaluation.folds import Part, evaluate_folds, held_out
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.model.info import Thresholds
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.slice_store import content_of
from GTVAutoSegLib.training.results.bundles import restore_bundles


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "ours", 4)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    """Two folds, one epoch, folds' networks voting about the slices."""
    folder = tmp_path_factory.mktemp("run")
    train(folder, data, folds=2)
    return folder / "run"


def train(folder: Path, data: Path, *options: str, combine: str = "vote", folds: int = 2, **changes) -> None:
    task = write_task(
        folder / "task.json", classifier={"network": "resnet18", "arguments": {"dropout": 0.0}, "combine": combine}
    )
    preset = write_preset(folder / "preset.json", epochs=1)
    preset.write_text(json.dumps({**json.loads(preset.read_text()), "folds": folds, **changes}))
    arguments = ["train", task, data, folder / "run", "--preset", preset, "--device", "cpu", *options]
    assert main([str(argument) for argument in arguments]) == 0


def measured(data: Path, run: Path, out: Path, *options: str) -> int:
    return main(["evaluate", str(data), "--run", str(run), "--output", str(out), "--device", "cpu", *options])


def test_every_case_is_measured_once_on_the_fold_that_validated_it(data, run, tmp_path, capsys):
    assert measured(data, run, tmp_path) == 0
    with (tmp_path / "cases.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["variant"] == CASCADE]
    folds = json.loads((run / "folds.json").read_text())["folds"]
    assert sorted((row["model"], row["case"]) for row in rows) == sorted(
        (f"fold_{number}", case) for number, cases in enumerate(folds) for case in cases
    )

    content = json.loads((tmp_path / "metrics.json").read_text())
    dsc = {name: [float(row["dsc"]) for row in rows if row["model"] == name] for name in ("fold_0", "fold_1")}
    means = [np.mean(values) for values in dsc.values()]
    assert content["cases"] == 4 and list(content["folds"]) == ["fold_0", "fold_1"]
    assert content["over_folds"][CASCADE]["dsc"]["mean"] == pytest.approx(np.mean(means), rel=1e-5)
    assert content["over_folds"][CASCADE]["dsc"]["std"] == pytest.approx(np.std(means, ddof=1), rel=1e-4, abs=1e-6)
    everything = dsc["fold_0"] + dsc["fold_1"]
    assert content["over_cases"][CASCADE]["dsc"]["n"] == 4
    assert content["over_cases"][CASCADE]["dsc"]["std"] == pytest.approx(np.std(everything, ddof=1), rel=1e-4)
    card = content["metrics"]
    assert card["folds"] == 2 and card["dsc"] == pytest.approx(np.mean(everything), abs=1e-4)
    assert {"dsc_std", "dsc_std_over_folds"} <= card.keys()
    assert content["bundles"]["fold_1"]["digest"] == read_bundle(run / "fold_1" / "phantom").digest
    assert (tmp_path / "evaluation.svg").read_text().startswith("<svg")
    output = capsys.readouterr().out
    assert "mean and standard deviation over the folds" in output and "\nall cases\n" in output
    assert "note: each network's best epoch was chosen on the cases it is measured on" in output


def test_the_figures_of_a_fold_are_those_of_its_own_networks(data, run):
    parts, _ = held_out(run, data)
    found = [one for result in evaluate_folds(parts, "cpu") for one in result]
    part = parts[1]
    alone = [one for result in evaluate(part.cases, Subject((part.bundle,), device="cpu")) for one in result]
    assert [one.agreement for one in found if one.model == "fold_1"] == [one.agreement for one in alone]
    assert read_bundle(part.bundle).info.classifier.files == ("classifier.safetensors",)


def test_folds_look_inside_boxes_too(data, run, tmp_path):
    assert measured(data, run, tmp_path, "--box", "1", "6") == 0
    figures = json.loads((tmp_path / "metrics.json").read_text())["over_folds"]
    tight, loose = (figures[boxed(CASCADE, slack)]["dsc"]["mean"] for slack in (1.0, 6.0))
    assert tight > loose > 0
    with (tmp_path / "cases.csv").open(newline="") as file:
        rows = [(row["case"], row["variant"]) for row in csv.DictReader(file) if row["variant"].endswith(CASCADE)]
    assert len(rows) == len(set(rows)) == 8  # of 4 cases


def test_folds_can_be_measured_on_patients_kept_aside(run, tmp_path):
    cases = tuple(find_cases(write_dataset(tmp_path / "aside", 2)))
    parts = [Part(name, run / name / "phantom", cases) for name in ("fold_0", "fold_1")]
    ticks = []
    results = list(evaluate_folds(parts, "cpu", progress=lambda *tick: ticks.append(tick)))
    assert ticks == [("evaluating", n, 4) for n in (1, 2, 3, 4)]
    assert [(result[0].model, result[0].case) for result in results] == [
        (name, f"patient{n}") for name in ("fold_0", "fold_1") for n in (0, 1)
    ]


def test_a_fold_s_threshold_comes_from_the_other_folds(data, run, tmp_path, monkeypatch):
    asked = []

    def best(figures):
        asked.append(len(list(figures)))
        return Thresholds((0.25, 0.75, 0.35)[len(asked) - 1], 0.4)

    (tmp_path / "run").mkdir()
    folds = {"folds": [["patient0"], ["patient1", "patient2", "patient3"]]}
    (tmp_path / "run" / "folds.json").write_text(json.dumps(folds))
    monkeypatch.setattr("GTVAutoSegLib.training.results.bundles.best_thresholds", best)
    train(tmp_path, data, combine="mean")
    assert asked == [3, 1, 4]  # of the other fold, of the other fold, of both for the ensemble
    thresholds = [read_bundle(tmp_path / "run" / place / "phantom").info.thresholds for place in ("fold_0", ".")]
    assert thresholds == [Thresholds(0.25, 0.4), Thresholds(0.35, 0.4)]
    _, remarks = held_out(tmp_path / "run", data)
    assert remarks[1] == "the thresholds of each fold were chosen on the cases of the other folds"


def test_a_vote_is_kept_in_the_bundle_and_won_by_half_of_the_members(run):
    info = read_bundle(run / "phantom").info
    assert (info.classifier.combine, info.segmenter.combine) == ("vote", "mean")
    assert len(info.classifier.files) == 2 and info.thresholds.slice == 0.5


def test_a_run_on_train_and_val_is_one_fold_and_says_what_flatters_it(tmp_path, capsys):
    write_dataset(tmp_path / "data" / "train", 2)
    write_case(tmp_path / "data" / "val" / "other", 7)
    train(tmp_path, tmp_path / "data")
    assert measured(tmp_path / "data", tmp_path / "run", tmp_path / "out") == 0
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["cases"] == 1 and list(content["folds"]) == ["split"] and "over_folds" not in content
    assert "the thresholds were chosen on the cases they are measured on as well" in capsys.readouterr().out


def refused(capsys, *arguments: object) -> str:
    assert measured(*arguments) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_run_is_only_measured_on_its_own_data(data, run, tmp_path, capsys):
    other = shutil.copytree(data, tmp_path / "other")
    shutil.rmtree(other / "patient2")
    assert "(the case patient2 is missing); give the data set" in refused(capsys, other, run, tmp_path / "out")
    write_case(other / "patient2", 9)
    assert "(the case patient2 is changed)" in refused(capsys, other, run, tmp_path / "out")


def test_what_is_no_run_or_not_far_enough_has_its_sentence(data, run, tmp_path, capsys):
    assert "run.json cannot be read (No such file" in refused(capsys, data, data, tmp_path / "out")
    unfinished = shutil.copytree(run, tmp_path / "unfinished", ignore=shutil.ignore_patterns("slices"))
    shutil.rmtree(unfinished / "fold_0" / "phantom")
    assert "fold_0: not trained yet, so 2 of the cases are not measured" in held_out(unfinished, data)[1]
    shutil.rmtree(unfinished / "fold_1" / "phantom")
    assert "has no model of a fold" in refused(capsys, data, unfinished, tmp_path / "out")
    assert "--record was given with a run" in refused(capsys, data, run, tmp_path / "out", "--record")


def test_a_case_that_cannot_be_read_is_named_and_the_others_are_measured(tmp_path, run, data, capsys):
    broken = shutil.copytree(data, tmp_path / "ours")
    configuration = json.loads((run / "run.json").read_text())
    label = broken / "patient1" / "label.nii.gz"
    save(np.full((6, SIDE, SIDE + 4), 3, np.uint8), label)
    other = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("slices"))
    case = next(case for case in find_cases(broken) if case.name == "patient1")
    configuration["cases"]["patient1"] = content_of(case)
    (other / "run.json").write_text(json.dumps(configuration))
    assert measured(broken, other, tmp_path / "out") == 1
    assert "failed: patient1: " in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["failed"] == ["patient1"]


@pytest.mark.parametrize("moment", ["writing", "between", "after"])
def test_what_a_killed_writer_of_a_bundle_left_is_mended_at_the_next_start(run, tmp_path, moment):
    folder = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("slices"))
    bundle, part = folder / "phantom", folder / ".phantom.0123abcd.part"
    before = (bundle / "model.json").read_bytes()
    if moment == "after":
        shutil.copytree(bundle, bundle / "replaced")
    else:
        part.mkdir()
        (part / "classifier_fold_0.safetensors").write_bytes(b"half")
        if moment == "between":
            bundle.rename(part / "replaced")
    restore_bundles(folder, "phantom")
    assert (bundle / "model.json").read_bytes() == before
    assert not part.exists() and not (bundle / "replaced").exists()
