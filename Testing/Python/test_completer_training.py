"""Training a completer on several data sets, and measuring what it makes of a few drawn slices."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from bundles import make_completer
from datasets import write_case, write_dataset

from GTVAutoSegLib.cascade.completion.completer import load_completer
from GTVAutoSegLib.cascade.completion.features import CHANNELS
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.evaluation.drawn import evaluate_drawn, summarise_drawn
from GTVAutoSegLib.training.completer import load_completer_task, read_divided
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.drawn import DrawnSlices, LabelledTumour, read_tumour, simulated


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """One divided in train and val, one that is not."""
    root = tmp_path_factory.mktemp("sets")
    for part, count in (("train", 2), ("val", 1)):
        for number in range(count):
            write_case(root / "first" / part / f"{part}{number}", number, slices=12)
    write_dataset(root / "second", 3, slices=9)
    write_case(root / "second" / "normal", 9, tumour=False)
    return root / "first", root / "second"


@pytest.fixture
def preset(tmp_path):
    shipped = load_completer_task()
    task = {
        **{name: getattr(shipped, name) for name in ("title", "version", "licence", "intended_use", "data")},
        "id": "small",
        "size": 32,
        "width": 2,
        "samples": 8,
        "validation": 4,
        "training": {"loss": "dice-ce", "epochs": 2, "batch": 4, "restart_epochs": 2, "ema": 0.9},
    }
    path = tmp_path / "preset.json"
    path.write_text(json.dumps(task))
    return path


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_several_data_sets_become_a_completer_that_completes(capsys, datasets, preset, tmp_path):
    output = tmp_path / "run"
    code, out, err = run(capsys, "train", "completer", *datasets, output, "--preset", preset, "--device", "cpu")
    assert code == 0, err
    assert f"completer: {output / 'small'}" in out and "first: 2 tumours to learn from, 1 to choose on" in err
    completer = load_completer(output / "small", "cpu")
    info = completer.bundle.info
    assert info.cases == {"first": 2, "second": 2} and info.size == 32 and 0 < info.metrics["validation"] <= 1
    log = [json.loads(line) for line in (output / "network" / "log.jsonl").read_text().splitlines()]
    assert [record["slices"] for record in log] == [8, 8]
    code, out, err = run(capsys, "evaluate", datasets[0] / "val", "--drawn", 1, 2, 3, "--completer", output / "small",
                         "--output", tmp_path / "measured")  # fmt: skip
    assert code == 0, err
    assert "| inside | 1 | whole | 1 |" in out and "| ends | 2 | untouched | 1 |" in out and "| found | 1 |" in out
    with (tmp_path / "measured" / "drawn.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows if row["way"] == "inside"} == {"interpolation", "completer"}
    means = json.loads((tmp_path / "measured" / "drawn.json").read_text())
    assert means["completer"]["id"] == "small" and means["means"][0]["cases"] == 1


def test_a_training_is_only_continued_when_asked_and_with_the_same_data(capsys, datasets, preset, tmp_path):
    output, options = tmp_path / "run", ("--preset", preset, "--device", "cpu")
    assert run(capsys, "train", "completer", datasets[0], output, *options)[0] == 0
    code, _, err = run(capsys, "train", "completer", datasets[0], output, *options)
    assert code == 2 and "add --resume" in err
    code, _, err = run(capsys, "train", "completer", *datasets, output, *options, "--resume")
    assert code == 2 and "belongs to another training" in err
    before = (output / "small" / "completer.safetensors").read_bytes()
    shutil.rmtree(output / "small")
    said = json.loads((output / "run.json").read_text())
    said["task"] |= {"data": "words of a program of before", "licence": "its licence"}
    (output / "run.json").write_text(json.dumps(said))
    assert run(capsys, "train", "completer", datasets[0], output, *options, "--resume")[0] == 0
    assert (output / "small" / "completer.safetensors").read_bytes() == before


def test_a_training_may_begin_with_another_completers_weights(capsys, datasets, preset, tmp_path):
    first, options = tmp_path / "first", ("--preset", preset, "--device", "cpu")
    assert run(capsys, "train", "completer", datasets[0], first, *options)[0] == 0
    other = make_completer(tmp_path / "wider", width=3)
    code, _, err = run(capsys, "train", "completer", datasets[0], tmp_path / "x", *options, "--start-from", other)
    assert code == 2 and "holds another network" in err and not (tmp_path / "x").exists()
    task = json.loads(preset.read_text())
    task["training"]["learning_rate"] = 1e-12  # what it begins with is what it ends with
    preset.write_text(json.dumps(task))
    second = tmp_path / "second"
    code, _, err = run(capsys, "train", "completer", datasets[0], second, *options, "--start-from", first / "small")
    assert code == 0, err
    kernels = [load_completer(one / "small", "cpu").network.head.weight for one in (first, second)]
    assert np.allclose(*kernels, atol=1e-6) and kernels[0].abs().max() > 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("train", "sts-gtv", "a", "b", "out"), "2 data sets were given for sts-gtv"),
        (("train", "completer", "a", "out", "--fold", "1"), "--fold was given for the completer"),
        (("train", "completer", "a", "out", "--preset", "no.json"), "no.json cannot be read"),
        (("train", "completer", "a", "out"), "a is not a folder"),
        (("evaluate", "a", "--drawn", "0", "--output", "o"), "--drawn was given 0 slices"),
        (("evaluate", "a", "--drawn", "1", "--output", "o", "--record"), "--record was given with --drawn"),
        (("evaluate", "a", "--drawn", "1", "--output", "o", "--workers", "2"), "--workers was given with --drawn"),
        (("evaluate", "a", "--drawn", "1", "--output", "o", "--box", "10"), "--box was given with --drawn"),
        (("evaluate", "a", "--model", "m", "--output", "o", "--completer", "c"), "--completer was given without"),
    ],
)
def test_what_does_not_fit_is_one_line(capsys, monkeypatch, tmp_path, arguments, part):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2 and part in err and len(err.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_every_fifth_patient_is_held_out_where_nothing_is_divided(datasets, tmp_path):
    data = read_divided(datasets[1], 0)
    assert len(data.cases["validation"]) == 1 and len(data.training) == 2
    assert not set(data.cases["training"]) & set(data.cases["validation"])
    for number in range(2):
        write_case(tmp_path / "normal" / f"patient{number}", number, tumour=False)
    with pytest.raises(InputError, match="show no tumour"):
        read_divided(tmp_path / "normal", 0)


def test_samples_depend_on_their_seed_only_and_the_target_is_the_label(datasets):
    tumours = [read_tumour(case) for case in find_cases(datasets[0] / "train")]
    samples = DrawnSlices([tumours], 32, 6)
    indices = samples.draw("n", 3, 1)
    images, masks = samples.batch(indices)
    again = samples.batch(indices[::-1].copy())
    assert images.shape == (6, CHANNELS, 32, 32) and masks.shape == (6, 32, 32)
    assert np.array_equal(images, again[0].flip(0)) and np.array_equal(masks, again[1].flip(0))
    assert not np.array_equal(indices, samples.draw("n", 3, 2))
    # What the neighbours show is where the tumour is, more or less.
    near = ((images[:, 0] > 0) & masks).sum() / masks.sum()
    assert near > 0.5


def test_a_simulated_person_leaves_a_slice_near_what_was_drawn(datasets):
    tumour = read_tumour(find_cases(datasets[0] / "train")[0])
    random = np.random.default_rng(0)
    found = [neighbours for _ in range(200) if (neighbours := simulated(tumour, random)) is not None]
    marked = np.flatnonzero(tumour.label.any(axis=(1, 2)))
    assert len(found) > 100 and {len(one.shown) for one in found} == {1, 2}
    assert {one.step for one in found} == {1, -1}
    assert any(one.index < marked[0] or one.index > marked[-1] for one in found)
    assert all(not anchor.empty and tumour.label[anchor.index].any() for one in found for anchor in one.shown)


def test_a_tumour_that_is_all_drawn_is_not_simulated():
    label = np.zeros((5, 20, 20), bool)
    label[2, 5:9, 5:9] = True
    tumour = LabelledTumour(np.zeros(label.shape, np.int16), label, (100.0, 1.0, 1.0))
    assert all(simulated(tumour, np.random.default_rng(seed)) is None for seed in range(20))


def test_untouched_slices_are_measured_apart_and_an_untrained_network_is_no_better(datasets, tmp_path):
    completer = load_completer(make_completer(tmp_path / "tiny"), "cpu")
    figures = list(evaluate_drawn(find_cases(datasets[0] / "val"), [1, 3], completer))
    whole = {(one.way, one.drawn, one.method): one for one in figures if one.part == "whole"}
    rest = {(one.way, one.drawn, one.method): one for one in figures if one.part == "untouched"}
    assert whole.keys() == rest.keys() and ("ends", 1, "completer") not in whole
    assert all(rest[key].dsc < whole[key].dsc for key in whole)
    for one in summarise_drawn(figures):
        if one.way != "found":
            assert one.dsc["interpolation"] == one.dsc["completer"] and one.better == 0 and one.end_error == 0
